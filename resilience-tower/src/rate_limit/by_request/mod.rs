//! Limits that depend on the request: by its key, by its cost.

mod future;
mod layer;
mod limits;
mod service;

pub use self::{
    future::ResponseFuture,
    layer::{KeyedRateLimitLayer, RateLimitByLayer, WeightedRateLimitLayer},
    limits::{ByCost, ByKey, Costs, Limits, One},
    service::RateLimitBy,
};
