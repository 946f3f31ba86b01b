//! Lets only so many calls through in a time: see [`resilience_core::rate_limit`] for how it counts and what it promises.
//!
//! # Refuse or wait
//!
//! A call over the limit is refused at once, which is right for a server; `max_wait` has it wait for its turn instead, up to so
//! long, which is right for a client that must not overrun somebody else's limit. How long it would have to wait is known
//! beforehand, so what would wait too long is refused at once as well. Those who wait leave in the order in which they came; a timer
//! is exact to a millisecond, so two whose turns lie within the same one may change places.
//!
//! | layer | the limit is for | waits |
//! |---|---|---|
//! | [`RateLimitLayer`] | all calls together, one token each | in `poll_ready`, before the inner service is readied |
//! | [`RateLimitLayer::cost`] | all calls together, by their cost | in the future: the cost is in the request |
//! | [`KeyedRateLimitLayer`] | each key of the request: a tenant, an address | in the future: the key is in the request |
//!
//! # Readiness
//!
//! Who refuses asks the limit in `call`; the inner service, which was readied, stays so for the next call through this instance.
//! Who waits in `poll_ready` holds nothing of the inner service meanwhile, and leaves it alone when the next call is to be refused.
//! Who waits in the future leaves the readied instance alone, and readies a clone of it when its turn has come. That is why the
//! layers that look at the request ask for `S: Clone`.
//!
//! # Cancellation
//!
//! A call that is dropped while it waits, or a service that was readied and is dropped without a call, gives its place
//! [back](resilience_core::RateLimiter::give_back), if nobody has come since. A call that was made has used its token.

mod by_request;
pub mod future;
mod gate;
mod layer;
mod service;
mod settings;

pub use self::{
    by_request::{
        ByCost, ByKey, Costs, KeyedRateLimitLayer, Limits, One, RateLimitBy, RateLimitByLayer,
        WeightedRateLimitLayer,
    },
    layer::RateLimitLayer,
    service::RateLimit,
};
