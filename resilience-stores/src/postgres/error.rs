//! What goes wrong with a statement.

use std::{error, fmt};

use resilience_core::idempotency::{StoreError, StoreErrorKind};

/// A statement failed: what is known of why.
///
/// ```
/// use resilience_stores::postgres::Failure;
///
/// let failure = Failure::sqlstate("57P03", "the database system is starting up");
/// assert_eq!(failure.to_string(), "57P03: the database system is starting up");
/// ```
#[derive(Debug)]
pub struct Failure {
    kind: Kind,
    source: Box<dyn error::Error + Send + Sync>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Somebody else holds the row for longer than one may wait. Nothing was written.
    Locked,
    /// It met another transaction and must be sent again. Nothing was written.
    Raced,
    Store(StoreErrorKind),
}

impl Failure {
    /// The server answered with an error: its SQLSTATE, and its message without the detail, which may hold a row.
    #[must_use]
    pub fn sqlstate(code: &str, message: &str) -> Self {
        Self { kind: kind_of(code), source: format!("{code}: {message}").into() }
    }

    /// The server could not be reached, or did not let anybody in: nothing was sent.
    #[must_use]
    pub fn refused(source: impl Into<Box<dyn error::Error + Send + Sync>>) -> Self {
        Self { kind: Kind::Store(StoreErrorKind::Unavailable), source: source.into() }
    }

    /// The connection broke: the statement may have been carried out or not.
    #[must_use]
    pub fn broken(source: impl Into<Box<dyn error::Error + Send + Sync>>) -> Self {
        Self { kind: Kind::Store(StoreErrorKind::Timeout), source: source.into() }
    }

    /// The answer is not what the store's statements answer with: the table is another one.
    #[must_use]
    pub fn unreadable(source: impl Into<Box<dyn error::Error + Send + Sync>>) -> Self {
        Self { kind: Kind::Store(StoreErrorKind::Corrupt), source: source.into() }
    }

    pub(super) const fn kind(&self) -> Kind {
        self.kind
    }
}

/// Of what PostgreSQL calls SQLSTATE; see appendix A of its manual.
fn kind_of(code: &str) -> Kind {
    Kind::Store(match code {
        // lock_not_available
        "55P03" => return Kind::Locked,
        // serialization_failure, deadlock_detected
        "40001" | "40P01" => return Kind::Raced,
        // too_many_connections; cannot_connect_now; read_only_sql_transaction; invalid_catalog_name: no such database
        "53300" | "57P03" | "25006" | "3D000" => StoreErrorKind::Unavailable,
        // insufficient_privilege
        "42501" => StoreErrorKind::Unavailable,
        // insufficient_resources: disk_full, out_of_memory
        code if code.starts_with("53") => StoreErrorKind::Full,
        // invalid_authorization_specification
        code if code.starts_with("28") => StoreErrorKind::Unavailable,
        // connection_exception; operator_intervention: the session was ended, perhaps after the commit
        code if code.starts_with("08") || code.starts_with("57P") => StoreErrorKind::Timeout,
        // query_canceled
        "57014" => StoreErrorKind::Timeout,
        _ => StoreErrorKind::Other,
    })
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl error::Error for Failure {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.source.source()
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        let kind = match failure.kind {
            Kind::Locked | Kind::Raced => StoreErrorKind::Unavailable,
            Kind::Store(kind) => kind,
        };
        Self::new(kind).with_source(failure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_has_a_kind() {
        for (code, kind) in [
            ("53100", StoreErrorKind::Full),
            ("53300", StoreErrorKind::Unavailable),
            ("57P03", StoreErrorKind::Unavailable),
            ("28P01", StoreErrorKind::Unavailable),
            ("25006", StoreErrorKind::Unavailable),
            ("42501", StoreErrorKind::Unavailable),
            ("57P01", StoreErrorKind::Timeout),
            ("57014", StoreErrorKind::Timeout),
            ("08006", StoreErrorKind::Timeout),
            ("55P03", StoreErrorKind::Unavailable),
            ("40001", StoreErrorKind::Unavailable),
            ("42P01", StoreErrorKind::Other),
        ] {
            assert_eq!(StoreError::from(Failure::sqlstate(code, "")).kind(), kind, "{code}");
        }
    }

    #[test]
    fn a_lock_and_a_race_are_told_apart() {
        assert_eq!(Failure::sqlstate("55P03", "").kind(), Kind::Locked);
        assert_eq!(Failure::sqlstate("40001", "").kind(), Kind::Raced);
    }
}
