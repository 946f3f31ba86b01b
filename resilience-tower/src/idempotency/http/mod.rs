//! Idempotency keys of HTTP requests, after the IETF draft
//! [httpapi-idempotency-key-header](https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/) and what
//! payment services do where it is silent.
//!
//! # What becomes of a request
//!
//! | | status | `code` |
//! |---|---|---|
//! | its key is new | the handler's | |
//! | its key is known, and so is the result | that of the first, with `Idempotent-Replayed: true` | |
//! | an earlier one still runs | 409, `Retry-After: 1` | `in-flight` |
//! | the key was used for another request | 422 | `key-reused` |
//! | an earlier one ended without a result, and nothing runs twice | 409 | `outcome-unknown` |
//! | the response of the earlier one was not kept whole | 409, with `original_status` and `Location` | `response-not-retained` |
//! | it has no key and needs one | 400 | `missing-key` |
//! | it has several keys, or none that may be used | 400 | `invalid-key` |
//! | its key is too old | 412 | `key-expired` |
//! | its body is too long, or breaks off | 413, 400 | `body-too-large`, `body-unreadable` |
//! | nobody knows whose key it is | 500 | `unknown-scope` |
//! | the store cannot be asked | 503, `Retry-After` | `store-unavailable` |
//! | too much runs already, or the guard drains | 503, `Retry-After` | `not-started` |
//! | the handler has panicked | 500 | `execution-failed` |
//!
//! Each refusal is a problem document (RFC 9457) with `Cache-Control: no-store`. Its `type` tells a client our 409 from one of the
//! application's.
//!
//! # What becomes of a response
//!
//! | response | by default | because |
//! |---|---|---|
//! | 2xx, 3xx, 4xx but those below | [kept](Disposition::Store) | it is the result |
//! | 401, 403, 407, 408, 421, 425, 429, 503 | [released](Disposition::Release): the key is as good as new | nothing has happened |
//! | 500 and the other 5xx | kept | it is the result: [`reexecute_on_server_error`](Http::reexecute_on_server_error) |
//! | an error that says it was not sent | released | nothing has happened |
//! | any other error, a timeout, a panic, an owner that is lost | [abandoned](Disposition::Abandon): it runs again as a further attempt, or [never](crate::idempotency::Settings::at_most_once) | nobody knows what has happened |
//!
//! A handler says otherwise with a [`Disposition`] in the extensions of its response; [`Http::classify`] does for all.

mod body;
mod collect;
mod headers;
mod problem;
mod request;
mod response;
mod settings;

pub use self::{body::IdempotentBody, settings::Http};
pub use super::Disposition;

#[cfg(feature = "grpc")]
pub(super) use self::{
    collect::{Collected, collect},
    headers::{Keep, fields},
    problem::Problem,
    response::{mark_unprotected, restore},
};
