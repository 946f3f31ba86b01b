//! A retry over an upstream that succeeds, and over one that fails until the attempts or the budget are spent.
//!
//! "+budget" says that retries are paid for, each crate by its own kind of budget. seatbelt and backon have none.

use std::future::{Ready, ready};
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use backon::{ConstantBuilder, Retryable as _};
use layered::{Execute, Service as _, Stack as _};
use resilience_core::retry::RetryBudget;
use resilience_core::{Backoff, ErrorsAreFailures, FailureKind, Observer, RetryPolicy};
use resilience_metrics::Telemetry;
use resilience_tower::{CallLayer, ErrorLayer, RetryLayer, TransportLayer};
use seatbelt::{RecoveryInfo, ResilienceContext};
use tick::Clock;
use tower::retry::budget::{Budget, TpsBudget};
use tower::{Layer as _, Service, ServiceBuilder};
use tower_resilience_retry::{RetryBudget as PeerBudget, RetryBudgetBuilder, RetryLayer as PeerLayer};

use super::{Case, Policy};
use crate::recorder;
use crate::subject::Subject;
use crate::thread::runtime;
use crate::time::now;
use crate::upstream::{Answer, Fault, Upstream};

/// The retry: three attempts, every error is worth another, and no pause before it.
pub const POLICY: Policy = Policy {
    name: "retry",
    cases: &[
        Case { name: "success", subjects: || success(Upstream::new(&HEALTHY)) },
        Case { name: "exhausted", subjects: || exhausted(Upstream::new(&FAILING)) },
        Case { name: "denied", subjects: || denied(Upstream::new(&FAILING)) },
    ],
};

static HEALTHY: AtomicBool = AtomicBool::new(false);
static FAILING: AtomicBool = AtomicBool::new(true);

pub(super) const ATTEMPTS: u32 = 3;
/// For so long tower's budgets count a success: its own default.
const TTL: Duration = Duration::from_secs(10);

/// What every upstream here is: as cheap to clone as can be, because the peers clone it for each call.
trait Inner: Service<u64, Response = u64, Error = Fault, Future: Send> + Copy + Send + Sync + 'static {}

impl<S> Inner for S where
    S: Service<u64, Response = u64, Error = Fault, Future: Send> + Copy + Send + Sync + 'static
{
}

/// The first attempt succeeds, and the budgets are full.
fn success<S: Inner>(upstream: S) -> Vec<Subject> {
    vec![
        Subject::service("bare", upstream),
        resilience("resilience+budget", upstream, layer()),
        with_metrics(upstream),
        resilience("resilience", upstream, layer().without_budget()),
        in_call("resilience+budget+call", upstream, layer()),
        tower("tower+budget", upstream, Arc::new(TpsBudget::default())),
        tower("tower", upstream, &Unlimited),
        tower_resilience("tower-resilience+budget", upstream, Some(bucket(100))),
        tower_resilience("tower-resilience", upstream, None),
        seatbelt(upstream),
        backon(upstream),
    ]
}

/// Every attempt fails, and every budget grants every retry: that is why ours is one of retries in flight.
///
/// tower-resilience is missing. It sleeps before each retry, and Tokio's timer takes a pause of zero for one of up to a
/// millisecond.
fn exhausted<S: Inner>(upstream: S) -> Vec<Subject> {
    let in_flight = RetryBudget::in_flight(100, 1);
    let reserve = TpsBudget::new(TTL, i32::MAX as u32 - 1, 1.0);
    let subjects = vec![
        Subject::service("bare", upstream),
        resilience("resilience+budget", upstream, layer().with_budget(in_flight.clone())),
        resilience("resilience", upstream, layer().without_budget()),
        in_call("resilience+budget+call", upstream, layer().with_budget(in_flight)),
        tower("tower+budget", upstream, Arc::new(reserve)),
        tower("tower", upstream, &Unlimited),
        seatbelt(upstream),
        backon(upstream),
    ];
    subjects.into_iter().map(Subject::refusing).collect()
}

/// Every attempt fails, and an empty budget denies the first retry.
fn denied<S: Inner>(upstream: S) -> Vec<Subject> {
    let empty = RetryBudget::new();
    let mut tab = empty.open(now);
    while empty.withdraw(&mut tab, FailureKind::Transient, now) {}
    let subjects = vec![
        Subject::service("bare", upstream),
        resilience("resilience+budget", upstream, layer().with_budget(empty.clone())),
        in_call("resilience+budget+call", upstream, layer().with_budget(empty)),
        tower("tower+budget", upstream, Arc::new(TpsBudget::new(TTL, 0, 0.2))),
        tower_resilience("tower-resilience+budget", upstream, Some(bucket(0))),
    ];
    subjects.into_iter().map(Subject::refusing).collect()
}

/// With a default budget of its own.
fn layer() -> RetryLayer {
    RetryLayer::new(RetryPolicy::new().max_attempts(ATTEMPTS).backoff(Backoff::none()))
}

fn with_metrics<S: Inner>(upstream: S) -> Subject {
    recorder::install();
    let layer = layer();
    let observer = Telemetry::new("benches").retry("retry", layer.budget());
    resilience("resilience+budget+metrics", upstream, layer.with_observer(observer))
}

fn resilience<S, O>(
    name: &'static str,
    upstream: S,
    layer: RetryLayer<ErrorsAreFailures, Option<RetryBudget>, O>,
) -> Subject
where
    S: Inner,
    O: Observer + Send + Sync + 'static,
{
    Subject::service(name, ServiceBuilder::new().layer(layer).layer(ErrorLayer::new()).service(upstream))
}

