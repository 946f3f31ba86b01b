//! HTTP: what a status means, what may be sent again, what a refusal looks like as a response, how much time is left, whose
//! rate limit it is, and the id of what belongs together.

mod classify;
pub mod correlation;
pub mod deadline;
mod headers;
mod hint;
pub mod rate_limit;
mod replay;
mod replay_body;
mod respond;

pub use self::{
    classify::ClassifyStatus,
    headers::Headers,
    replay_body::{ReplayBody, ReplayBodyLayer, ReplayError, WithReplayBody},
    respond::{Respond, RespondBody, RespondFuture, RespondLayer, response},
};

pub(crate) use self::hint::hint;
#[cfg(feature = "grpc")]
pub(crate) use self::respond::Problem;
#[cfg(feature = "reqwest")]
pub(crate) use self::{
    classify::{digits, verdict},
    replay::safety,
};
