-- Tries a code, and uses it up if it is right.
-- KEYS: account; codes; the session's count of tries, a hash whose one field is the salt of the set that
-- was tried, so that each set has a count of its own.
-- ARGV: salt; hash; maximum number of wrong codes within a window; the window in milliseconds.
-- Returns a word, a number and the epoch: 'used' with the number of backup codes left; 'many' with the
-- milliseconds until the session may try again; 'wrong'; or 'other' if another set is active. The epoch
-- is 0 unless the code was used.
local salt, hash, limit, window = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]

local codes = active_codes(KEYS[1])
if (codes.salt or '') ~= salt then
    return { 'other', 0, 0 }
end
local tries = tonumber(redis.call('HGET', KEYS[3], salt) or '0')
if tries >= limit then
    return { 'many', math.max(redis.call('PTTL', KEYS[3]), 0), 0 }
end

local function use_up()
    if not codes.is_recovery then
        return redis.call('HDEL', KEYS[2], hash) == 1
    end
    local now = now_ms()
    if codes.hash ~= hash or now < codes.from or now >= codes.deadline then
        return false
    end
    redis.call('HDEL', KEYS[1], 'recovery_code')
    return true
end

-- The attempt is counted before the hash is compared.
if tries == 0 then
    redis.call('DEL', KEYS[3])
end
redis.call('HINCRBY', KEYS[3], salt, 1)
if tries == 0 then
    redis.call('PEXPIRE', KEYS[3], window)
end
if not use_up() then
    return { 'wrong', 0, 0 }
end
redis.call('DEL', KEYS[3])
local epoch = tonumber(redis.call('HGET', KEYS[1], 'epoch') or '0')
return { 'used', redis.call('HLEN', KEYS[2]), epoch }
