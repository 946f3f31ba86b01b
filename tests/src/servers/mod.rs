//! Databases that tests start.

pub mod postgres;
pub mod redis;

pub use self::{postgres::Postgres, redis::Redis};
