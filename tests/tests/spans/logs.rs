//! Lines of the log: which, at which level, with what, and how often.

use std::time::Duration;

use resilience_core::{
    CircuitBreaker, Event, FailureKind, Observer, Rejected,
    adaptive::Priority,
    circuit_breaker::Config,
    fallback::{Cause, Ending},
    idempotency,
    retry::{GaveUp, Reason},
};
use resilience_metrics::{Logs, Telemetry};
use tests::{
    time,
    traced::{EventSeen, Traced},
};
use tower::{Layer, ServiceExt, service_fn};
use tracing::level_filters::LevelFilter;

use super::{Do, MS, SECOND, stack, verdict};

const OPEN: Rejected = Rejected::CircuitOpen { retry_after: None };

fn logs() -> Logs {
    Telemetry::new("pay").logs()
}

fn gave_up(reason: Reason) -> Event {
    Event::RetryGaveUp(GaveUp { attempts: 3, reason })
}

fn fallback(ending: Ending) -> Event {
    Event::Fallback { cause: Cause::Refused(OPEN), ending }
}

/// Level, message and all other fields.
fn line(event: &EventSeen) -> String {
    assert_eq!((event.target.as_str(), event.field("pipeline")), ("resilience", "pay"));
    let others = event.fields.iter().filter(|(name, _)| !["message", "pipeline"].contains(&name.as_str()));
    let fields: String = others.map(|(name, value)| format!(" {name}={value}")).collect();
    format!("{} {}:{fields}", event.level, event.message())
}

/// What `event` alone has logged.
fn logged(event: &Event) -> Vec<String> {
    let traced = Traced::start(LevelFilter::TRACE);
    logs().observe(event);
    traced.events().iter().map(line).collect()
}

