-- Stores a response. $1 key, $2 owner, $3 response, all bytea. No row was updated: the record is not, or no longer, this
-- owner's, or it is done already. In a transaction of yours, roll back then.
UPDATE resilience_idempotency
SET state = 1, response = $3
WHERE key = $1 AND owner = $2 AND state = 0 AND expires_at > clock_timestamp()
RETURNING 'ok' AS answer, attempt, fence AS number, NULL::bytea AS response
