//! Idempotency keys of a client: what is put on a request, and what the guarded client does with the answers of real servers.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod both_sides;
mod script;
mod sent;
mod wire;
