//! Sends a failed request again where that helps.

mod replay;

pub use self::replay::{Replay, Safety};
