//! Idempotency keys: one result for an operation, however often it is asked for.
//!
//! A caller names its operation with a key of its own. Whoever carries it out first claims a record under that name in a
//! `Store`, does the work, and stores the answer there; everybody who comes later with the same key gets that answer.
//!
//! For one `RecordKey`, as long as its record exists and the store keeps what it has acknowledged, there is **at most one live
//! owner** and **exactly one stored result**. Work may run more than once only if its owner lost the lease (a crash, a stall), if the
//! store lost an acknowledged write, if the answer was one that says that nothing happened (`Release::Delete`), or if the user chose to go
//! on without a store. Each such run has an attempt of 2 or more, as long as the record was there.
//!
//! ```text
//! absent ──begin──▶ pending{owner, attempt, fence, lease} ──finish──▶ done{response} ──retention──▶ absent
//!                     │   ▲ renew
//!                     ├── release(delete) ──▶ absent
//!                     └── lease over, or release(abandon) ──▶ stale ──begin──▶ pending{attempt + 1, a greater fence}
//!                                                                 └──begin, refusing──▶ "abandoned"
//! ```

mod ending;
mod key;
mod rules;
mod unknown;
mod uuid;

#[cfg(feature = "idempotency")]
mod boxed;
#[cfg(feature = "idempotency-conformance")]
pub mod conformance;
#[cfg(feature = "idempotency")]
mod fingerprint;
#[cfg(feature = "idempotency")]
mod hash;
#[cfg(feature = "idempotency")]
pub mod memory;
#[cfg(feature = "idempotency")]
mod record;
#[cfg(feature = "idempotency")]
mod response;
#[cfg(feature = "idempotency")]
mod scope;
#[cfg(feature = "idempotency")]
mod store;

#[cfg(test)]
#[cfg(all(feature = "idempotency", not(loom)))]
mod key_tests;

#[cfg(feature = "idempotency")]
pub use self::{
    boxed::BoxStore,
    fingerprint::{Fingerprint, FingerprintParts, FingerprintSecret},
    memory::MemoryStore,
    record::{Claim, Held, OnLostOwner, Owner, RecordKey},
    response::{KeptResponse, NotAResponse},
    scope::Scope,
    store::{Begin, Finish, Release, Released, Renew, Store, StoreError, StoreErrorKind},
};
pub use self::{
    ending::Ending,
    key::{IdempotencyKey, KeyFormat},
    rules::{InvalidKey, KeyRules},
    unknown::OutcomeUnknown,
};
