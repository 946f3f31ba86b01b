//! What the scripts answer: a word, and what goes with it.

use bytes::Bytes;
use redis::Value;
use resilience_core::idempotency::{Begin, Finish, Held, Released, Renew, StoreError, StoreErrorKind};

use crate::time::from_milliseconds;

pub(super) fn begin(value: Value) -> Result<Begin, StoreError> {
    let mut reply = Reply::new(value)?;
    match reply.word.as_slice() {
        b"acquired" => Ok(Begin::Acquired(Held::new(reply.number()?, reply.number()?))),
        b"busy" => Ok(Begin::Busy { retry_in: from_milliseconds(reply.number()?), attempt: reply.number()? }),
        b"done" => Ok(Begin::Done(reply.bytes()?)),
        b"mismatch" => Ok(Begin::Mismatch),
        b"abandoned" => Ok(Begin::Abandoned { attempt: reply.number()? }),
        _ => Err(reply.unexpected()),
    }
}

pub(super) fn renew(value: Value) -> Result<Renew, StoreError> {
    let reply = Reply::new(value)?;
    match reply.word.as_slice() {
        b"ok" => Ok(Renew::Ok),
        b"healed" => Ok(Renew::Healed),
        b"lost" => Ok(Renew::Lost),
        _ => Err(reply.unexpected()),
    }
}

pub(super) fn finish(value: Value) -> Result<Finish, StoreError> {
    let mut reply = Reply::new(value)?;
    match reply.word.as_slice() {
        b"ok" => Ok(Finish::Ok),
        b"healed" => Ok(Finish::Healed),
        b"lost" if reply.rest.len() == 0 => Ok(Finish::Lost { winner: None }),
        b"lost" => Ok(Finish::Lost { winner: Some(reply.bytes()?) }),
        _ => Err(reply.unexpected()),
    }
}

pub(super) fn release(value: Value) -> Result<Released, StoreError> {
    let reply = Reply::new(value)?;
    match reply.word.as_slice() {
        b"ok" => Ok(Released::Ok),
        b"lost" => Ok(Released::Lost),
        b"gone" => Ok(Released::Gone),
        _ => Err(reply.unexpected()),
    }
}

struct Reply {
    word: Vec<u8>,
    rest: std::vec::IntoIter<Value>,
}

impl Reply {
    fn new(value: Value) -> Result<Self, StoreError> {
        let Value::Array(values) = value else { return Err(nonsense()) };
        let mut rest = values.into_iter();
        let Some(Value::BulkString(word)) = rest.next() else { return Err(nonsense()) };
        Ok(Self { word, rest })
    }

    fn number<T: TryFrom<i64>>(&mut self) -> Result<T, StoreError> {
        match self.rest.next() {
            Some(Value::Int(number)) => T::try_from(number).map_err(|_| nonsense()),
            _ => Err(nonsense()),
        }
    }

    fn bytes(&mut self) -> Result<Bytes, StoreError> {
        match self.rest.next() {
            Some(Value::BulkString(bytes)) => Ok(bytes.into()),
            _ => Err(nonsense()),
        }
    }

    fn unexpected(&self) -> StoreError {
        if self.word == b"corrupt" { StoreError::new(StoreErrorKind::Corrupt) } else { nonsense() }
    }
}

/// Not what one of the scripts answers.
fn nonsense() -> StoreError {
    StoreError::new(StoreErrorKind::Other).with_source("unexpected reply of a script")
}
