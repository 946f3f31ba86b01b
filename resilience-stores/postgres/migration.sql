-- The records of idempotent operations. Never UNLOGGED: a crash empties such a table.
CREATE SEQUENCE IF NOT EXISTS resilience_idempotency_fence;

CREATE TABLE IF NOT EXISTS resilience_idempotency (
    key         bytea       PRIMARY KEY,
    state       smallint    NOT NULL, -- 0 is pending, 1 is done
    fingerprint bytea       NOT NULL,
    owner       bytea       NOT NULL,
    attempt     integer     NOT NULL,
    fence       bigint      NOT NULL,
    lease_until timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL, -- is never changed while the record lives, so that updates need not touch an index
    response    bytea,
    CHECK (state IN (0, 1)),
    CHECK ((state = 1) = (response IS NOT NULL))
) WITH (fillfactor = 70); -- room for the one or two updates of a record on its page

-- For the reaper.
CREATE INDEX IF NOT EXISTS resilience_idempotency_expires ON resilience_idempotency (expires_at);
