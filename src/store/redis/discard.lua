-- KEYS: enrolments, authentications. ARGV: the challenge's digest. Answers 1 when a live one was
-- removed.
local now = now_ms()
local removed = 0
for _, key in ipairs(KEYS) do
    if live(redis.call('HGET', key, ARGV[1]), now) then
        removed = 1
    end
    redis.call('HDEL', key, ARGV[1])
end
return removed
