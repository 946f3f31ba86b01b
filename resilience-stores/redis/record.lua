-- Before each of the four scripts: how a record lies in its string, and the time.
--
-- A header of 78 bytes, then the response: version, state, attempt, fence (microseconds), end of the lease and its length
-- (milliseconds), owner, fingerprint. Numbers stay below 2^53, which is what Lua keeps of them; they are never put into text.
local LAYOUT = ">c1c1I4I8I8I8c16c32"
local HEADER = 78
local VERSION = "1"
local PENDING = "p"
local DONE = "d"

-- Microseconds by the server's clock. Asked for once: it may go on while a script runs.
local function now_us()
    local time = redis.call("TIME")
    return tonumber(time[1]) * 1000000 + tonumber(time[2])
end

local function milliseconds(us)
    return math.floor(us / 1000)
end

-- The record under a key, or nil; and if what lies there is no record, the answer to give.
local function read(key)
    local header = redis.pcall("GETRANGE", key, 0, HEADER - 1)
    if type(header) == "table" then
        return nil, header
    end
    if #header == 0 then
        return nil
    end
    if #header < HEADER or header:sub(1, 1) ~= VERSION then
        return nil, {"corrupt"}
    end
    local _, state, attempt, fence, lease_until, lease, owner, fingerprint = struct.unpack(LAYOUT, header)
    if state ~= PENDING and state ~= DONE then
        return nil, {"corrupt"}
    end
    return {
        state = state, attempt = attempt, fence = fence, lease_until = lease_until, lease = lease, owner = owner,
        fingerprint = fingerprint
    }
end

local function pack(record)
    return struct.pack(
        LAYOUT, VERSION, record.state, record.attempt, record.fence, record.lease_until, record.lease, record.owner,
        record.fingerprint
    )
end

-- A new record, for as long as it is to be kept. False if there is something already: an empty string is not a record either.
local function create(key, record, response, retain)
    return redis.call("SET", key, pack(record) .. response, "PX", retain, "NX")
end

-- The record as it is now, for as long as it was to be kept: counted from its first claim.
local function write(key, record, response)
    redis.call("SET", key, pack(record) .. response, "KEEPTTL")
end

local function response(key)
    return redis.call("GETRANGE", key, HEADER, -1)
end
