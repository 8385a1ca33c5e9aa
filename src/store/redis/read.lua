-- KEYS: account, authenticators, codes, enrolments, uses, authentications. ARGV: the challenge's
-- digest, empty for none.
local account = redis.call('HMGET', KEYS[1], 'version', 'handle', 'epoch', 'salt', 'pepper')
local enrolment, authentication
if ARGV[1] ~= '' then
    local now = now_ms()
    enrolment = live(redis.call('HGET', KEYS[4], ARGV[1]), now)
    authentication = live(redis.call('HGET', KEYS[6], ARGV[1]), now)
end
return {
    account,
    redis.call('HLEN', KEYS[3]),
    enrolment and enrolment.record or false,
    authentication and authentication.record or false,
    redis.call('HVALS', KEYS[2]),
    redis.call('HGETALL', KEYS[5]),
}
