//! What a file says of a bulkhead.

use std::time::Duration;

use super::{Config, Order, config::MAX_CONCURRENT};
use crate::{
    range::Range,
    settings::{
        form::{any, plain},
        patch::{needed, settings},
    },
};

const MAX_QUEUE: Range<u32> = Range::new("max_queue", 0, u32::MAX);

settings! {
    /// What a file says of a bulkhead: see [`settings`](crate::settings#layers).
    ///
    /// A bulkhead needs `max_concurrent`, from the file or from the settings that are there already. Where the file changes it, and says
    /// nothing of `max_queue`, a queue that is there already stays as long as it is.
    pub struct Patch for Config as "bulkhead", needs ["max_concurrent"] {
        /// How many calls may run at a time.
        max_concurrent: u32 = MAX_CONCURRENT,
        /// How many may wait; as many as may run if it is not said.
        max_queue: u32 = MAX_QUEUE,
        /// How long a call may wait for its turn; at zero it is refused at once.
        max_wait: Duration = any("max_wait"),
        /// In which order waiting calls are served.
        order: Order = plain(),
        /// Whether calls are refused that have waited for too long when their turn comes.
        shed_queue: bool = plain(),
    }
    patch => Ok(Config::new(needed(patch.max_concurrent, &MAX_CONCURRENT)?));
    config => Ok(config);
}
