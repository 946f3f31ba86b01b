//! The store: what it is told, and its operations.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use resilience_core::idempotency::{
    Begin, Claim, Finish, Held, OnLostOwner, Owner, RecordKey, Release, Released, Renew, Store, StoreError,
    StoreErrorKind,
};

use super::{
    Connection, Connections, Row, Value,
    error::Kind,
    statements::{self, Statements},
};
use crate::time::{self, Deadline, from_milliseconds, milliseconds};

/// How often an operation that met another one is tried.
const ROUNDS: usize = 4;
const LOCK_WAIT: Duration = Duration::from_millis(250);

/// Records in PostgreSQL; see the [module](self) for what the database must have.
///
/// # Examples
///
/// ```no_run
/// use resilience_core::idempotency::{Claim, Finish, Held, RecordKey};
/// use resilience_stores::postgres::{Pool, PostgresStore};
///
/// /// The work and its record, together or not at all.
/// async fn charge(
///     client: &mut tokio_postgres::Client, store: &PostgresStore<Pool>, key: &RecordKey, claim: &Claim, held: Held,
/// ) -> Result<(), Box<dyn std::error::Error>> {
///     let mut transaction = client.transaction().await?;
///     transaction.execute("INSERT INTO charges (cents) VALUES (100)", &[]).await?;
///     match store.finish_in(&mut transaction, key, claim, held, b"charged".as_slice().into()).await? {
///         Finish::Ok | Finish::Healed => Ok(transaction.commit().await?),
///         Finish::Lost { .. } => Ok(transaction.rollback().await?),
///     }
/// }
/// ```
///
/// # Cancellation
///
/// A call that is dropped may have been carried out or not. Send it again with the same owner, or release the record.
///
/// # Clone
///
/// Clones use the same connections.
pub struct PostgresStore<C> {
    connections: Arc<C>,
    statements: Arc<Statements>,
    timeout: Duration,
    lock_wait: Duration,
}

impl<C> PostgresStore<C> {
    /// A store in the table `resilience_idempotency`.
    #[must_use]
    pub fn new(connections: C) -> Self {
        Self {
            connections: Arc::new(connections),
            statements: Arc::new(Statements::new(statements::TABLE)),
            timeout: time::TIMEOUT,
            lock_wait: LOCK_WAIT,
        }
    }

    /// Another table: `name` or `schema.name`. Its sequence is called `name_fence`.
    ///
    /// # Panics
    ///
    /// If it is not one or two names of at most 55 lower-case letters, digits and underscores, not beginning with a digit.
    #[must_use]
    #[track_caller]
    pub fn table(mut self, table: &str) -> Self {
        assert!(
            statements::is_name(table),
            "table is {table:?}, it must be one or two names of at most 55 lower-case letters, digits and underscores"
        );
        self.statements = Arc::new(Statements::new(table));
        self
    }

