//! The stacks that are tried.

use std::time::Duration;

use resilience_core::{Backoff, Classify, Error, FailureKind, Hint, Rejected, RetryPolicy, Verdict};
use resilience_tower::{
    CallLayer, RetryLayer, TimeoutLayer, TransportLayer,
    stack::{ClientLayer, ClientSettings},
};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, util::BoxCloneService};

/// How a service fails, as an HTTP status would say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// 500.
    Broken,
    /// No connection.
    Refused,
    /// 503, with the time that it asks to be left alone for.
    Unavailable(Option<Duration>),
    /// 504.
    TimedOut,
}

/// What the stacks for HTTP make of such an answer.
#[derive(Clone, Copy, Debug)]
struct AsHttp;

impl Classify<(), Error<Fault>> for AsHttp {
    fn classify(&self, result: Result<&(), &Error<Fault>>) -> Verdict {
        match result {
            Ok(()) => Verdict::Success,
            Err(Error::Inner { error: Fault::Unavailable(_), .. }) => {
                Verdict::Failure(FailureKind::PeerOverloaded)
            }
            Err(Error::Inner { .. }) => Verdict::Failure(FailureKind::Transient),
            Err(Error::Rejected { rejected, .. }) => rejected.verdict(),
        }
    }

    fn hint(&self, result: Result<&(), &Error<Fault>>) -> Option<Hint> {
        match result {
            Err(Error::Inner { error: Fault::Unavailable(wait), .. }) => wait.map(Hint::AtLeast),
            _ => None,
        }
    }

    fn was_sent(&self, result: Result<&(), &Error<Fault>>) -> bool {
        !matches!(result, Err(Error::Inner { error: Fault::Refused, .. }))
    }
}

/// A stack with what it calls.
pub(crate) type Stack = BoxCloneService<(), (), Error<Fault>>;

/// What a scenario says of a stack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) attempt: Duration,
    pub(crate) total: Duration,
}

impl Times {
    pub(crate) const fn millis(attempt: u64, total: u64) -> Self {
        Self { attempt: Duration::from_millis(attempt), total: Duration::from_millis(total) }
    }
}

/// The client's preset.
pub(crate) fn preset<S>(times: Times, seed: u64, inner: S) -> Stack
where
    S: Service<(), Response = (), Error = Fault> + Clone + Send + 'static,
    S::Future: Send,
{
    let settings = ClientSettings::new().attempt_timeout(times.attempt).total_timeout(times.total).seed(seed);
    let layer = ClientLayer::new("dependency", &settings).unwrap().classify(AsHttp);
    BoxCloneService::new(layer.layer(inner))
}

/// Retries by `attempts` and a timeout, and nothing that bounds them.
pub(crate) fn naive<S>(attempts: u32, attempt: Duration, seed: u64, inner: S) -> Stack
where
    S: Service<(), Response = (), Error = Fault> + Clone + Send + 'static,
    S::Future: Send,
{
    let policy =
        RetryPolicy::new().max_attempts(attempts).backoff(Backoff::exponential(Duration::from_millis(50)));
    let stack = ServiceBuilder::new()
        .layer(CallLayer::new())
        .layer(RetryLayer::new(policy).classify(AsHttp).without_budget().with_seed(seed))
        .layer(TimeoutLayer::attempt(attempt))
        .layer(TransportLayer::new())
        .service(inner);
    BoxCloneService::new(stack)
}

/// A service in the middle of a chain: it answers each call by one through `stack`, and what becomes of that.
pub(crate) fn hop(stack: Stack) -> BoxCloneService<(), (), Fault> {
    BoxCloneService::new(stack.map_err(|error| match error {
        Error::Inner { error: Fault::Unavailable(wait), .. } => Fault::Unavailable(wait),
        Error::Inner { .. } => Fault::Broken,
        Error::Rejected {
            rejected: Rejected::AttemptTimeout { .. } | Rejected::DeadlineExceeded { .. },
            ..
        } => Fault::TimedOut,
        Error::Rejected { rejected, .. } => Fault::Unavailable(rejected.retry_after().map(whole_seconds)),
    }))
}

/// `Retry-After` is in whole seconds.
fn whole_seconds(wait: Duration) -> Duration {
    Duration::from_secs(wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
}
