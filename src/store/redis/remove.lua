-- Removes an authenticator, and with the last one the codes.
-- KEYS: account; authenticators; codes; uses; enrolments; authentications.
-- ARGV: version; id of the authenticator; 'owner' or 'admin'; a recovery code: salt (empty for none),
-- pepper id, hash, TTL in milliseconds.
-- Returns a word, the removed record, the record of its last use (empty for none), and the deadline of
-- the recovery code in milliseconds (0 for none). The word is 'removed'; 'nothing' if the account has no
-- such authenticator; or 'stale' if the account has another version, or an admin removes the last
-- authenticator without a recovery code.
local version, id, is_admin = ARGV[1], ARGV[2], ARGV[3] == 'admin'
local recovery = { salt = ARGV[4], pepper = ARGV[5], hash = ARGV[6], ttl = ARGV[7] }
local record = redis.call('HGET', KEYS[2], id)
if not record then
    return { 'nothing', '', '', 0 }
end
local is_last = redis.call('HLEN', KEYS[2]) == 1
local lacks_code = is_admin and is_last and recovery.salt == ''
if (redis.call('HGET', KEYS[1], 'version') or '0') ~= version or lacks_code then
    return { 'stale', '', '', 0 }
end

local use = redis.call('HGET', KEYS[4], id) or ''
redis.call('HDEL', KEYS[2], id)
redis.call('HDEL', KEYS[4], id)
local new_version = redis.call('HINCRBY', KEYS[1], 'version', 1)
redis.call('HINCRBY', KEYS[1], 'epoch', 1)
if is_admin then
    redis.call('DEL', KEYS[5], KEYS[6])
end
local deadline = 0
if is_last then
    redis.call('DEL', KEYS[3])
    redis.call('HDEL', KEYS[1], 'salt', 'pepper', 'replaced')
    if is_admin then
        deadline = store_recovery(KEYS[1], new_version, recovery)
    end
end
return { 'removed', record, use, deadline }
