//! Stopping a server without losing a call: see [`resilience_core::drain`] for what it does and promises.
//!
//! [`DrainHandle::drain`] stops admitting at once, waits for what runs, and says what is left when it has waited long enough. Calls
//! that come meanwhile are refused from `call` with [`Rejected::Draining`](resilience_core::Rejected::Draining), and
//! `poll_ready` is ready at once for them, however busy the inner service is.
//!
//! # Which calls run
//!
//! A call runs from `call` until its answer is there, or it is dropped; or, over HTTP, until the body of the response has been read
//! ([`until_body_end`](DrainLayer::until_body_end), feature `http`). A request whose head the server has not passed on yet is no call,
//! and neither is one that still waits in `poll_ready`.
//!
//! # Where it goes
//!
//! On a server directly inside of what turns refusals into responses: everything further in then ends before the drain does. A
//! server that also has a listener and connections to close (`axum::serve(..).with_graceful_shutdown(..)`) goes on accepting
//! while it drains, so that callers are told to go elsewhere instead of being cut, and closes them afterwards:
//!
//! 1. readiness says no (a health check asks [`Drain::is_draining`](resilience_core::Drain::is_draining));
//! 2. [`DrainHandle::drain`], with less time than whoever stops the process leaves it;
//! 3. the server's own shutdown.
//!
//! A health check that should go on answering stays outside of the layer.

#[cfg(feature = "http")]
mod body;
pub mod future;
mod handle;
mod layer;
mod service;

#[cfg(feature = "http")]
#[cfg_attr(docsrs, doc(cfg(feature = "http")))]
pub use crate::hold::{HeldBody, UntilBodyEnd};
pub use crate::hold::{Hold, UntilAnswer};

pub use self::{
    handle::{DrainHandle, Drained, Stopped},
    layer::DrainLayer,
    service::Drain,
};
