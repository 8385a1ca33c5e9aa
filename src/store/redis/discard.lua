-- KEYS: enrolments. ARGV: the challenge's digest. Answers 1 when a live one was removed.
local entry = redis.call('HGET', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[1], ARGV[1])
return live(entry, now_ms()) and 1 or 0
