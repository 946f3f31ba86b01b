//! The wrapped service: well or ill, by a script drawn from a seed.

use std::{
    future::{Future, pending},
    panic::resume_unwind,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use rand::{RngExt, SeedableRng, rngs::SmallRng};
use resilience_core::{Call, Classify, Error, FailureKind, Hint, Verdict};
use tower::Service;

use super::{
    Answer, MS,
    watch::{Probe, Watch},
};

/// The dependency's own error: how it failed, and how long it asks to be left alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    kind: FailureKind,
    retry_after: Option<Duration>,
}

/// Believes the [`Fault`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClassifyFault;

impl Classify<(), Error<Fault>> for ClassifyFault {
    fn classify(&self, result: Result<&(), &Error<Fault>>) -> Verdict {
        match result {
            Ok(()) => Verdict::Success,
            Err(Error::Inner { error: fault, .. }) => Verdict::Failure(fault.kind),
            Err(Error::Rejected { rejected, .. }) => rejected.verdict(),
        }
    }

    fn hint(&self, result: Result<&(), &Error<Fault>>) -> Option<Hint> {
        match result {
            Err(Error::Inner { error: fault, .. }) => fault.retry_after.map(Hint::AtLeast),
            _ => None,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Dependency {
    shared: Arc<Shared>,
    readied: bool,
}

#[derive(Debug)]
struct Shared {
    watch: Arc<Watch>,
    rng: Mutex<SmallRng>,
    /// How many of ten calls fail in some way.
    illness: AtomicU32,
    in_flight: AtomicU32,
}

impl Dependency {
    pub(crate) fn new(watch: Arc<Watch>, seed: u64) -> Self {
        let rng = Mutex::new(SmallRng::seed_from_u64(seed));
        let shared = Shared { watch, rng, illness: AtomicU32::new(0), in_flight: AtomicU32::new(0) };
        Self { shared: Arc::new(shared), readied: false }
    }

    /// From now on `illness` of ten calls fail, one way or another.
    pub(crate) fn ail(&self, illness: u32) {
        self.shared.illness.store(illness, Ordering::Relaxed);
    }

    /// From now on new calls are answered soon and well. Those in flight go on as they were meant to.
    pub(crate) fn heal(&self) {
        self.ail(0);
    }

    pub(crate) fn is_ill(&self) -> bool {
        self.illness() > 0
    }

    fn illness(&self) -> u32 {
        self.shared.illness.load(Ordering::Relaxed)
    }

    pub(crate) fn in_flight(&self) -> u32 {
        self.shared.in_flight.load(Ordering::Relaxed)
    }
}

impl Clone for Dependency {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), readied: false }
    }
}

impl Service<Call<()>> for Dependency {
    type Response = ();
    type Error = Error<Fault>;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.readied = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Call<()>) -> Self::Future {
        assert!(std::mem::take(&mut self.readied), "called without having been readied");
        let visit = Visit::new(Arc::clone(&self.shared));
        let script = Script::draw(&mut self.shared.rng.lock().unwrap(), self.illness());
        Box::pin(async move {
            // The whole of it moves in here, to be dropped with this future.
            let mut visit = visit;
            let answer = script.play().await;
            // A request that was at fault itself says that the dependency is well.
            visit.well = match answer {
                Ok(()) => true,
                Err(Error::Inner { error: fault, .. }) => fault.kind == FailureKind::Permanent,
                Err(Error::Rejected { .. }) => false,
            };
            answer
        })
    }
}

/// A call in flight.
struct Visit {
    shared: Arc<Shared>,
    probe: Option<Probe>,
    well: bool,
}

impl Visit {
    fn new(shared: Arc<Shared>) -> Self {
        shared.in_flight.fetch_add(1, Ordering::Relaxed);
        let probe = shared.watch.arrived();
        Self { shared, probe, well: false }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.shared.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.shared.watch.ended(self.probe, self.well);
    }
}

/// What one call will come to.
enum Script {
    Answer(Duration),
    Fail(Duration, Fault),
    Hang,
    Panic(Duration),
}

impl Script {
    fn draw(rng: &mut SmallRng, illness: u32) -> Self {
        if illness == 0 {
            return Self::Answer(rng.random_range(0..10) * MS);
        }
        let delay = rng.random_range(0..400_u32) * MS * u32::from(rng.random_bool(0.7));
        if !rng.random_ratio(illness, 10) {
            return Self::Answer(delay);
        }
        match rng.random_range(0..10) {
            0..6 => Self::Fail(delay, Fault::draw(rng)),
            6..9 => Self::Hang,
            _ => Self::Panic(delay),
        }
    }

    async fn play(self) -> Answer {
        match self {
            Self::Answer(delay) => {
                pass(delay).await;
                Ok(())
            }
            Self::Fail(delay, fault) => {
                pass(delay).await;
                Err(Error::inner(fault))
            }
            Self::Hang => pending().await,
            Self::Panic(delay) => {
                pass(delay).await;
                // A panic without its message on the terminal.
                resume_unwind(Box::new("as told"))
            }
        }
    }
}

/// Answers without a delay are ready at the first poll.
async fn pass(delay: Duration) {
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
}

impl Fault {
    fn draw(rng: &mut SmallRng) -> Self {
        let kinds = [
            FailureKind::Transient,
            FailureKind::Fault,
            FailureKind::Throttled,
            FailureKind::PeerOverloaded,
            FailureKind::Permanent,
        ];
        let kind = kinds[rng.random_range(0..kinds.len())];
        Self { kind, retry_after: rng.random_bool(0.2).then(|| rng.random_range(0..5000) * MS) }
    }
}
