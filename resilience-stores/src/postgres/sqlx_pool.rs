//! `sqlx` as a connection, and its pool.

use sqlx::{
    Error, PgConnection, PgPool, Postgres, Row as _,
    pool::PoolConnection,
    postgres::{PgArguments, PgRow},
    query::Query,
};

use super::{Connection, Connections, Failure, Row, Value};

impl Connections for PgPool {
    type Connection = PoolConnection<Postgres>;

    async fn connection(&self) -> Result<PoolConnection<Postgres>, Failure> {
        self.acquire().await.map_err(refused)
    }
}

impl Connection for PoolConnection<Postgres> {
    async fn row(&mut self, statement: &str, values: &[Value<'_>]) -> Result<Option<Row>, Failure> {
        (**self).row(statement, values).await
    }
}

impl Connection for PgConnection {
    async fn row(&mut self, statement: &str, values: &[Value<'_>]) -> Result<Option<Row>, Failure> {
        let query = values.iter().fold(sqlx::query(statement).persistent(false), bind);
        let row = query.fetch_optional(self).await.map_err(failure)?;
        row.map(|row| read(&row).map_err(Failure::unreadable)).transpose()
    }
}

fn bind<'q>(query: Query<'q, Postgres, PgArguments>, value: &Value<'q>) -> Query<'q, Postgres, PgArguments> {
    match *value {
        Value::Bytes(bytes) => query.bind(bytes),
        Value::Integer(number) => query.bind(number),
        Value::BigInt(number) => query.bind(number),
        Value::Boolean(flag) => query.bind(flag),
    }
}

fn read(row: &PgRow) -> Result<Row, Error> {
    Ok(Row {
        answer: row.try_get(0)?,
        attempt: row.try_get(1)?,
        number: row.try_get(2)?,
        response: row.try_get(3)?,
    })
}

fn failure(error: Error) -> Failure {
    match error.as_database_error() {
        Some(said) => Failure::sqlstate(&said.code().unwrap_or_default(), said.message()),
        None => Failure::broken(error),
    }
}

/// Of connecting: nothing was sent, whatever it was.
fn refused(error: Error) -> Failure {
    match error.as_database_error() {
        Some(said) => Failure::refused(format!("{}: {}", said.code().unwrap_or_default(), said.message())),
        None => Failure::refused(error),
    }
}
