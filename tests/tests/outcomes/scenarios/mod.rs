//! The scenarios, a file each.

mod blip;
mod chain;
mod outage;
mod shared_slots;
mod stall;

use std::future::Future;

/// Runs this in a runtime of its own, on one thread and in virtual time.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(future)
}

/// Seeds of one run that have nothing in common.
pub(crate) const fn sub_seed(seed: u64, what: u64) -> u64 {
    (seed << 56) + (what << 48)
}
