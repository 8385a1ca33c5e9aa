-- KEYS: account, authenticators, codes, enrolments. ARGV: the challenge's digest, empty for none.
local account = redis.call('HMGET', KEYS[1], 'version', 'handle')
local pending = ARGV[1] ~= '' and live(redis.call('HGET', KEYS[4], ARGV[1]), now_ms())
return {
    account[1],
    account[2],
    redis.call('HLEN', KEYS[3]),
    pending and pending.record or false,
    redis.call('HVALS', KEYS[2]),
}
