//! Settings from a file: what is read, refused, written, and layered.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod anything;
mod durations;
mod file;
mod layers;
mod reference;
mod refused;
mod round_trip;
#[cfg(feature = "schemars")]
mod schema;