/// The whole stack that a user writes: the call context is put on, copied with the request, and taken off.
fn in_call<S: Inner>(name: &'static str, upstream: S, layer: RetryLayer) -> Subject {
    let stack = ServiceBuilder::new().layer(CallLayer::new()).layer(layer).layer(TransportLayer::new());
    Subject::service(name, stack.service(upstream))
}

fn tower<S, B>(name: &'static str, upstream: S, budget: B) -> Subject
where
    S: Inner,
    B: Deref<Target: Budget> + Clone + Send + 'static,
{
    let policy = Attempts { retries: ATTEMPTS - 1, budget };
    Subject::service(name, tower::retry::RetryLayer::new(policy).layer(upstream))
}

/// tower leaves the policy to its user: this is the one of its documentation, with a limit of the attempts.
#[derive(Clone)]
pub(super) struct Attempts<B> {
    pub(super) retries: u32,
    pub(super) budget: B,
}

impl<B: Deref<Target: Budget>> tower::retry::Policy<u64, u64, Fault> for Attempts<B> {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut u64, result: &mut Answer) -> Option<Ready<()>> {
        if result.is_ok() {
            self.budget.deposit();
            return None;
        }
        self.retries = self.retries.checked_sub(1)?;
        self.budget.withdraw().then(|| ready(()))
    }

    fn clone_request(&mut self, request: &u64) -> Option<u64> {
        Some(*request)
    }
}

/// tower without a budget.
struct Unlimited;

impl Budget for Unlimited {
    fn deposit(&self) {}

    fn withdraw(&self) -> bool {
        true
    }
}

fn tower_resilience<S: Inner>(
    name: &'static str,
    upstream: S,
    budget: Option<Arc<dyn PeerBudget>>,
) -> Subject {
    let builder = PeerLayer::builder().max_attempts(ATTEMPTS as usize).fixed_backoff(Duration::ZERO);
    let layer = match budget {
        Some(budget) => builder.budget(budget).build(),
        None => builder.build(),
    };
    Subject::service(name, layer.layer(upstream))
}

/// A bucket of 100, its default, that only successes fill.
pub(super) fn bucket(tokens: usize) -> Arc<dyn PeerBudget> {
    let bucket = RetryBudgetBuilder::new().token_bucket().max_tokens(100).initial_tokens(tokens);
    bucket.tokens_per_second(0.0).build().expect("a valid configuration")
}

/// Through its own service trait, which does not box the future as its Tower adapter does.
fn seatbelt<S: Inner>(upstream: S) -> Subject {
    // Its clock needs a runtime, but only for timers, and a pause of zero takes none.
    let runtime = runtime();
    let _inside = runtime.enter();
    let context = ResilienceContext::new(Clock::new_tokio()).name("benches");
    let stack = (
        seatbelt::retry::Retry::layer("retry", &context)
            .clone_input()
            .recovery_with(|answer: &Answer, _| match answer {
                Ok(_) => RecoveryInfo::never(),
                Err(Fault) => RecoveryInfo::retry(),
            })
            .max_retry_attempts(ATTEMPTS - 1)
            .base_delay(Duration::ZERO),
        Execute::new(move |n: u64| {
            let mut upstream = upstream;
            upstream.call(n)
        }),
    );
    let service = stack.into_service();
    Subject::function("seatbelt", async move |n| -> Answer { service.execute(n).await })
}

/// No Tower layer: it calls a closure again. It is given a sleep that does not, for its own would be Tokio's.
fn backon<S: Inner>(upstream: S) -> Subject {
    let pauses = ConstantBuilder::new().with_delay(Duration::ZERO).with_max_times(ATTEMPTS as usize - 1);
    Subject::function("backon", move |n| {
        let mut upstream = upstream;
        let attempt = move || upstream.call(n);
        attempt.retry(pauses).sleep(|_| ready(()))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::task::{Context, Poll};

    use super::*;

    /// Counts what reaches it.
    #[derive(Clone, Copy)]
    struct Counting {
        upstream: Upstream,
        attempts: &'static AtomicU64,
    }

    impl Service<u64> for Counting {
        type Response = u64;
        type Error = Fault;
        type Future = Ready<Answer>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Fault>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: u64) -> Self::Future {
            self.attempts.fetch_add(1, Ordering::Relaxed);
            self.upstream.answer(request)
        }
    }

    /// How many attempts each subject makes per call, the first of so many.
    fn attempts(
        failing: &'static AtomicBool,
        subjects: fn(Counting) -> Vec<Subject>,
    ) -> Vec<(&'static str, f64)> {
        const CALLS: u64 = 1_000;
        let attempts: &'static AtomicU64 = Box::leak(Box::default());
        let runtime = runtime();
        let _inside = runtime.enter();
        let count = |subject: Subject| {
            attempts.store(0, Ordering::Relaxed);
            assert_eq!(subject.caller()(&runtime, CALLS), subject.expected(CALLS), "{}", subject.name);
            (subject.name, attempts.load(Ordering::Relaxed) as f64 / CALLS as f64)
        };
        let upstream = Counting { upstream: Upstream::new(failing), attempts };
        subjects(upstream).into_iter().map(count).collect()
    }

    #[test]
    fn a_success_takes_one_attempt() {
        for (name, attempts) in attempts(&HEALTHY, success) {
            assert_eq!(attempts, 1.0, "{name}");
        }
    }

    #[test]
    fn all_attempts_are_made_before_giving_up() {
        for (name, attempts) in attempts(&FAILING, exhausted) {
            let expected = if name == "bare" { 1.0 } else { 3.0 };
            assert_eq!(attempts, expected, "{name}");
        }
    }

    #[test]
    fn an_empty_budget_denies_every_retry() {
        for (name, attempts) in attempts(&FAILING, denied) {
            assert_eq!(attempts, 1.0, "{name}");
        }
    }
}
