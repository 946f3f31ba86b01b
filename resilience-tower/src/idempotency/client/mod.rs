//! Idempotency keys on the requests of a client: one for each operation, the same for all of its attempts.
//!
//! ```
//! use http::Request;
//! use resilience_core::Error;
//! use resilience_tower::idempotency::client::IdempotencyKeyLayer;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), resilience_core::BoxError> {
//! let client = ServiceBuilder::new().layer(IdempotencyKeyLayer::new()).service(service_fn(
//!     |request: Request<&'static str>| async move {
//!         assert!(request.headers().contains_key("idempotency-key"));
//!         Ok::<_, Error<std::io::Error>>(http::Response::new("charged"))
//!     },
//! ));
//! let response = client.oneshot(Request::post("/charges").body("5 EUR")?).await?;
//! assert_eq!(*response.body(), "charged");
//! # Ok(())
//! # }
//! ```
//!
//! # Where it goes
//!
//! Around the retry layer, so that every attempt carries the same key. Inside of it, each attempt would be an operation of its own.
//! In a [client's stack](crate::stack) that is the slot [`operation`](crate::stack::ClientLayer::operation), and answers are judged by
//! [`ClassifyKeyed`] there:
//!
//! ```
//! # #[cfg(feature = "reqwest")]
//! # {
//! use resilience_tower::{
//!     idempotency::client::{ClassifyKeyed, IdempotencyKeyLayer},
//!     reqwest::{ClassifyReqwest, Client},
//!     stack::{self, Destination},
//! };
//!
//! let layer = stack::client("payments")
//!     .per(Destination)
//!     .classify(ClassifyKeyed::new(ClassifyReqwest))
//!     .operation(IdempotencyKeyLayer::new().server_honours_keys());
//! let client = Client::with_layer(layer, reqwest::Client::new());
//! # }
//! ```
//!
//! # What is sent again
//!
//! A key by itself makes nothing safe: a server that does not know the header runs the operation twice. Say
//! [`server_honours_keys`](IdempotencyKeyLayer::server_honours_keys) of one that does. Then, under a retry layer:
//!
//! | attempt | sent again, with the same key |
//! |---|---|
//! | no answer: refused, broken off, timed out | yes |
//! | 409 with `Retry-After`: an earlier attempt still runs | yes, after that time ([`ClassifyKeyed`]) |
//! | 429, 5xx | as ever |
//! | 5xx with `Idempotent-Replayed: true` | no: it is stored, and comes again ([`ClassifyKeyed`]) |
//! | 400, 412, 422 and other 4xx | no |
//!
//! # When nobody knows
//!
//! An operation may end without an answer that says what it has done: its last attempt got none, or one such as 502. Then the error or
//! the response says so: [`Error::outcome_unknown`](resilience_core::Error::outcome_unknown), and an [`OutcomeUnknown`] in the extensions of a
//! response. It has the key that the layer has made, to ask again with. An error type without room for that, such as `BoxError`, loses it: then, and wherever
//! retries must survive a restart, make the key oneself, keep it with the business data *before* the request is sent, and send it along as
//! an extension or header.

mod answer;
mod classify;
mod future;
mod layer;
mod request;
mod service;

#[doc(no_inline)]
pub use resilience_core::idempotency::{IdempotencyKey, KeyFormat, OutcomeUnknown};

pub(crate) use self::request::header_value;
pub use self::{
    answer::KeyedResponse, classify::ClassifyKeyed, future::ResponseFuture, layer::IdempotencyKeyLayer,
    request::KeyedRequest, service::SendIdempotencyKey,
};
