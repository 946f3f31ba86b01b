//! The statements, for a table of any name.

use std::borrow::Cow;

/// What the table, its sequence and its index are called in the statements as they are written.
pub(super) const TABLE: &str = "resilience_idempotency";
/// What PostgreSQL keeps of a name is 63 bytes; the longest of ours is the table's and `_expires`.
const MAX_NAME: usize = 55;

/// Makes the table `resilience_idempotency`, its sequence and its index; run again, it does nothing.
///
/// Run it with your migrations: two processes that run it at once may meet. For a table of another name there is
/// [`PostgresStore::migration`](super::PostgresStore::migration).
///
/// ```
/// use resilience_stores::postgres::MIGRATION;
///
/// assert!(MIGRATION.contains("CREATE TABLE IF NOT EXISTS resilience_idempotency ("));
/// ```
pub const MIGRATION: &str = include_str!("../../postgres/migration.sql");

/// Stores a response: for a transaction of a driver that this crate does not know.
///
/// `$1` is the record's key, `$2` its owner, `$3` the response, as `bytea` all of them. It answers with one row, or with none if the
/// record has been taken over (or was finished already): then **roll the transaction back**.
///
/// ```
/// use resilience_stores::postgres::FINISH;
///
/// let for_another_table = FINISH.replace("resilience_idempotency", "orders.idempotency");
/// assert!(for_another_table.contains("UPDATE orders.idempotency\n"));
/// ```
pub const FINISH: &str = include_str!("../../postgres/finish.sql");

/// The statements, for one table.
#[derive(Debug)]
pub(super) struct Statements {
    pub(super) migration: Cow<'static, str>,
    pub(super) begin: Cow<'static, str>,
    pub(super) renew: Cow<'static, str>,
    pub(super) finish: Cow<'static, str>,
    pub(super) found: Cow<'static, str>,
    pub(super) heal: Cow<'static, str>,
    pub(super) delete: Cow<'static, str>,
    pub(super) abandon: Cow<'static, str>,
    pub(super) reap: Cow<'static, str>,
}

impl Statements {
    pub(super) fn new(table: &str) -> Self {
        let named = |statement: &'static str| match table {
            TABLE => Cow::Borrowed(statement),
            table => Cow::Owned(statement.replace(TABLE, table)),
        };
        Self {
            migration: migration(table),
            begin: named(include_str!("../../postgres/begin.sql")),
            renew: named(include_str!("../../postgres/renew.sql")),
            finish: named(FINISH),
            found: named(include_str!("../../postgres/found.sql")),
            heal: named(include_str!("../../postgres/heal.sql")),
            delete: named(include_str!("../../postgres/delete.sql")),
            abandon: named(include_str!("../../postgres/abandon.sql")),
            reap: named(include_str!("../../postgres/reap.sql")),
        }
    }
}

/// An index is made where its table is, and named without a schema.
fn migration(table: &str) -> Cow<'static, str> {
    let index = format!("{TABLE}_expires");
    let (_, bare) = table.rsplit_once('.').unwrap_or(("", table));
    let placeholder = "\0";
    MIGRATION
        .replace(&index, placeholder)
        .replace(TABLE, table)
        .replace(placeholder, &format!("{bare}_expires"))
        .into()
}

/// Whether a name needs no quotes, and none of its derived names is cut: so nothing can be smuggled into a statement.
pub(super) fn is_name(table: &str) -> bool {
    let plain = |part: &str| {
        let mut bytes = part.bytes();
        (1..=MAX_NAME).contains(&part.len())
            && bytes.next().is_some_and(|first| first.is_ascii_lowercase() || first == b'_')
            && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    match table.split_once('.') {
        Some((schema, name)) => plain(schema) && plain(name),
        None => plain(table),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_statements_are_as_they_are_written() {
        let statements = Statements::new(TABLE);
        assert_eq!(statements.migration, MIGRATION);
        assert_eq!(statements.finish, FINISH);
    }

    #[test]
    fn a_table_in_a_schema_has_its_sequence_and_index_there() {
        let Statements { migration, begin, .. } = Statements::new("orders.keys");
        assert!(migration.contains("CREATE SEQUENCE IF NOT EXISTS orders.keys_fence"));
        assert!(migration.contains("CREATE INDEX IF NOT EXISTS keys_expires ON orders.keys (expires_at)"));
        assert!(begin.contains("nextval('orders.keys_fence')"));
        assert!(!begin.contains(TABLE) && !migration.contains(TABLE));
    }

    #[test]
    fn only_plain_names_are_names() {
        for name in ["idem", "_idem_2", "orders.idem", &"a".repeat(MAX_NAME)] {
            assert!(is_name(name), "{name}");
        }
        let too_long = "a".repeat(MAX_NAME + 1);
        for name in
            ["", ".", "a.", ".a", "a.b.c", "1a", "Idem", "a b", "a;drop", "a\"b", "a'b", "ä", &too_long]
        {
            assert!(!is_name(name), "{name}");
        }
    }
}
