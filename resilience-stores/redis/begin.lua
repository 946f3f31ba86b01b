-- Claims a record. Arguments: fingerprint, owner, lease, retention, whether a lost owner's record may be taken over (1 or 0).
local key = KEYS[1]
local fingerprint, owner, lease, retain, take_over = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5] == "1"

local record, failed = read(key)
if failed then
    return failed
end
local us = now_us()
local now = milliseconds(us)

if not record then
    record = {
        state = PENDING, attempt = 1, fence = us, lease_until = now + lease, lease = lease, owner = owner,
        fingerprint = fingerprint
    }
    if not create(key, record, "", retain) then
        return {"corrupt"}
    end
    return {"acquired", 1, us}
end

if record.fingerprint ~= fingerprint then
    return {"mismatch"}
end
if record.state == DONE then
    return {"done", response(key)}
end

if record.owner ~= owner then
    -- The clock was set back: nobody waits for longer than the lease that was asked for.
    if record.lease_until > now + record.lease then
        record.lease_until = now + record.lease
        write(key, record, "")
    end
    if record.lease_until > now then
        return {"busy", record.lease_until - now, record.attempt}
    end
    if not take_over then
        return {"abandoned", record.attempt}
    end
    record.owner = owner
    record.attempt = record.attempt + 1
    -- Greater than the last one, also when the clock was set back.
    record.fence = math.max(us, record.fence + 1)
end
record.lease = lease
record.lease_until = now + lease
write(key, record, "")
return {"acquired", record.attempt, record.fence}
