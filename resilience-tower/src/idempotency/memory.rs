use resilience_core::idempotency::{MemoryStore, memory::Config};

use crate::time;

/// A store in the memory of this process, on Tokio's clock: for tests, and for services of a single instance.
///
/// ```
/// use resilience_core::idempotency::memory::Config;
/// use resilience_tower::idempotency::{Guard, memory_store};
///
/// let guard = Guard::new(memory_store(Config::new()));
/// assert_eq!(guard.store().snapshot().entries, 0);
/// ```
#[must_use]
pub fn memory_store(config: Config) -> MemoryStore {
    MemoryStore::new(config, time::now)
}
