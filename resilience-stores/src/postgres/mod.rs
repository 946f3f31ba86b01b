//! A store in PostgreSQL.
//!
//! One row per record, one statement for each operation: `begin` is one round trip whatever it answers, and writes nothing when the
//! record is done, somebody else's or not that request's. It needs PostgreSQL 9.5 or later; 15 is what it is tested on.
//!
//! # The work and its record in one transaction
//!
//! This is what PostgreSQL has over any other store. Work that writes to the same database stores its response in its own
//! transaction, with [`PostgresStore::finish_in`] or with the statement [`FINISH`]: either both are there or neither, whatever dies when.
//! An owner that has lost its record learns it there, and rolls its work back. The layer then finds the record done, and is content.
//!
//! While such a transaction is open its row is locked. Whoever wants to take the record over waits for a short time and is then told
//! that it is [`Busy`](resilience_core::idempotency::Begin::Busy). So end it soon after `finish_in`: it belongs at the end.
//!
//! # What the database must have
//!
//! * The table: run [`MIGRATION`] with your migrations, or [`PostgresStore::migration`] for one of another name.
//! * A role that may `SELECT`, `INSERT`, `UPDATE` and `DELETE` there, and use the sequence.
//! * `synchronous_commit` on, as it is by default. Turned off for the store's role it is some three times as fast, and a crash
//!   loses the last moments.
//! * Somebody who calls [`PostgresStore::reap`], every minute for example. Records that have been kept for their time are treated as gone
//!   before that, so it is a matter of disk space only.
//!
//! # Poolers
//!
//! Nothing is kept in a session: statements are unnamed and sent in one piece, and the time to wait for a lock holds for one
//! statement. So [`Pool`] works behind PgBouncer in transaction mode. `sqlx` prepares a statement in a round trip of its own, which
//! does not: give it a session.
//!
//! # Clocks
//!
//! The server's, `clock_timestamp()`: not `now()`, which stands still while a statement waits for a lock. A clock that is set back
//! by an hour keeps the claim of a lost owner for that hour.

#[cfg(feature = "postgres")]
mod client;
mod connection;
mod error;
mod operations;
#[cfg(feature = "postgres")]
mod pool;
#[cfg(feature = "sqlx")]
mod sqlx_pool;
mod statements;
mod store;

#[cfg(feature = "postgres")]
pub use self::pool::{Lent, Pool};
pub use self::{
    connection::{Connection, Connections, Row, Value},
    error::Failure,
    statements::{FINISH, MIGRATION},
    store::PostgresStore,
};
