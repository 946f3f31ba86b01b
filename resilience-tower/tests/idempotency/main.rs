//! Idempotency keys on a server, in paused time: the engine on its own, and over HTTP and gRPC.

#![cfg(feature = "idempotency")]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod claims;
mod executions;
#[cfg(feature = "grpc")]
mod grpc;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "http")]
mod http_requests;
#[cfg(feature = "http")]
mod http_responses;
mod results;
mod script;
mod store_failures;
mod waits;
