//! gRPC over `tonic`: what its codes mean, requests that can be sent again, and refusals as responses of a server
//! and as the [`Status`](tonic::Status) of a client.
//!
//! To HTTP every gRPC call is a `POST`, which nobody may repeat unasked: a retry layer retries only calls that were never
//! sent, unless [`RetryPolicy::assume_idempotent`](resilience_core::RetryPolicy::assume_idempotent) or, for one call,
//! [`Context::assume_idempotent`](resilience_core::Context::assume_idempotent) says more.
//!
//! The deadline goes from caller to server in `grpc-timeout`: see [`http::deadline`](crate::http::deadline), with
//! [`DeadlineHeader::grpc`](crate::http::deadline::DeadlineHeader::grpc).

mod classify;
mod hint;
mod replay;
mod respond;
mod status;

pub use self::{
    classify::{ClassifyCode, ClassifyGrpc, never_connected},
    respond::{RespondLayer, response},
    status::{IntoStatus, StatusFuture, StatusLayer, status},
};

/// The error and what has caused it, one after the other.
fn sources<'e>(
    error: &'e (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'e (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}
