-- Whose a record is that could not be finished. $1 key, $2 owner, $3 fingerprint: after a record was lost, its key may have been
-- used for something else, and that response is nobody's business.
SELECT
    CASE
        WHEN state = 1 AND owner = $2 THEN 'ok'
        WHEN state = 1 AND fingerprint = $3 THEN 'done'
        WHEN state = 0 AND owner = $2 THEN 'pending'
        ELSE 'lost'
    END AS answer,
    attempt, fence AS number, CASE WHEN owner <> $2 AND fingerprint = $3 THEN response END AS response
FROM resilience_idempotency
WHERE key = $1 AND expires_at > clock_timestamp()
