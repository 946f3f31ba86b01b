//! The deadline on the wire: how much time is left, from the caller to the server, and from there to the servers that it calls.
//!
//! A header says how much time is left, not when it ends, because clocks of two machines differ. The time on the way
//! is not known to anybody, so a server believes in a deadline that is later than the caller's by as much.
//!
//! | where | layer | |
//! |---|---|---|
//! | server, outside of what waits | [`ReadDeadlineLayer`] | header to call context |
//! | server, around the handler | [`TimeoutLayer::total`](crate::TimeoutLayer::total) | keeps it: the earlier one of the caller's and its own |
//! | server, directly around the handler | [`HandOnLayer`](crate::call::HandOnLayer) | for calls that the handler makes on its task |
//! | client, outermost | [`InheritLayer`](crate::call::InheritLayer) | takes it over from there |
//! | client, inside of retry and attempt timeout | [`WriteDeadlineLayer`] | call context to header, for each attempt anew |
//!
//! `HandOnLayer` and `InheritLayer` are for comfort. Without them a handler finds the call context in the extensions of its request
//! (`Extension<Context>` in `axum`, `Request::extensions` in `tonic`), and says itself until when its own calls have time:
//!
//! ```
//! use http::Request;
//! use resilience_core::{Call, Context};
//!
//! fn on_behalf_of<T>(request: &Request<()>, outgoing: T) -> Call<T> {
//!     let mut context = Context::new();
//!     if let Some(deadline) = request.extensions().get().and_then(Context::deadline) {
//!         context.tighten(deadline);
//!     }
//!     Call::with_context(outgoing, context)
//! }
//! # let _ = on_behalf_of(&Request::new(()), "ping");
//! ```
//!
//! A client for such calls has no [`CallLayer`](crate::CallLayer), which begins each one with a context that is new.
//!
//! # Examples
//!
//! ```
//! use http::{Request, Response};
//! use resilience_core::{CarryContext, Error};
//! use resilience_tower::{CallLayer, TimeoutLayer, TransportLayer, http::deadline::{ReadDeadlineLayer, WriteDeadlineLayer}};
//! use std::{convert::Infallible, time::Duration};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Error<Error<Infallible>>> {
//! let server = ServiceBuilder::new()
//!     .layer(ReadDeadlineLayer::new())
//!     .layer(TimeoutLayer::total(Duration::from_secs(30)))
//!     .service(service_fn(async |request: Request<()>| {
//!         let deadline = request.context().and_then(|context| context.deadline());
//!         Ok::<_, Error<Infallible>>(Response::new(deadline.map(|deadline| deadline.limit())))
//!     }));
//! let client = ServiceBuilder::new()
//!     .layer(CallLayer::new())
//!     .layer(TimeoutLayer::total(Duration::from_secs(5)))
//!     .layer(WriteDeadlineLayer::new())
//!     .layer(TransportLayer::new())
//!     .service(server);
//!
//! let seen = client.oneshot(Request::new(())).await?.into_body();
//! assert!(seen.is_some_and(|limit| limit <= Duration::from_secs(5)));
//! # Ok(())
//! # }
//! ```

pub mod future;
mod header;
mod read;
mod write;

pub use self::{
    header::DeadlineHeader,
    read::{ReadDeadline, ReadDeadlineLayer},
    write::{WriteDeadline, WriteDeadlineLayer},
};
