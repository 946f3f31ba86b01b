-- Whose a record is that could not be finished. $1 key, $2 owner.
SELECT
    CASE
        WHEN state = 1 AND owner = $2 THEN 'ok'
        WHEN state = 1 THEN 'done'
        WHEN owner = $2 THEN 'pending'
        ELSE 'lost'
    END AS answer,
    attempt, fence AS number, CASE WHEN owner <> $2 THEN response END AS response
FROM resilience_idempotency
WHERE key = $1 AND expires_at > clock_timestamp()
