-- KEYS: account, authenticators, codes, enrolments, uses, authentications, tries. ARGV: the
-- challenge's digest, empty for none; how many wrong codes there may be.
local account = redis.call('HMGET', KEYS[1], 'version', 'handle', 'epoch', 'salt', 'pepper')
local enrolment, authentication
if ARGV[1] ~= '' then
    local now = now_ms()
    enrolment = live(redis.call('HGET', KEYS[4], ARGV[1]), now)
    authentication = live(redis.call('HGET', KEYS[6], ARGV[1]), now)
end
local shut = tonumber(redis.call('GET', KEYS[7]) or '0') >= tonumber(ARGV[2])
return {
    account,
    redis.call('HLEN', KEYS[3]),
    enrolment and enrolment.record or false,
    authentication and authentication.record or false,
    redis.call('HVALS', KEYS[2]),
    redis.call('HGETALL', KEYS[5]),
    shut and redis.call('PTTL', KEYS[7]) or false,
}
