//! A throttle, a circuit breaker and an adaptive limit for each key of the requests: per host, per tenant.
//!
//! [`PerKeyLayer`] is those layers in one, each with its own state for each key; any of them may be left out. In this
//! order, outermost first, a call meets the throttle, the breaker, the limit. What each of them does and counts is what its own
//! layer says: [`throttle`](crate::throttle), [`circuit_breaker`](crate::circuit_breaker), [`adaptive`](crate::adaptive). The
//! answer is classified once for all of them. When a breaker opens, the throttle beside it begins anew: it would refuse the probes of
//! the breaker, and after them the calls of a dependency that is well again. And beside a breaker the throttle counts only what is a
//! sign of overload (throttled, peer overloaded, timeout): other errors are the breaker's to judge, since fewer calls do not make
//! them fewer. Because the key is in the request, `poll_ready` readies the inner service whatever the
//! policies say.
//!
//! # The table of keys
//!
//! It is bounded: by default 10 000 keys, each forgotten when unused for ten minutes. What is as good as new goes first, and what
//! protects, such as an open breaker, is never given up for a new key: if the table is full of that, further keys share one set of
//! policies. What refuses by a decision still in force is not forgotten either.
//!
//! A service that makes more than one remembers the key of its last call. As long as calls go to that one, no table is asked, and threads do not meet there.
//!
//! # In a registry
//!
//! A clone of [`PerKeyLayer::table`] is the same table, and can be [registered](resilience_core::registry): how many keys there are is
//! shown then, and for how many of them some policy keeps calls back, never a key. Who has a key steers its policies through
//! [`PerKeyLayer::policies`].

pub mod future;
mod key;
mod layer;
mod policies;
mod registered;
mod service;
mod settings;
mod table;
mod tickets;

#[doc(hidden)]
pub use self::policies::Bundle;
pub(crate) use self::{key::sealed, settings::OperationSettings, table::Table};
pub use self::{
    key::{ByKey, Find, Key},
    layer::PerKeyLayer,
    policies::Policies,
    service::PerKey,
    settings::Settings,
};
