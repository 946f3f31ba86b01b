//! At most so many calls at a time: see [`resilience_core::bulkhead`] for what it does and promises.
//!
//! # Where calls wait
//!
//! | | [`BulkheadLayer`] | [`BulkheadByRequestLayer`] |
//! |---|---|---|
//! | permits per call | one | by weight |
//! | bulkheads | one | one, or one for each key |
//! | refuses at once | in `call` | in `call` |
//! | waits, if it may | in `poll_ready`, before the inner service is asked | in the response future, before the inner service is asked |
//! | needs of the inner service | nothing | `Clone`: the instance that is called is readied after the wait |
//!
//! Either way the inner service's readiness is never held while waiting, so a limit further in is not kept from others by somebody
//! who cannot use it yet. Refusals come from `call`.
//!
//! A caller that waits in `poll_ready` holds its permit from then on: it should call, or drop the service. A clone holds nothing.
//!
//! # How long a permit is held
//!
//! Until the answer is there, an error or the response; or, over HTTP, until the body has been read
//! (`until_body_end`, feature `http`). A call that is dropped gives it back.

#[cfg(feature = "http")]
mod body;
mod by_request;
pub mod future;
mod layer;
mod service;

pub use self::{
    by_request::{BulkheadByRequest, BulkheadByRequestLayer, ByKey, Choose, Weighted},
    layer::BulkheadLayer,
    service::Bulkhead,
};
#[cfg(feature = "http")]
#[cfg_attr(docsrs, doc(cfg(feature = "http")))]
pub use crate::hold::{HeldBody, UntilBodyEnd};
pub use crate::hold::{Hold, UntilAnswer};
