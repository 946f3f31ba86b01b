//! What a measuring thread brings along: a Tokio runtime to enter, and the barrier it starts from.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::yield_now;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::time::sleep;

/// Longer than any measurement.
pub const HOUR: Duration = Duration::from_secs(60 * 60);

/// A runtime that already waits for a timer which is due before any other.
///
/// A server always has such a timer, and its absence is expensive: a timer that is due before all
/// others wakes the driver. A runtime that never went to sleep would wake it for every call.
///
/// # Panics
///
/// If the operating system has no more file descriptors or memory for a runtime.
#[must_use]
pub fn runtime() -> Runtime {
    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime starts");
    runtime.spawn(async { sleep(HOUR).await });
    runtime.block_on(async { sleep(Duration::from_millis(1)).await });
    runtime
}

/// Lets threads start together, within nanoseconds rather than a wake-up from the kernel.
#[derive(Debug)]
pub struct Barrier {
    threads: usize,
    arrived: AtomicUsize,
}

impl Barrier {
    /// A barrier for `threads` threads.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        Self { threads, arrived: AtomicUsize::new(0) }
    }

    /// Returns once every thread has called this as often as the current one has.
    pub fn wait(&self) {
        let before = self.arrived.fetch_add(1, Ordering::AcqRel);
        let everyone = (before / self.threads + 1) * self.threads;
        let mut spins = 0_u32;
        while self.arrived.load(Ordering::Acquire) < everyone {
            spins += 1;
            // With fewer free cores than threads the other one may need this core to arrive.
            if spins.is_multiple_of(1 << 12) { yield_now() } else { spin_loop() }
        }
    }
}
