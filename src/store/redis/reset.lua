-- Removes all authenticators, codes and pending ceremonies, and stores a recovery code.
-- KEYS: account; authenticators; codes; uses; enrolments; authentications; the count of tries that the
-- previous release keeps.
-- ARGV: 1 if authenticators may be removed, else 0; the recovery code: salt, pepper id, hash, TTL in
-- milliseconds.
-- Returns a word, the deadline of the code in milliseconds, the removed records, and the records of
-- their last uses. The word is 'done', or 'enrolled' if nothing was changed because there are
-- authenticators.
local recovery = { salt = ARGV[2], pepper = ARGV[3], hash = ARGV[4], ttl = ARGV[5] }
local removed = redis.call('HVALS', KEYS[2])
if ARGV[1] ~= '1' and #removed > 0 then
    return { 'enrolled', 0, {}, {} }
end

local uses = redis.call('HGETALL', KEYS[4])
local version = redis.call('HINCRBY', KEYS[1], 'version', 1)
redis.call('HINCRBY', KEYS[1], 'epoch', 1)
redis.call('HDEL', KEYS[1], 'salt', 'pepper', 'replaced')
redis.call('DEL', KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7])
local deadline = store_recovery(KEYS[1], version, recovery)
return { 'done', deadline, removed, uses }
