-- KEYS: account, authenticators, codes, uses, enrolments, authentications, the tries of the release
-- before this one. ARGV: whether authenticators may be removed (1 or 0), and the recovery code: salt,
-- pepper id, hash, TTL in milliseconds. Answers a word, the code's deadline, the records that were
-- removed and those of their last uses.
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
