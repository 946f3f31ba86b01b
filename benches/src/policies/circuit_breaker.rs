//! A breaker that stays closed over a healthy upstream, and one that stays open.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use failsafe::failure_policy::{FailurePolicy as _, consecutive_failures, success_rate_over_time_window};
use failsafe::futures::CircuitBreaker as _;
use layered::{Execute, Service as _, Stack as _};
use recloser::{AsyncRecloser, Recloser};
use resilience_core::circuit_breaker::Config;
use resilience_core::{CircuitBreaker, Classify as _, ErrorsAreFailures};
use resilience_metrics::Telemetry;
use resilience_tower::{CallLayer, CircuitBreakerLayer, TransportLayer};
use seatbelt::breaker::Breaker;
use seatbelt::{RecoveryInfo, ResilienceContext};
use tick::Clock;
use tower::{Layer as _, ServiceBuilder};
use tower_resilience_circuitbreaker::{CircuitBreakerConfigBuilder as PeerBuilder, SlidingWindowType};

use super::{Case, Policy};
use crate::recorder;
use crate::subject::Subject;
use crate::thread::{HOUR, runtime};
use crate::time::now;
use crate::upstream::{Answer, Fault, Upstream};

/// The circuit breaker.
pub const POLICY: Policy = Policy {
    name: "circuit_breaker",
    cases: &[
        Case { name: "closed", subjects: closed },
        Case { name: "open", subjects: open },
        Case { name: "closed_count_window", subjects: closed_count_window },
        Case { name: "closed_time_window", subjects: closed_time_window },
        Case { name: "closed_slow_calls", subjects: closed_slow_calls },
        Case { name: "closed_operation", subjects: closed_operation },
        Case { name: "core_closed", subjects: core_closed },
    ],
};

/// Set while breakers are to be tripped.
static FAILING: AtomicBool = AtomicBool::new(false);
const UPSTREAM: Upstream = Upstream::new(&FAILING);

// What every breaker is told, as far as it can be.
pub(super) const WINDOW: Duration = Duration::from_secs(10);
pub(super) const COUNT_WINDOW: u32 = 100;
pub(super) const MIN_CALLS: u32 = 20;
pub(super) const FAILURE_RATE: f64 = 0.5;
const SLOW: Duration = Duration::from_secs(1);

/// Ten seconds where a breaker has such a window at a fixed cost per call, the last hundred calls elsewhere:
/// recloser has no other, and tower-resilience is faster with it (see [`closed_time_window`]).
fn closed() -> Vec<Subject> {
    vec![
        bare(),
        resilience(config()),
        with_metrics(),
        tower_resilience(count_window()),
        seatbelt(),
        failsafe(),
        recloser(),
    ]
}

/// The same breakers, tripped by the upstream, which has recovered since: a call that gets
/// through is answered with `Ok` and fails the measurement.
fn open() -> Vec<Subject> {
    FAILING.store(true, Ordering::Relaxed);
    let subjects = closed().into_iter().map(trip).collect();
    FAILING.store(false, Ordering::Relaxed);
    subjects
}

/// The last hundred calls instead of the last ten seconds.
fn closed_count_window() -> Vec<Subject> {
    let count = config().time_window(None).count_window(COUNT_WINDOW);
    vec![bare(), resilience(count), tower_resilience(count_window()), recloser()]
}

/// tower-resilience keeps a record of each call in its time window and counts all of them on each
/// call, so its cost is that of the calls in the window. With 10 ms of calls at full speed there
/// are as many in it as with 10 s of calls at a thousandth of that rate.
fn closed_time_window() -> Vec<Subject> {
    let window = PeerBuilder::new()
        .sliding_window_type(SlidingWindowType::TimeBased)
        .sliding_window_duration(WINDOW / 1_000);
    vec![bare(), resilience(config()), tower_resilience(window)]
}

/// With slow calls counted as well, where a breaker can: the call has to be timed.
fn closed_slow_calls() -> Vec<Subject> {
    let window = count_window().slow_call_duration_threshold(SLOW).slow_call_rate_threshold(FAILURE_RATE);
    vec![bare(), resilience(config().slow_calls(SLOW, FAILURE_RATE)), tower_resilience(window)]
}

/// The algorithm alone, without Tower around it.
fn core_closed() -> Vec<Subject> {
    let breaker = CircuitBreaker::new(config(), now());
    let core = Subject::function("resilience", async move |n| {
        let (admitted, _) = breaker.try_acquire(now);
        let Ok(permit) = admitted else { return Err(Fault) };
        let answer = UPSTREAM.answer(n).await;
        permit.finish(ErrorsAreFailures.classify(answer.as_ref()), None, now);
        answer
    });
    vec![bare(), core]
}

