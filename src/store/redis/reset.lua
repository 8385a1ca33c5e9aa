-- KEYS: account, authenticators, codes, uses, enrolments, authentications, tries. Answers how
-- many authenticators were removed. Whoever has no record has none afterwards.
local removed = redis.call('HLEN', KEYS[2])
if redis.call('EXISTS', KEYS[1]) == 1 then
    redis.call('HINCRBY', KEYS[1], 'version', 1)
    redis.call('HINCRBY', KEYS[1], 'epoch', 1)
    redis.call('HDEL', KEYS[1], 'salt', 'pepper')
end
redis.call('DEL', KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7])
return removed
