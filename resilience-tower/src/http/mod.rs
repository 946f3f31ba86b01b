//! HTTP: what a status means, and what a refusal looks like as a response.

mod classify;
mod hint;
mod respond;

pub use self::{
    classify::ClassifyStatus,
    respond::{Respond, RespondFuture, RespondLayer, response},
};

pub(crate) use self::{classify::verdict, hint::hint};