/// Each event that has a line, and the line. Transitions have tests of their own.
fn table() -> [(Event, &'static str); 20] {
    let limit = 250 * MS;
    [
        (
            Event::RetryScheduled { attempt: 2, kind: FailureKind::Transient, after: 70 * MS },
            "DEBUG retry scheduled: attempt=2 delay_ms=70 reason=transient",
        ),
        (Event::RetryRecovered { attempts: 2 }, "DEBUG operation recovered: attempts=2"),
        (
            gave_up(Reason::MaxAttempts),
            "WARN attempts exhausted: attempts=3 reason=max_attempts suppressed=0",
        ),
        (
            gave_up(Reason::Budget),
            "WARN retry budget exhausted: attempts=3 reason=budget_exhausted suppressed=0",
        ),
        (gave_up(Reason::Deadline), "DEBUG gave up: attempts=3 reason=deadline"),
        (fallback(Ending::Failed), "WARN fallback failed: reason=failure suppressed=0"),
        (fallback(Ending::Panicked), "WARN fallback failed: reason=panic suppressed=0"),
        (fallback(Ending::Full), "WARN fallback failed: reason=full suppressed=0"),
        (Event::AttemptTimedOut { limit, elapsed: limit }, "DEBUG timeout: limit_ms=250 scope=attempt"),
        (Event::DeadlineExceeded { limit, elapsed: limit }, "DEBUG timeout: limit_ms=250 scope=operation"),
        (Event::CircuitBreakerRejected { retry_after: None }, "DEBUG call refused: by=circuit_breaker"),
        (
            Event::BulkheadRejected(Rejected::BulkheadFull { limit: 1, in_flight: 1 }),
            "DEBUG call refused: by=bulkhead",
        ),
        (Event::Throttled { per_mille: 500 }, "DEBUG call refused: by=throttle"),
        (Event::LoadShed { waited: MS }, "DEBUG call refused: by=load_shed"),
        (
            Event::AdaptiveRejected { priority: Priority::Default, limit: 1, in_flight: 1 },
            "DEBUG call refused: by=adaptive",
        ),
        (Event::DrainRejected { retry_after: SECOND }, "DEBUG call refused: by=drain"),
        (Event::RateLimited { enforced: true, retry_after: None }, "TRACE call refused: by=rate_limit"),
        (gave_up(Reason::Unsafe), "DEBUG gave up: attempts=3 reason=unsafe"),
        (
            Event::Idempotency(idempotency::Ending::StoreError),
            "WARN idempotency store failed: result=store_error suppressed=0",
        ),
        (
            Event::Idempotency(idempotency::Ending::Unprotected),
            "WARN idempotency store failed: result=unprotected suppressed=0",
        ),
    ]
}

pub(crate) fn all_events() -> impl Iterator<Item = Event> {
    table().into_iter().map(|(event, _)| event)
}

#[tokio::test(start_paused = true)]
async fn each_event_has_its_line() {
    for (event, expected) in table() {
        assert_eq!(logged(&event), [expected], "{event:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_worth_a_line_has_none() {
    for event in [
        Event::BulkheadWaited { waited: MS },
        Event::RateLimitDelayed { wait: MS },
        Event::RateLimited { enforced: false, retry_after: None },
        fallback(Ending::Answered),
        fallback(Ending::Unsafe),
        Event::Idempotency(idempotency::Ending::Replayed),
    ] {
        assert!(logged(&event).is_empty(), "{event:?}");
    }
}

/// The transitions are those of a real breaker.
#[tokio::test(start_paused = true)]
async fn a_breaker_says_when_it_opens_and_when_it_closes_again() {
    let traced = Traced::start(LevelFilter::TRACE);
    let config = Config::new().time_window(None).count_window(4).min_calls(2).probes(1);
    let (breaker, logs) = (CircuitBreaker::new(config, time::now()), logs());
    let tell = |transition| {
        if let Some(transition) = transition {
            logs.observe(&Event::CircuitBreakerTransition(transition));
        }
    };
    let report = |verdict| {
        let (permit, transition) = breaker.try_acquire(time::now);
        tell(transition);
        tell(permit.unwrap().finish(verdict, None, time::now));
    };
    let failure = resilience_core::Verdict::Failure(FailureKind::Transient);
    report(failure);
    report(failure);
    tokio::time::advance(Duration::from_secs(60)).await;
    report(resilience_core::Verdict::Success);
    let lines: Vec<_> = traced.events().iter().map(line).collect();
    let opened = "WARN circuit breaker opened: cause=failure_rate failure_ratio=1.0 from=closed slow_ratio=0.0 to=open wait_ms=";
    assert!(lines[0].starts_with(opened) && lines[0].ends_with(" window_calls=2"), "{}", lines[0]);
    assert_eq!(lines[1], "INFO circuit breaker half_open: cause=wait_over from=open to=half_open");
    assert_eq!(lines[2], "INFO circuit breaker closed: cause=probes_succeeded from=half_open to=closed");
    assert_eq!(lines.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_flood_is_one_line_a_second_for_each_kind_and_pipeline() {
    let traced = Traced::start(LevelFilter::TRACE);
    let (one, other) = (Telemetry::new("pay").logs(), Telemetry::new("ship").logs());
    let exhausted = gave_up(Reason::MaxAttempts);
    for _ in 0..100 {
        one.clone().observe(&exhausted);
        one.observe(&gave_up(Reason::Budget));
        one.observe(&fallback(Ending::Failed));
        one.observe(&Event::Idempotency(idempotency::Ending::StoreError));
        other.observe(&exhausted);
    }
    let count = || traced.events().len();
    assert_eq!(count(), 5);
    tokio::time::advance(999 * MS).await;
    one.observe(&exhausted);
    assert_eq!(count(), 5);
    tokio::time::advance(MS).await;
    one.observe(&exhausted);
    let lines = traced.events();
    assert_eq!((lines.len(), lines[5].field("suppressed")), (6, "100"));
}

/// One observer for all policies of a stack, beside that of the metrics.
#[tokio::test(start_paused = true)]
async fn a_stack_logs_what_its_policies_decide() {
    let traced = Traced::start(LevelFilter::DEBUG);
    let telemetry = Telemetry::new("pay");
    let layer = stack();
    let read = layer.handle().clone();
    let metrics = telemetry.client(move || read.snapshot(), None, None);
    let client = layer
        .with_observer((metrics, telemetry.logs()))
        .classify(verdict)
        .slots(telemetry.spans(verdict).layers())
        .layer(service_fn(|_: u32| async { Err::<u32, _>(super::Failed(Do::Fail)) }));
    assert!(client.oneshot(7).await.is_err());
    let messages: Vec<_> =
        traced.events().iter().map(|event| format!("{} {}", event.level, event.message())).collect();
    let expected = [
        "DEBUG retry scheduled",
        "WARN circuit breaker opened",
        "DEBUG retry scheduled",
        "DEBUG call refused",
        "DEBUG gave up",
    ];
    assert_eq!(messages, expected);
    let spans = traced.spans();
    assert!(
        traced
            .events()
            .iter()
            .all(|event| event.span.is_some_and(|place| spans[place].name == "resilience.operation"))
    );
}
