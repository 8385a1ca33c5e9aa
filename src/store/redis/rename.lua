-- Replaces the record of an authenticator if it has not changed since it was read.
-- KEYS: authenticators.
-- ARGV: id of the authenticator; record as it was read; new record.
-- Returns 'stored', 'changed', or 'nothing' if the account has no such authenticator.
local stored = redis.call('HGET', KEYS[1], ARGV[1])
if not stored then
    return 'nothing'
end
if stored ~= ARGV[2] then
    return 'changed'
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 'stored'
