//! Refusals as responses.

mod body;
mod layer;
mod problem;
mod service;

#[cfg(feature = "grpc")]
pub(crate) use self::problem::Problem;
pub use self::{
    body::RespondBody,
    layer::RespondLayer,
    problem::response,
    service::{Respond, RespondFuture},
};
