//! `tokio-postgres` as a connection.

use tokio_postgres::{
    Client, Error, GenericClient, Transaction,
    types::{ToSql, Type},
};

use super::{Connection, Failure, Row, Value};

impl Connection for &Client {
    async fn row(&mut self, statement: &str, values: &[Value<'_>]) -> Result<Option<Row>, Failure> {
        row(*self, statement, values).await
    }
}

impl Connection for Client {
    async fn row(&mut self, statement: &str, values: &[Value<'_>]) -> Result<Option<Row>, Failure> {
        row(self, statement, values).await
    }
}

impl Connection for Transaction<'_> {
    async fn row(&mut self, statement: &str, values: &[Value<'_>]) -> Result<Option<Row>, Failure> {
        row(self, statement, values).await
    }
}

/// In one round trip, because the types are known: without them the driver would have to prepare the statement first.
async fn row(
    client: &(impl GenericClient + Sync),
    statement: &str,
    values: &[Value<'_>],
) -> Result<Option<Row>, Failure> {
    let values: Vec<_> = values.iter().map(typed).collect();
    let row = client.query_typed_opt(statement, &values).await.map_err(failure)?;
    row.map(|row| read(&row).map_err(Failure::unreadable)).transpose()
}

fn typed<'a>(value: &'a Value<'_>) -> (&'a (dyn ToSql + Sync), Type) {
    match value {
        Value::Bytes(bytes) => (bytes, Type::BYTEA),
        Value::Integer(number) => (number, Type::INT4),
        Value::BigInt(number) => (number, Type::INT8),
        Value::Boolean(flag) => (flag, Type::BOOL),
    }
}

fn read(row: &tokio_postgres::Row) -> Result<Row, Error> {
    Ok(Row {
        answer: row.try_get(0)?,
        attempt: row.try_get(1)?,
        number: row.try_get(2)?,
        response: row.try_get(3)?,
    })
}

/// Of a statement.
fn failure(error: Error) -> Failure {
    match error.as_db_error() {
        Some(said) => Failure::sqlstate(said.code().code(), said.message()),
        None => Failure::broken(error),
    }
}

/// Of connecting: nothing was sent, whatever it was.
pub(super) fn refused(error: Error) -> Failure {
    match error.as_db_error() {
        Some(said) => Failure::refused(format!("{}: {}", said.code().code(), said.message())),
        None => Failure::refused(error),
    }
}
