//! What users choose.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use metrics::SharedString;

use crate::time;

pub(crate) struct Options {
    pub(crate) verbose: bool,
    pub(crate) one_hot: bool,
    pub(crate) publish_on_calls: bool,
    /// Sorted.
    pub(crate) operations: Vec<SharedString>,
    pub(crate) wall_clock: Arc<dyn Fn() -> SystemTime + Send + Sync>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            verbose: false,
            one_hot: false,
            publish_on_calls: true,
            operations: Vec::new(),
            wall_clock: Arc::new(time::wall_now),
        }
    }
}

impl Options {
    /// Seconds since 1970.
    pub(crate) fn unix_time(&self) -> f64 {
        (self.wall_clock)().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
    }
}