    /// For how long an operation waits for the database, connecting and waiting for a lock included. 500 ms by default: a request that
    /// cannot be protected is refused while its caller is still there.
    ///
    /// # Panics
    ///
    /// If it is not longer than the [wait for a lock](Self::lock_wait).
    #[must_use]
    #[track_caller]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self.check()
    }

    /// For how long the server waits for a row that a transaction holds, before `begin` is told that it is busy. 250 ms by default,
    /// half of the timeout: longer than a commit takes.
    ///
    /// # Panics
    ///
    /// If it is zero (for PostgreSQL that means for ever), or not shorter than the [timeout](Self::timeout).
    #[must_use]
    #[track_caller]
    pub fn lock_wait(mut self, wait: Duration) -> Self {
        assert!(!wait.is_zero(), "lock_wait is {wait:?}, it must be longer than zero");
        self.lock_wait = wait;
        self.check()
    }

    #[track_caller]
    fn check(self) -> Self {
        let Self { lock_wait, timeout, .. } = &self;
        assert!(
            lock_wait < timeout,
            "lock_wait is {lock_wait:?}, it must be shorter than the timeout, which is {timeout:?}"
        );
        self
    }

    /// What makes this store's table; see [`MIGRATION`](super::MIGRATION).
    #[must_use]
    pub fn migration(&self) -> &str {
        &self.statements.migration
    }

    /// Stores the response in a transaction of yours, as [`finish`](Store::finish) does: it is there when the transaction commits.
    ///
    /// Call it last, and **roll back if it is [`Lost`](Finish::Lost)**: another owner has the record, and your work is theirs to do. The
    /// row is locked until the transaction ends. It does not bound how long it takes: the transaction is yours, and so is its time.
    ///
    /// It takes a `tokio_postgres::Transaction`, or a transaction of `sqlx` as `&mut *transaction`.
    ///
    /// # Errors
    ///
    /// A [`StoreError`]. The transaction can only be rolled back then.
    pub async fn finish_in(
        &self,
        transaction: &mut impl Connection,
        key: &RecordKey,
        claim: &Claim,
        held: Held,
        response: Bytes,
    ) -> Result<Finish, StoreError> {
        self.finish_on(transaction, key, claim, held, &response).await
    }

    async fn finish_on(
        &self,
        connection: &mut impl Connection,
        key: &RecordKey,
        claim: &Claim,
        held: Held,
        response: &[u8],
    ) -> Result<Finish, StoreError> {
        let (name, owner) = (bytes(key.as_bytes()), bytes(claim.owner.as_bytes()));
        for _ in 0..ROUNDS {
            let values = [name, owner, bytes(response)];
            if connection.row(&self.statements.finish, &values).await?.is_some() {
                return Ok(Finish::Ok);
            }
            let found = [name, owner, bytes(claim.fingerprint.as_bytes())];
            match connection.row(&self.statements.found, &found).await? {
                None => {
                    let healed = self.heal(connection, key, claim, held, Some(response)).await?;
                    if healed {
                        return Ok(Finish::Healed);
                    }
                }
                Some(row) => match row.answer.as_str() {
                    "ok" => return Ok(Finish::Ok),
                    "done" => return Ok(Finish::Lost { winner: Some(response_of(row)?) }),
                    "lost" => return Ok(Finish::Lost { winner: None }),
                    // Made again by a renewal of its own in the meantime.
                    "pending" => {}
                    _ => return Err(nonsense("unknown answer")),
                },
            }
        }
        Err(raced())
    }

    /// False if there is a record after all.
    async fn heal(
        &self,
        connection: &mut impl Connection,
        key: &RecordKey,
        claim: &Claim,
        held: Held,
        response: Option<&[u8]>,
    ) -> Result<bool, StoreError> {
        let values = [
            bytes(key.as_bytes()),
            bytes(claim.fingerprint.as_bytes()),
            bytes(claim.owner.as_bytes()),
            Value::Integer(held.attempt.try_into().unwrap_or(i32::MAX)),
            Value::BigInt(held.fence.try_into().unwrap_or(i64::MAX)),
            Value::BigInt(milliseconds(claim.lease)),
            Value::BigInt(milliseconds(claim.retain)),
            Value::Bytes(response),
        ];
        Ok(connection.row(&self.statements.heal, &values).await?.is_some())
    }

    async fn begin_on(
        &self,
        connection: &mut impl Connection,
        key: &RecordKey,
        claim: &Claim,
    ) -> Result<Begin, StoreError> {
        // Until something else is known: a first attempt, held by a transaction that has not ended.
        let mut attempt = 1;
        let mut claims = true;
        for _ in 0..ROUNDS {
            let values = [
                bytes(key.as_bytes()),
                bytes(claim.fingerprint.as_bytes()),
                bytes(claim.owner.as_bytes()),
                Value::BigInt(milliseconds(claim.lease)),
                Value::BigInt(milliseconds(claim.retain)),
                Value::Boolean(claim.on_lost_owner == OnLostOwner::TakeOver),
                self.lock_wait_value(),
                Value::Boolean(claims),
            ];
            let row = match connection.row(&self.statements.begin, &values).await {
                Ok(row) => row,
                Err(failure) if failure.kind() == Kind::Raced => continue,
                // Somebody is about to finish it, and does not let us in. What it was before can be seen.
                Err(failure) if failure.kind() == Kind::Locked && claims => {
                    claims = false;
                    continue;
                }
                Err(failure) => return Err(failure.into()),
            };
            match row {
                Some(row) if row.answer == "stale" => attempt = attempt_of(&row)?,
                Some(row) => return begin_of(row),
                None => {}
            }
            if !claims {
                break;
            }
        }
        Ok(Begin::Busy { retry_in: self.lock_wait, attempt })
    }

    async fn renew_on(
        &self,
        connection: &mut impl Connection,
        key: &RecordKey,
        claim: &Claim,
        held: Held,
    ) -> Result<Renew, StoreError> {
        let values = [
            bytes(key.as_bytes()),
            bytes(claim.owner.as_bytes()),
            Value::BigInt(milliseconds(claim.lease)),
            self.lock_wait_value(),
        ];
        if connection.row(&self.statements.renew, &values).await?.is_some() {
            return Ok(Renew::Ok);
        }
        let healed = self.heal(connection, key, claim, held, None).await?;
        Ok(if healed { Renew::Healed } else { Renew::Lost })
    }

    async fn release_on(
        &self,
        connection: &mut impl Connection,
        key: &RecordKey,
        owner: Owner,
        how: Release,
    ) -> Result<Released, StoreError> {
        let statement = match how {
            Release::Delete => &self.statements.delete,
            Release::Abandon => &self.statements.abandon,
        };
        let values = [bytes(key.as_bytes()), bytes(owner.as_bytes()), self.lock_wait_value()];
        let row = connection.row(statement, &values).await?.ok_or_else(|| nonsense("no row"))?;
        match row.answer.as_str() {
            "ok" => Ok(Released::Ok),
            "lost" => Ok(Released::Lost),
            "gone" => Ok(Released::Gone),
            _ => Err(nonsense("unknown answer")),
        }
    }

    fn lock_wait_value(&self) -> Value<'static> {
        Value::BigInt(milliseconds(self.lock_wait))
    }
}

