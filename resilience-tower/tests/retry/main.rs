//! The retry layer, in paused time.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod attempts;
mod giving_up;
#[cfg(feature = "http")]
mod http;
mod load;
mod script;
mod times;
