//! The live view: what it keeps, what it answers, and its page in a real browser.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod events;
mod figures;
mod hostile;
mod http;
mod page;
mod picture;
mod recorder;
mod server;
