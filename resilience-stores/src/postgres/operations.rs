//! The operations, on a connection or in a transaction.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use resilience_core::idempotency::{
    Begin, Claim, Finish, Held, OnLostOwner, Owner, RecordKey, Release, Released, Renew, StoreError,
    StoreErrorKind,
};

use super::{Connection, Row, Value, error::Kind, statements::Statements};
use crate::time::{from_milliseconds, milliseconds};

/// How often an operation that met another one is tried.
const ROUNDS: usize = 4;

/// What they are made of.
#[derive(Clone, Debug)]
pub(super) struct Operations {
    pub(super) statements: Arc<Statements>,
    pub(super) lock_wait: Duration,
}

impl Operations {
    pub(super) async fn begin(
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
                self.lock_wait(),
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

    pub(super) async fn renew(
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
            self.lock_wait(),
        ];
        if connection.row(&self.statements.renew, &values).await?.is_some() {
            return Ok(Renew::Ok);
        }
        let healed = self.heal(connection, key, claim, held, None).await?;
        Ok(if healed { Renew::Healed } else { Renew::Lost })
    }

    pub(super) async fn finish(
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

    pub(super) async fn release(
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
        let values = [bytes(key.as_bytes()), bytes(owner.as_bytes()), self.lock_wait()];
        let row = connection.row(statement, &values).await?.ok_or_else(|| nonsense("no row"))?;
        match row.answer.as_str() {
            "ok" => Ok(Released::Ok),
            "lost" => Ok(Released::Lost),
            "gone" => Ok(Released::Gone),
            _ => Err(nonsense("unknown answer")),
        }
    }

    pub(super) async fn reap(&self, connection: &mut impl Connection, limit: u32) -> Result<u64, StoreError> {
        let row = connection.row(&self.statements.reap, &[Value::BigInt(limit.into())]).await?;
        number_of(&row.ok_or_else(|| nonsense("no row"))?)
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

    fn lock_wait(&self) -> Value<'static> {
        Value::BigInt(milliseconds(self.lock_wait))
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