/// With a count and a duration for each call besides: a closed breaker by itself tells nothing.
fn closed_operation() -> Vec<Subject> {
    recorder::install();
    let telemetry = Telemetry::new("benches");
    let layer = CircuitBreakerLayer::new(config());
    let observer = telemetry.circuit_breaker("circuit_breaker", layer.breaker());
    let stack = ServiceBuilder::new()
        .layer(telemetry.operation_layer(ErrorsAreFailures))
        .layer(CallLayer::new())
        .layer(layer.with_observer(observer))
        .layer(TransportLayer::new());
    vec![bare(), Subject::service("resilience+metrics", stack.service(UPSTREAM))]
}

/// Makes the failing calls that open a breaker. The bare call has nothing to open.
fn trip(subject: Subject) -> Subject {
    if subject.name == "bare" {
        return subject;
    }
    let runtime = runtime();
    let _inside = runtime.enter();
    assert_eq!(subject.caller()(&runtime, 2 * u64::from(COUNT_WINDOW)), 0);
    subject.refusing()
}

fn bare() -> Subject {
    Subject::service("bare", UPSTREAM)
}

pub(super) fn config() -> Config {
    Config::new()
        .time_window(WINDOW)
        .min_calls(MIN_CALLS)
        .failure_rate(FAILURE_RATE)
        .consecutive_failures(MIN_CALLS)
        .open_for(HOUR, HOUR)
}

/// The whole stack that a user writes: the call context is put on and taken off as well.
fn resilience(config: Config) -> Subject {
    let stack = ServiceBuilder::new()
        .layer(CallLayer::new())
        .layer(CircuitBreakerLayer::new(config))
        .layer(TransportLayer::new());
    Subject::service("resilience", stack.service(UPSTREAM))
}

fn with_metrics() -> Subject {
    recorder::install();
    let layer = CircuitBreakerLayer::new(config());
    let observer = Telemetry::new("benches").circuit_breaker("circuit_breaker", layer.breaker());
    let stack = ServiceBuilder::new()
        .layer(CallLayer::new())
        .layer(layer.with_observer(observer))
        .layer(TransportLayer::new());
    Subject::service("resilience+metrics", stack.service(UPSTREAM))
}

fn count_window() -> PeerBuilder {
    PeerBuilder::new().sliding_window_size(COUNT_WINDOW as usize)
}

fn tower_resilience(window: PeerBuilder) -> Subject {
    let layer = window
        .minimum_number_of_calls(MIN_CALLS as usize)
        .failure_rate_threshold(FAILURE_RATE)
        .wait_duration_in_open(HOUR)
        .build()
        .expect("a valid configuration");
    Subject::service("tower-resilience", layer.layer(UPSTREAM))
}

/// Through its own service trait, which does not box the future as its Tower adapter does.
fn seatbelt() -> Subject {
    // Its clock needs a runtime, but only for timers, and a breaker has none.
    let runtime = runtime();
    let _inside = runtime.enter();
    let context = ResilienceContext::new(Clock::new_tokio()).name("benches");
    let stack = (
        Breaker::layer("breaker", &context)
            .recovery_with(|answer: &Answer, _| match answer {
                Ok(_) => RecoveryInfo::never(),
                Err(Fault) => RecoveryInfo::retry(),
            })
            .rejected_input_error(|_, _| Fault)
            .failure_threshold(FAILURE_RATE as f32)
            .min_throughput(MIN_CALLS)
            .sampling_duration(WINDOW)
            .break_duration(HOUR),
        Execute::new(|n: u64| UPSTREAM.answer(n)),
    );
    let service = stack.into_service();
    Subject::function("seatbelt", async move |n| service.execute(n).await)
}

/// With both of its policies, as its default has them: the rate alone cannot open the breaker
/// before one whole window has passed.
fn failsafe() -> Subject {
    let backoff = failsafe::backoff::constant(HOUR);
    let policy = success_rate_over_time_window(1.0 - FAILURE_RATE, MIN_CALLS, WINDOW, backoff.clone())
        .or_else(consecutive_failures(MIN_CALLS, backoff));
    let breaker = failsafe::Config::new().failure_policy(policy).build();
    Subject::function("failsafe", move |n| breaker.call(UPSTREAM.answer(n)))
}

/// It counts calls, not time, and decides once its window is full.
fn recloser() -> Subject {
    let recloser = Recloser::custom()
        .closed_len(COUNT_WINDOW as usize)
        .error_rate(FAILURE_RATE as f32)
        .open_wait(HOUR)
        .build();
    let breaker = AsyncRecloser::from(recloser);
    Subject::function("recloser", move |n| breaker.call(UPSTREAM.answer(n)))
}
