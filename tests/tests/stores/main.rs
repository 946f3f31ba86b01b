//! The stores of idempotency records, on real servers that the tests start, and stop, and kill.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod acks;
mod cluster;
mod conformance;
mod crash;
mod foreign;
mod in_transaction;
mod locks;
mod memory;
mod outage;
mod reaping;
mod reconnecting;
mod round_trips;
mod secrets;
mod subjects;
mod traps;
