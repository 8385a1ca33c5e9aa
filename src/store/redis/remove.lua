-- KEYS: account, authenticators, codes, uses. ARGV: version, the authenticator's id.
-- Answers a word, and the record that was removed with that of its last use, empty for none.
local version, id = ARGV[1], ARGV[2]
local record = redis.call('HGET', KEYS[2], id)
if not record then
    return { 'nothing', '', '' }
end
if (redis.call('HGET', KEYS[1], 'version') or '0') ~= version then
    return { 'stale', '', '' }
end

local use = redis.call('HGET', KEYS[4], id) or ''
redis.call('HDEL', KEYS[2], id)
redis.call('HDEL', KEYS[4], id)
redis.call('HINCRBY', KEYS[1], 'version', 1)
redis.call('HINCRBY', KEYS[1], 'epoch', 1)
if redis.call('HLEN', KEYS[2]) == 0 then
    redis.call('DEL', KEYS[3])
    redis.call('HDEL', KEYS[1], 'salt', 'pepper')
end
return { 'removed', record, use }
