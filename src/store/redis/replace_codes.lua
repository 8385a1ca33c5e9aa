-- Replaces the backup codes.
-- KEYS: account; codes; authenticators.
-- ARGV: version; salt of the set to replace (empty for none); the new set: salt, pepper id, hashes.
-- Returns 'stored', also for a repetition; 'stale' if the account has another version or no
-- authenticators; 'superseded' if another set is active.
local version, old, salt, pepper_id = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local active = active_codes(KEYS[1]).salt or ''
if active == salt then
    return 'stored'
end
local has_changed = (redis.call('HGET', KEYS[1], 'version') or '0') ~= version
if has_changed or redis.call('HLEN', KEYS[3]) == 0 then
    return 'stale'
end
if active ~= old then
    return 'superseded'
end
local hashes = {}
for i = 5, #ARGV do
    hashes[#hashes + 1] = ARGV[i]
    hashes[#hashes + 1] = '1'
end

redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[2], unpack(hashes))
redis.call('HSET', KEYS[1], 'salt', salt, 'pepper', pepper_id)
redis.call('HDEL', KEYS[1], 'replaced')
return 'stored'
