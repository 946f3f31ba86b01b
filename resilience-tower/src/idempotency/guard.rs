use std::{error, fmt, future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use resilience_core::{
    CircuitBreaker, Observer,
    idempotency::{Ending, Fingerprint, RecordKey, Store},
};

use super::{IdempotencyContext, Ran, Refused, Settings, Worked, engine::Shared};
use crate::drain::{DrainHandle, future::DrainFuture};

/// Sees to it that an operation runs once for each key, however often it is asked for: the handle that layers share.
///
/// On its own it guards jobs and the messages of a queue:
///
/// ```
/// use bytes::Bytes;
/// use resilience_core::idempotency::{Fingerprint, IdempotencyKey, RecordKey, Scope, memory::Config};
/// use resilience_tower::idempotency::{Guard, memory_store};
/// use std::convert::Infallible;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let guard = Guard::new(memory_store(Config::new()));
/// let key = RecordKey::new("invoices", &Scope::single_tenant(), &IdempotencyKey::new("message-7")?);
/// let asked = Fingerprint::of_parts().part("send invoice 7").finish();
///
/// let first = guard.run(key, asked, async |_| Ok::<_, Infallible>(Bytes::from("sent"))).await?;
/// let again = guard.run(key, asked, async |_| Ok::<_, Infallible>(Bytes::from("never made"))).await?;
/// assert_eq!((first.result, first.replayed), (Bytes::from("sent"), false));
/// assert_eq!((again.result, again.replayed), (Bytes::from("sent"), true));
/// # Ok(())
/// # }
/// ```
///
/// # Clone
///
/// A clone is the same guard.
pub struct Guard<St, O = ()> {
    pub(super) shared: Arc<Shared<St, O>>,
}

impl<St: Store> Guard<St> {
    /// A guard with the default [`Settings`].
    #[must_use]
    pub fn new(store: St) -> Self {
        Self::with_settings(store, Settings::new())
    }

    /// A guard with these settings.
    ///
    /// # Panics
    ///
    /// As [`with_observer`](Guard::with_observer).
    #[must_use]
    #[track_caller]
    pub fn with_settings(store: St, settings: Settings) -> Self {
        Self::with_observer(store, settings, ())
    }
}

impl<St: Store, O: Observer> Guard<St, O> {
    /// A guard that tells `observer` what became of each request: [`Event::Idempotency`](resilience_core::Event::Idempotency).
    ///
    /// # Panics
    ///
    /// If records are [kept](Settings::retain) for less time than an operation [may take](Settings::max_execution), or than its
    /// [lease](Settings::lease): it would be run again while it runs.
    #[must_use]
    #[track_caller]
    pub fn with_observer(store: St, settings: Settings, observer: O) -> Self {
        let longest = settings.max_execution.max(settings.lease);
        let kept = settings.retain;
        assert!(
            kept >= longest,
            "retain is {kept:?}, it must be at least max_execution and lease, {longest:?}"
        );
        Self { shared: Arc::new(Shared::new(store, settings, observer)) }
    }
}

impl<St, O> Guard<St, O> {
    /// How many operations run, or have run and not told the store yet.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.shared.running.snapshot().running
    }

    /// Begins no operation any more from now on, and waits for those that run, or for `limit` at the most.
    ///
    /// Results that are stored are still replayed. When a server stops: after its listener and connections, because a detached
    /// operation lives longer than they do. To drop the future ends the waiting, not the drain.
    pub fn drain(&self, limit: Duration) -> DrainFuture {
        DrainHandle::new(self.shared.running.clone()).drain(limit)
    }

    /// Begins operations again.
    pub fn resume(&self) {
        self.shared.running.resume();
    }

    /// The store, for what else it can do.
    #[must_use]
    pub fn store(&self) -> &St {
        &self.shared.store
    }

    /// What stops asking a store that fails: to look at it, or to show it in a registry.
    #[must_use]
    pub fn store_breaker(&self) -> &CircuitBreaker {
        &self.shared.breaker
    }
}

impl<St, O> Guard<St, O>
where
    St: Store,
    O: Observer + Send + Sync + 'static,
{
    /// Runs `work` once for all who come with `key`, and gives all of them its result.
    ///
    /// If it fails nobody knows what it has done: it runs again with a greater [attempt](IdempotencyContext::attempt), or never, as the
    /// settings say. With [`execute`](Self::execute) it can say more.
    ///
    /// # Errors
    ///
    /// [`RunError::Failed`] with the work's own error, or [`RunError::Refused`].
    ///
    /// # Cancellation
    ///
    /// A [detached](super::Execution::Detached) run goes on when the future is dropped. Otherwise it is cut, and given up as one of
    /// which nobody knows how far it got.
    ///
    /// # Panics
    ///
    /// Outside of a Tokio runtime, or in one without its time driver. A panic of `work` is an error.
    pub async fn run<E, F, Fut>(
        &self,
        key: RecordKey,
        fingerprint: Fingerprint,
        work: F,
    ) -> Result<Done, RunError<E>>
    where
        F: FnOnce(IdempotencyContext) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Bytes, E>> + Send + 'static,
        E: Send + 'static,
    {
        let work = |context| {
            let work = work(context);
            async {
                match work.await {
                    Ok(result) => Worked::store(Ok(result.clone()), result),
                    Err(error) => Worked::abandon(Err(error)),
                }
            }
        };
        match self.execute(key, fingerprint, work).await {
            Ran::Answered(answer) | Ran::Unprotected(answer) => {
                answer.map(|result| Done { result, replayed: false }).map_err(RunError::Failed)
            }
            Ran::Replayed(result) => Ok(Done { result, replayed: true }),
            Ran::Refused(refused) => Err(RunError::Refused(refused)),
        }
    }

    /// Runs `work` once for all who come with `key`; it says itself what becomes of the key.
    ///
    /// What [`run`](Self::run) says of cancellation and panics holds here, too.
    pub async fn execute<T, F, Fut>(&self, key: RecordKey, fingerprint: Fingerprint, work: F) -> Ran<T>
    where
        F: FnOnce(IdempotencyContext) -> Fut + Send + 'static,
        Fut: Future<Output = Worked<T>> + Send + 'static,
        T: Send + 'static,
    {
        let ran = self.shared.execute(key, fingerprint, work).await;
        if matches!(ran, Ran::Replayed(_)) {
            self.shared.tell(Ending::Replayed);
        }
        ran
    }
}

impl<St, O> Clone for Guard<St, O> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<St, O> fmt::Debug for Guard<St, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("running", &self.shared.running)
            .field("store_breaker", &self.shared.breaker)
            .finish_non_exhaustive()
    }
}

/// The result of guarded work.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Done {
    /// What the work has come to.
    pub result: Bytes,
    /// Whether it had been stored, by an earlier call or by one that was quicker.
    pub replayed: bool,
}

/// Nothing of the result.
impl fmt::Debug for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Done").field("replayed", &self.replayed).finish_non_exhaustive()
    }
}

/// Guarded work has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunError<E> {
    /// It ran for this caller and failed.
    Failed(E),
    /// It did not run for this caller.
    Refused(Refused),
}

impl<E> fmt::Display for RunError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(_) => f.write_str("the operation has failed"),
            Self::Refused(refused) => fmt::Display::fmt(refused, f),
        }
    }
}

impl<E: error::Error + 'static> error::Error for RunError<E> {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Failed(error) => Some(error),
            Self::Refused(refused) => refused.source(),
        }
    }
}
