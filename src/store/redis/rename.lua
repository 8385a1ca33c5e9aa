-- KEYS: authenticators. ARGV: the authenticator's id, its record as it was read, the new record.
-- Answers a word.
local stored = redis.call('HGET', KEYS[1], ARGV[1])
if not stored then
    return 'nothing'
end
if stored ~= ARGV[2] then
    return 'changed'
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 'stored'
