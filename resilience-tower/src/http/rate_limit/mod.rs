//! Rate limits over HTTP: whose limit a request counts against, and what the client is told of it.
//!
//! # Whose limit
//!
//! [`HeaderKey`] tells clients apart by a header such as an API key, [`ClientAddr`] by address. Both are asked within the key of a
//! [`KeyedRateLimitLayer`](crate::rate_limit::KeyedRateLimitLayer):
//!
//! ```
//! use http::{Request, header::HeaderName};
//! use resilience_core::Quota;
//! use resilience_tower::{http::rate_limit::HeaderKey, rate_limit::KeyedRateLimitLayer};
//!
//! let api_key = HeaderKey::new(HeaderName::from_static("x-api-key"));
//! let layer = KeyedRateLimitLayer::new(
//!     move |request: &Request<String>| api_key.of(request.headers()),
//!     Quota::per_minute(600).burst(50),
//! );
//! # let _ = layer;
//! ```
//!
//! A key is worth what it costs to make up another. Who limits by a header that nobody has checked limits nobody: the layer belongs
//! inside of the authentication, or beside a limit by address.

mod client;
mod fields;
mod forwarded;
mod header;
mod proxies;

pub use self::{
    client::ClientAddr,
    fields::{FieldsFuture, RateLimitFields, RateLimitFieldsLayer},
    header::{HashedKey, HeaderKey},
    proxies::{InvalidNet, TrustedProxies},
};
