use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use resilience_core::idempotency::{Claim, Held, IdempotencyKey, RecordKey};
use tokio::sync::Notify;

/// What an operation may know of its own run: in the extensions of a request, or given to the work of [`Guard`](super::Guard).
///
/// ```
/// use bytes::Bytes;
/// use resilience_core::idempotency::{Fingerprint, RecordKey, memory::Config};
/// use resilience_tower::idempotency::{Guard, memory_store};
/// use std::convert::Infallible;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let guard = Guard::new(memory_store(Config::new()));
/// let (key, asked) = (RecordKey::from_bytes([7; 32]), Fingerprint::from_bytes([1; 32]));
/// let done = guard.run(key, asked, async |run| {
///     assert_eq!(run.attempt(), 1);
///     // The same however often this step of this operation is run.
///     let _downstream = run.derived_key("charge");
///     Ok::<_, Infallible>(Bytes::from("done"))
/// });
/// assert_eq!(done.await.unwrap().result, "done");
/// # }
/// ```
///
/// # Clone
///
/// A clone is of the same run.
#[derive(Clone)]
pub struct IdempotencyContext {
    run: Arc<Run>,
}

struct Run {
    key: RecordKey,
    claim: Claim,
    held: Option<Held>,
    superseded: AtomicBool,
    changed: Notify,
}

impl IdempotencyContext {
    pub(super) fn new(key: RecordKey, claim: Claim, held: Option<Held>) -> Self {
        let run = Run { key, claim, held, superseded: AtomicBool::new(false), changed: Notify::new() };
        Self { run: Arc::new(run) }
    }

    /// Which run of the operation this is, from 1.
    ///
    /// At 2 and more somebody before may have done a part of it, or all but storing the result. Without
    /// [protection](Self::is_protected) nobody knows, and it is 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.run.held.map_or(1, |held| held.attempt)
    }

    /// Greater than that of every earlier run of this operation, so that a system which the work writes to can refuse a smaller one.
    /// 0 without [protection](Self::is_protected).
    #[must_use]
    pub fn fence(&self) -> u64 {
        self.run.held.map_or(0, |held| held.fence)
    }

    /// Whether there is a claim in the store: there is none if the store failed and the operation runs all the same.
    #[must_use]
    pub fn is_protected(&self) -> bool {
        self.run.held.is_some()
    }

    /// The key to send along when a step of the operation calls another service: the same at each run of this operation, and no
    /// other's.
    #[must_use]
    pub fn derived_key(&self, step: impl AsRef<[u8]>) -> IdempotencyKey {
        self.run.key.derived_key(step)
    }

    /// Whether another has taken the operation over, so that this run is for nothing: look before an effect on the outside.
    ///
    /// It is seen when the claim is renewed. The [fence](Self::fence) tells with certainty, where the effect can be made to depend on it.
    #[must_use]
    pub fn is_superseded(&self) -> bool {
        // Pairs with the store below; there is nothing else to see.
        self.run.superseded.load(Ordering::Acquire)
    }

    /// Ends when another has taken the operation over.
    pub async fn superseded(&self) {
        loop {
            let changed = self.run.changed.notified();
            if self.is_superseded() {
                return;
            }
            changed.await;
        }
    }

    /// The record of the operation, and with [`claim`](Self::claim) and [`held`](Self::held) what a store needs to
    /// finish it in a transaction of the operation.
    #[must_use]
    pub fn record_key(&self) -> &RecordKey {
        &self.run.key
    }

    /// What this run has claimed.
    #[must_use]
    pub fn claim(&self) -> &Claim {
        &self.run.claim
    }

    /// What it holds in the store; nothing without [protection](Self::is_protected).
    #[must_use]
    pub fn held(&self) -> Option<Held> {
        self.run.held
    }

    pub(super) fn supersede(&self) {
        self.run.superseded.store(true, Ordering::Release);
        self.run.changed.notify_waiters();
    }
}

impl fmt::Debug for IdempotencyContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdempotencyContext")
            .field("attempt", &self.attempt())
            .field("is_protected", &self.is_protected())
            .field("is_superseded", &self.is_superseded())
            .finish_non_exhaustive()
    }
}
