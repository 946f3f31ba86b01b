//! The store: what it is told, and its operations.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use resilience_core::idempotency::{
    Begin, Claim, Finish, Held, Owner, RecordKey, Release, Released, Renew, Store, StoreError,
};

use super::{
    Connection, Connections,
    operations::Operations,
    statements::{self, Statements},
};
use crate::time::{self, Deadline};

const LOCK_WAIT: Duration = Duration::from_millis(250);

/// Records in PostgreSQL; see the [module](crate::postgres) for what the database must have.
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
    operations: Operations,
    timeout: Duration,
}

impl<C> PostgresStore<C> {
    /// A store in the table `resilience_idempotency`.
    #[must_use]
    pub fn new(connections: C) -> Self {
        Self {
            connections: Arc::new(connections),
            operations: Operations {
                statements: Arc::new(Statements::new(statements::TABLE)),
                lock_wait: LOCK_WAIT,
            },
            timeout: time::TIMEOUT,
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
        self.operations.statements = Arc::new(Statements::new(table));
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
        self.operations.lock_wait = wait;
        self.check()
    }

    #[track_caller]
    fn check(self) -> Self {
        let (lock_wait, timeout) = (self.operations.lock_wait, self.timeout);
        assert!(
            lock_wait < timeout,
            "lock_wait is {lock_wait:?}, it must be shorter than the timeout, which is {timeout:?}"
        );
        self
    }

    /// What makes this store's table; see [`MIGRATION`](super::MIGRATION).
    #[must_use]
    pub fn migration(&self) -> &str {
        &self.operations.statements.migration
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
        self.operations.finish(transaction, key, claim, held, &response).await
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
        deadline.bounds(self.operations.reap(&mut connection, limit)).await
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
        deadline.bounds(self.operations.begin(&mut connection, key, claim)).await
    }

    async fn renew(&self, key: &RecordKey, claim: &Claim, held: Held) -> Result<Renew, StoreError> {
        let (mut connection, deadline) = self.connect().await?;
        deadline.bounds(self.operations.renew(&mut connection, key, claim, held)).await
    }

    async fn finish(
        &self,
        key: &RecordKey,
        claim: &Claim,
        held: Held,
        response: Bytes,
    ) -> Result<Finish, StoreError> {
        let (mut connection, deadline) = self.connect().await?;
        deadline.bounds(self.operations.finish(&mut connection, key, claim, held, &response)).await
    }

    async fn release(&self, key: &RecordKey, owner: Owner, how: Release) -> Result<Released, StoreError> {
        let (mut connection, deadline) = self.connect().await?;
        deadline.bounds(self.operations.release(&mut connection, key, owner, how)).await
    }
}

impl<C> Clone for PostgresStore<C> {
    fn clone(&self) -> Self {
        Self {
            connections: Arc::clone(&self.connections),
            operations: self.operations.clone(),
            timeout: self.timeout,
        }
    }
}

impl<C> fmt::Debug for PostgresStore<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("timeout", &self.timeout)
            .field("lock_wait", &self.operations.lock_wait)
            .finish_non_exhaustive()
    }
}
