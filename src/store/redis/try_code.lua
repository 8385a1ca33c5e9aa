-- KEYS: account, codes, tries. ARGV: salt, hash, how many wrong ones there may be, within how many
-- milliseconds. Answers a word and a number.
local salt, hash, limit, window = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]

if (redis.call('HGET', KEYS[1], 'salt') or '') ~= salt then
    return { 'other', 0 }
end
if tonumber(redis.call('GET', KEYS[3]) or '0') >= limit then
    return { 'many', redis.call('PTTL', KEYS[3]) }
end

-- Counted before it is compared.
if redis.call('INCR', KEYS[3]) == 1 then
    redis.call('PEXPIRE', KEYS[3], window)
end
if redis.call('HDEL', KEYS[2], hash) == 0 then
    return { 'wrong', 0 }
end
redis.call('DEL', KEYS[3])
return { 'used', redis.call('HLEN', KEYS[2]) }
