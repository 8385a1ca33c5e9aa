-- Removes a pending ceremony.
-- KEYS: enrolments; authentications.
-- ARGV: digest of the challenge.
-- Returns 1 if a live one was removed, else 0.
local now = now_ms()
local removed = 0
for _, key in ipairs(KEYS) do
    if live(redis.call('HGET', key, ARGV[1]), now) then
        removed = 1
    end
    redis.call('HDEL', key, ARGV[1])
end
return removed
