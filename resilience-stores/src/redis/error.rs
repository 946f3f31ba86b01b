//! Errors of the driver and of the server as errors of a store.

use std::{error, fmt};

use redis::{ErrorKind, RedisError, ServerError};
use resilience_core::idempotency::{StoreError, StoreErrorKind};

/// Codes of errors with which a server refuses to do anything.
const REFUSALS: [&str; 14] = [
    "ASK",
    "BUSY",
    "CLUSTERDOWN",
    "LOADING",
    "MASTERDOWN",
    "MISCONF",
    "MOVED",
    "NOAUTH",
    "NOPERM",
    "NOREPLICAS",
    "NOSCRIPT",
    "READONLY",
    "TRYAGAIN",
    "WRONGPASS",
];

pub(super) fn store_error(error: RedisError) -> StoreError {
    if let Some(said) = said(&error) {
        let kind = kind_of_code(code(&said));
        return StoreError::new(kind).with_source(Said::new(&said));
    }
    StoreError::new(kind(&error)).with_source(error)
}

pub(super) fn is_unknown_script(error: &RedisError) -> bool {
    said(error).is_some_and(|said| said.code() == "NOSCRIPT")
}

/// Whether the server says that it is not the primary: then there is another one, under the same name or soon to be.
pub(super) fn is_read_only(error: &ServerError) -> bool {
    code(error) == "READONLY"
}

/// The first error that the server itself has answered, if this is one.
fn said(error: &RedisError) -> Option<ServerError> {
    error.clone().into_server_errors()?.first().map(|(_, said)| said.clone())
}

/// Its code. Redis 6 hides that of a command in a script behind `ERR`, and has it in the text with a minus before it.
fn code(error: &ServerError) -> &str {
    let hidden = |code: &&str| error.details().is_some_and(|text| text.contains(&format!(" -{code} ")));
    let inner = ["OOM", "WRONGTYPE"].into_iter().chain(REFUSALS).find(hidden);
    inner.filter(|_| error.code() == "ERR").unwrap_or(error.code())
}

fn kind_of_code(code: &str) -> StoreErrorKind {
    match code {
        "OOM" => StoreErrorKind::Full,
        "WRONGTYPE" => StoreErrorKind::Corrupt,
        code if REFUSALS.contains(&code) => StoreErrorKind::Unavailable,
        _ => StoreErrorKind::Other,
    }
}

/// Of an error that the driver has met.
fn kind(error: &RedisError) -> StoreErrorKind {
    match error.kind() {
        ErrorKind::AuthenticationFailed
        | ErrorKind::ClusterConnectionNotFound
        | ErrorKind::InvalidClientConfig => StoreErrorKind::Unavailable,
        ErrorKind::Io if error.is_connection_refusal() => StoreErrorKind::Unavailable,
        // Something was sent, and what became of it nobody knows.
        ErrorKind::Io => StoreErrorKind::Timeout,
        _ => StoreErrorKind::Other,
    }
}

/// What the server said. An error that names the arguments of a command is cut before them: they are a record's.
#[derive(Debug)]
struct Said(String);

impl Said {
    fn new(error: &ServerError) -> Self {
        let text = error.details().unwrap_or_default();
        let text = text.split("with args beginning with").next().unwrap_or_default();
        Self(format!("{} {text}", error.code()).trim_end().to_owned())
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl error::Error for Said {}

#[cfg(test)]
mod tests {
    use std::{error::Error as _, io};

    use super::*;

    fn answered(text: &str) -> StoreError {
        let value = redis::parse_redis_value(format!("-{text}\r\n").as_bytes()).unwrap();
        store_error(value.extract_error().unwrap_err())
    }

    #[test]
    fn what_a_server_says_has_a_kind() {
        for (text, kind) in [
            ("OOM command not allowed when used memory > 'maxmemory'.", StoreErrorKind::Full),
            ("WRONGTYPE Operation against a key holding the wrong kind of value", StoreErrorKind::Corrupt),
            ("READONLY You can't write against a read only replica.", StoreErrorKind::Unavailable),
            ("NOREPLICAS Not enough good replicas to write.", StoreErrorKind::Unavailable),
            ("LOADING Redis is loading the dataset in memory", StoreErrorKind::Unavailable),
            ("NOPERM this user has no permissions to run the 'evalsha' command", StoreErrorKind::Unavailable),
            ("ERR something else", StoreErrorKind::Other),
            ("SOMETHING else", StoreErrorKind::Other),
        ] {
            assert_eq!(answered(text).kind(), kind, "{text}");
        }
    }

    #[test]
    fn redis_6_says_it_in_the_text() {
        let within = |inner: &str| {
            answered(&format!(
                "ERR Error running script (call to f_1): @user_script:1: @user_script: 1: {inner}"
            ))
        };
        assert_eq!(within("-OOM command not allowed").kind(), StoreErrorKind::Full);
        assert_eq!(within("-READONLY You can't write").kind(), StoreErrorKind::Unavailable);
        assert_eq!(within("something else").kind(), StoreErrorKind::Other);
    }

    #[test]
    fn a_connection_that_was_refused_wrote_nothing_and_one_that_broke_may_have() {
        let io = |kind: io::ErrorKind| store_error(io::Error::from(kind).into()).kind();
        assert_eq!(io(io::ErrorKind::ConnectionRefused), StoreErrorKind::Unavailable);
        assert_eq!(io(io::ErrorKind::ConnectionReset), StoreErrorKind::Timeout);
        assert_eq!(io(io::ErrorKind::BrokenPipe), StoreErrorKind::Timeout);
        assert_eq!(io(io::ErrorKind::TimedOut), StoreErrorKind::Timeout);
    }

    #[test]
    fn no_argument_of_a_command_is_told() {
        let error =
            answered("ERR unknown command 'EVALSHA', with args beginning with: 'hash' '1' 'idem:i1:abc' ");
        assert_eq!(error.source().unwrap().to_string(), "ERR unknown command 'EVALSHA',");
    }
}