impl<C: Connections> PostgresStore<C> {
    /// Deletes records that have been kept for their time, the oldest first and at most so many, and says how many it were.
    ///
    /// Call it from time to time, and again as long as it deletes as many as it may; any number of processes may do so at once. A thousand
    /// at a time take some milliseconds.
    ///
    /// # Errors
    ///
    /// A [`StoreError`].
    pub async fn reap(&self, limit: u32) -> Result<u64, StoreError> {
        let (mut connection, deadline) = self.connect().await?;
        let reaped = async {
            let row = connection.row(&self.statements.reap, &[Value::BigInt(limit.into())]).await?;
            number_of(&row.ok_or_else(|| nonsense("no row"))?)
        };
        deadline.bounds(reaped).await
    }

    /// A connection, and until when it may be used.
    async fn connect(&self) -> Result<(C::Connection, Deadline), StoreError> {
        let deadline = Deadline::after(self.timeout);
        let connecting = async { Ok(self.connections.connection().await?) };
        Ok((deadline.bounds_connecting(connecting).await?, deadline))
    }
}

impl<C: Connections> Store for PostgresStore<C> {
    async fn begin(&self, key: &RecordKey, claim: &Claim) -> Result<Begin, StoreError> {
        let (mut connection, deadline) = self.connect().await?;
        deadline.bounds(self.begin_on(&mut connection, key, claim)).await
    }

    async fn renew(&self, key: &RecordKey, claim: &Claim, held: Held) -> Result<Renew, StoreError> {
        let (mut connection, deadline) = self.connect().await?;
        deadline.bounds(self.renew_on(&mut connection, key, claim, held)).await
    }

    async fn finish(
        &self,
        key: &RecordKey,
        claim: &Claim,
        held: Held,
        response: Bytes,
    ) -> Result<Finish, StoreError> {
        let (mut connection, deadline) = self.connect().await?;
        deadline.bounds(self.finish_on(&mut connection, key, claim, held, &response)).await
    }

    async fn release(&self, key: &RecordKey, owner: Owner, how: Release) -> Result<Released, StoreError> {
        let (mut connection, deadline) = self.connect().await?;
        deadline.bounds(self.release_on(&mut connection, key, owner, how)).await
    }
}

fn begin_of(row: Row) -> Result<Begin, StoreError> {
    match row.answer.as_str() {
        "acquired" => Ok(Begin::Acquired(Held::new(attempt_of(&row)?, number_of(&row)?))),
        "busy" => {
            let remaining = row.number.unwrap_or(0);
            Ok(Begin::Busy { retry_in: from_milliseconds(remaining), attempt: attempt_of(&row)? })
        }
        "done" => Ok(Begin::Done(response_of(row)?)),
        "mismatch" => Ok(Begin::Mismatch),
        "abandoned" => Ok(Begin::Abandoned { attempt: attempt_of(&row)? }),
        _ => Err(nonsense("unknown answer")),
    }
}

fn bytes(bytes: &[u8]) -> Value<'_> {
    Value::Bytes(Some(bytes))
}

fn attempt_of(row: &Row) -> Result<u32, StoreError> {
    row.attempt.and_then(|attempt| attempt.try_into().ok()).ok_or_else(|| nonsense("no attempt"))
}

fn number_of(row: &Row) -> Result<u64, StoreError> {
    row.number.and_then(|number| number.try_into().ok()).ok_or_else(|| nonsense("no number"))
}

fn response_of(row: Row) -> Result<Bytes, StoreError> {
    row.response.map(Bytes::from).ok_or_else(|| nonsense("no response"))
}

/// Not what one of the statements answers.
fn nonsense(what: &'static str) -> StoreError {
    StoreError::new(StoreErrorKind::Corrupt).with_source(what)
}

/// It met another operation each time.
fn raced() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable).with_source("raced with other operations")
}

impl<C> Clone for PostgresStore<C> {
    fn clone(&self) -> Self {
        Self {
            connections: Arc::clone(&self.connections),
            statements: Arc::clone(&self.statements),
            timeout: self.timeout,
            lock_wait: self.lock_wait,
        }
    }
}

impl<C> fmt::Debug for PostgresStore<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("timeout", &self.timeout)
            .field("lock_wait", &self.lock_wait)
            .finish_non_exhaustive()
    }
}
