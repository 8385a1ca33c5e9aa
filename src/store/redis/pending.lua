-- Milliseconds since the Unix epoch by this server's clock: the one clock of all deadlines.
local function now_ms()
    local time = redis.call('TIME')
    return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- A pending enrolment is kept as begun|deadline|sequence|record, times in milliseconds. Answers
-- its parts while it is live. One that was begun in the future is not: the clock went back, and it
-- would be valid for too long.
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
