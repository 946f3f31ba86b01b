-- Stores a response. Arguments: fingerprint, owner, retention, what the owner holds (attempt, fence), and the response.
local key = KEYS[1]
local fingerprint, owner, retain = ARGV[1], ARGV[2], ARGV[3]
local attempt, fence, answer = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]

local record, failed = read(key)
if failed then
    return failed
end

if not record then
    record = {
        state = DONE, attempt = attempt, fence = fence, lease_until = 0, lease = 0, owner = owner, fingerprint = fingerprint
    }
    if not create(key, record, answer, retain) then
        return {"corrupt"}
    end
    return {"healed"}
end
if record.owner ~= owner then
    -- After a record was lost, its key may have been used for something else.
    if record.state == DONE and record.fingerprint == fingerprint then
        return {"lost", response(key)}
    end
    return {"lost"}
end
-- Once is enough: what is stored stays as it is.
if record.state == PENDING then
    record.state = DONE
    write(key, record, answer)
end
return {"ok"}
