//! Correlation ids: one id for all that belongs to an operation, in a header of its requests.
//!
//! [`CorrelationLayer`] sees to it that each request that passes has a good id: it keeps the one that is there, and makes one if
//! there is none or a bad one. The id stays in the header and nowhere else. So handlers and clients further in read it from the
//! request, and nothing has to carry it: a retry layer further in sends copies of the request, and with them the
//! same id at every attempt.
//!
//! # On a server
//!
//! Outermost, with [`answered`](CorrelationLayer::answered): then even the response to a refusal names the id. What a client
//! sends is believed in so far as it is used; it is bounded, and safe to log and to send on ([`CorrelationId`]), but anybody may send
//! any id, or another one's. Put nothing on it that needs trust.
//!
//! # In a client
//!
//! Outside of the retry layer; inside of it each attempt would get an id of its own.
//!
//! # From a server to the next
//!
//! The calls that a handler makes take its id over by an [`InheritLayer`] in the client, or in one word with a
//! [stack](crate::stack::ClientLayer::forward_correlation_id). It finds the id on the handler's task. What is spawned is another task: there
//! the id is copied by hand:
//!
//! ```
//! use http::{HeaderMap, Request};
//! use resilience_tower::http::correlation::{CorrelationId, X_CORRELATION_ID};
//!
//! fn forward<B>(incoming: &HeaderMap, mut outgoing: Request<B>) -> Request<B> {
//!     if let Some(id) = CorrelationId::of(incoming, &X_CORRELATION_ID) {
//!         outgoing.headers_mut().insert(X_CORRELATION_ID, id.into());
//!     }
//!     outgoing
//! }
//!
//! let mut incoming = HeaderMap::new();
//! incoming.insert(X_CORRELATION_ID, CorrelationId::random().into());
//! assert_eq!(forward(&incoming, Request::new(())).headers(), &incoming);
//! ```

pub mod future;
mod id;
mod inherit;
mod layer;
mod service;

pub use self::{
    id::{CorrelationId, InvalidId},
    inherit::{Inherit, InheritLayer, inherited},
    layer::{CorrelationLayer, X_CORRELATION_ID},
    service::Correlation,
};

#[cfg(feature = "idempotency")]
pub(crate) use self::inherit::under;
