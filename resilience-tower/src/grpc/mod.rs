//! gRPC over `tonic`: what its codes mean, requests that can be sent again, and refusals as [`Status`](tonic::Status).
//!
//! To HTTP every gRPC call is a `POST`, which nobody may repeat unasked: a retry layer retries only calls that were never
//! sent, unless [`RetryPolicy::assume_idempotent`](resilience_core::RetryPolicy::assume_idempotent) or, for one call,
//! [`Context::assume_idempotent`](resilience_core::Context::assume_idempotent) says more.

mod classify;
mod hint;
mod replay;
mod status;

pub use self::{
    classify::{ClassifyCode, ClassifyGrpc, never_connected},
    status::{IntoStatus, StatusFuture, StatusLayer, status},
};
