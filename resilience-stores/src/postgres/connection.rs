//! What the store wants of a driver: one statement at a time, and where to send it.

use std::fmt;

use super::Failure;

/// A connection, or a transaction on one.
///
/// It is there for clients and transactions of `tokio-postgres`, and for connections of `sqlx`, which its transactions are. For
/// another driver it is one method:
///
/// * the values go in order for `$1` and so on, each with the type that it says: `bytea`, `integer`, `bigint`, `boolean`;
/// * each statement answers with at most one row, always of four columns: a word, an `integer`, a `bigint` and a `bytea`;
/// * the statement should be unnamed and sent in one piece, if a pooler in transaction mode may be in between.
pub trait Connection: Send {
    /// Runs a statement.
    ///
    /// # Errors
    ///
    /// A [`Failure`].
    fn row(
        &mut self,
        statement: &str,
        values: &[Value<'_>],
    ) -> impl Future<Output = Result<Option<Row>, Failure>> + Send;
}

/// Where connections come from: [`Pool`](super::Pool), `sqlx::PgPool`, or a pool of yours.
///
/// ```
/// # #[cfg(feature = "postgres")] {
/// use resilience_stores::postgres::{Connection, Connections, Failure, Row, Value};
/// use std::sync::Arc;
/// use tokio_postgres::Client;
///
/// /// All calls on one client. A real one connects anew when it is closed.
/// struct One(Arc<Client>);
/// struct Lent(Arc<Client>);
///
/// impl Connections for One {
///     type Connection = Lent;
///
///     async fn connection(&self) -> Result<Lent, Failure> {
///         if self.0.is_closed() { Err(Failure::refused("closed")) } else { Ok(Lent(Arc::clone(&self.0))) }
///     }
/// }
///
/// impl Connection for Lent {
///     async fn row(&mut self, statement: &str, values: &[Value<'_>]) -> Result<Option<Row>, Failure> {
///         (&*self.0).row(statement, values).await
///     }
/// }
/// # }
/// ```
pub trait Connections: Send + Sync + 'static {
    /// What is lent for an operation, and given back when it is dropped. It may be dropped before its answer has come: then it must not be
    /// lent again before that.
    type Connection: Connection;

    /// Lends one, and waits for it if need be: the store bounds for how long.
    ///
    /// # Errors
    ///
    /// A [`Failure`]; nothing has been sent.
    fn connection(&self) -> impl Future<Output = Result<Self::Connection, Failure>> + Send;
}

/// The value of a statement's parameter, and its type.
#[derive(Clone, Copy)]
pub enum Value<'a> {
    /// A `bytea`, or null.
    Bytes(Option<&'a [u8]>),
    /// An `integer`.
    Integer(i32),
    /// A `bigint`.
    BigInt(i64),
    /// A `boolean`.
    Boolean(bool),
}

/// What a statement has answered: its columns in order.
pub struct Row {
    /// The first column.
    pub answer: String,
    /// The second, an `integer`: which attempt.
    pub attempt: Option<i32>,
    /// The third, a `bigint`: a fence, the rest of a lease in milliseconds, or how many.
    pub number: Option<i64>,
    /// The fourth, a `bytea`.
    pub response: Option<Vec<u8>>,
}

/// Without what is in it.
impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bytes(_) => "Bytes(..)",
            Self::Integer(_) => "Integer(..)",
            Self::BigInt(_) => "BigInt(..)",
            Self::Boolean(_) => "Boolean(..)",
        })
    }
}

/// Without the response.
impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Row")
            .field("answer", &self.answer)
            .field("attempt", &self.attempt)
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}
