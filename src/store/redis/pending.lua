-- Returns the milliseconds since the Unix epoch by this server's clock, which all deadlines use.
local function now_ms()
    local time = redis.call('TIME')
    return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Parses a pending ceremony, which is stored as begun|deadline|sequence|record, with times in
-- milliseconds. Returns nil for one that does not exist or has expired, and for one that was begun in
-- the future: the clock went back, and it would be valid for too long.
local function live(entry, now)
    if not entry then
        return nil
    end
    local begun, deadline, sequence, record = string.match(entry, '^(%d+)|(%d+)|(%d+)|(.*)$')
    if not record or tonumber(begun) > now or now >= tonumber(deadline) then
        return nil
    end
    return { deadline = tonumber(deadline), sequence = tonumber(sequence), record = record }
end
