-- Releases a claim if it still has the expected value.
-- KEYS: claim.
-- ARGV: expected value.
-- Returns the number of removed claims.
if redis.call('GET', KEYS[1]) == ARGV[1] then
    return redis.call('DEL', KEYS[1])
end
return 0
