//! Tower layers over [`resilience_core`]: one layer, one service and one named future per policy.
//!
//! A layer asks little of what it wraps: an error that can carry a refusal ([`Refusal`](resilience_core::Refusal)) and
//! a request that can carry the call context ([`CarryContext`]). [`CallLayer`] at the top and [`TransportLayer`] at the
//! bottom give any service both:
//!
//! ```
//! use resilience_core::circuit_breaker::Config;
//! use resilience_tower::{CallLayer, CircuitBreakerLayer, TimeoutLayer, TransportLayer};
//! use std::{convert::Infallible, time::Duration};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), resilience_core::Error<Infallible>> {
//! let service = ServiceBuilder::new()
//!     .layer(CallLayer::new())
//!     .layer(TimeoutLayer::total(Duration::from_secs(5)))
//!     .layer(CircuitBreakerLayer::new(Config::new()))
//!     .layer(TimeoutLayer::attempt(Duration::from_secs(2)))
//!     .layer(TransportLayer::new())
//!     .service(service_fn(|name: &str| {
//!         let greeting = format!("hello {name}");
//!         async move { Ok::<_, Infallible>(greeting) }
//!     }));
//!
//! assert_eq!(service.oneshot("world").await?, "hello world");
//! # Ok(())
//! # }
//! ```
//!
//! # Rules that every layer keeps
//!
//! * The error type of the wrapped service stays the error type: refusals do not nest.
//! * The instance that was readied is the one that is called; a clone starts unready and holds nothing.
//! * Refusals come from `call`, never from `poll_ready`, so a `Buffer` is not poisoned.
//! * Dropping a response future frees whatever the call held.
//! * State belongs to the layer: all services it makes share it.

//! # Features
//!
//! | feature | brings |
//! |---|---|
//! | `http` | classification by HTTP status, `Retry-After`, requests and bodies that can be sent again, refusals as HTTP responses, the deadline in a header, keys of rate limits and the `RateLimit` fields, correlation ids, the call context in `http::Extensions` |
//! | `reqwest` | a guarded [`reqwest` client](crate::reqwest), classification of what it returns; `http` |
//! | `reqwest-json`, `reqwest-form`, `reqwest-query` | `json`, `form` and `query` of its requests; `reqwest`, with its own feature of that name |
//! | `grpc` | classification by gRPC status, pushback, refusals as gRPC responses and as `tonic::Status`; `http` |
//! | `idempotency` | [one run for each key](crate::idempotency) of jobs and messages; of HTTP requests with `http`, of gRPC calls with `grpc` |
//! | `serde` | the settings of the ready-made [stacks](stack), and of every policy, from a file and back |
//! | `schemars` | their JSON schemas; `serde` |
//!
//! None is on by default.
//!
//! # When a stack does not compile
//!
//! Method syntax (`service.ready()`) makes the compiler say only that "trait bounds were not satisfied". Written once as a
//! function, `Service::call(&mut service, request)`, the same mistake is named, with what to do about it: usually a
//! [`TransportLayer`] or [`ErrorLayer`] is missing at the bottom, a [`CallLayer`] at the top, or a classifier does not know the
//! response.

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod adaptive;
pub mod bulkhead;
pub mod call;
pub mod circuit_breaker;
mod cut;
pub mod drain;
pub mod error;
pub mod fallback;
#[cfg(feature = "grpc")]
#[cfg_attr(docsrs, doc(cfg(feature = "grpc")))]
pub mod grpc;
mod hold;
#[cfg(feature = "http")]
#[cfg_attr(docsrs, doc(cfg(feature = "http")))]
pub mod http;
#[cfg(feature = "idempotency")]
#[cfg_attr(docsrs, doc(cfg(feature = "idempotency")))]
pub mod idempotency;
pub mod load_shed;
mod observed;
pub mod per_key;
pub mod rate_limit;
#[cfg(feature = "reqwest")]
#[cfg_attr(docsrs, doc(cfg(feature = "reqwest")))]
pub mod reqwest;
pub mod retry;
pub mod stack;
pub mod throttle;
mod time;
pub mod timeout;

pub use self::{
    adaptive::{Adaptive, AdaptiveLayer},
    bulkhead::{Bulkhead, BulkheadLayer},
    call::{CallLayer, CarryContext, Transport, TransportLayer, WrapCall},
    circuit_breaker::{CircuitBreaker, CircuitBreakerLayer},
    drain::{Drain, DrainHandle, DrainLayer},
    error::{ErrorLayer, MapError},
    fallback::{Fallback, FallbackLayer},
    load_shed::{LoadShed, LoadShedLayer},
    per_key::{PerKey, PerKeyLayer},
    rate_limit::{RateLimit, RateLimitLayer},
    retry::{Retry, RetryLayer},
    throttle::{Throttle, ThrottleLayer},
    timeout::{Timeout, TimeoutLayer},
};
