//! What is recorded on demand alone.

use resilience_core::{Backoff, RetryPolicy, backoff::Jitter};
use resilience_metrics::Telemetry;
use resilience_tower::{RetryLayer, TimeoutLayer};
use tests::recorded::Recorded;
use tower::ServiceBuilder;

use super::{Do, MS, SECOND, call, classify, inner};

const RETRIES: &str = "resilience_retry_attempts{pipeline=pay,policy=retry}";
const BACKOFF: &str = "resilience_retry_backoff_seconds{pipeline=pay,policy=retry}";

fn used(scope: &str) -> String {
    format!("resilience_timeout_used_ratio{{pipeline=pay,policy=timeout,scope={scope}}}")
}

#[tokio::test(start_paused = true)]
async fn retries_pauses_and_used_timeouts_have_samples() {
    let recorded = Recorded::start();
    let telemetry = Telemetry::new("pay").verbose(true);
    let timeout = telemetry.timeout("timeout");
    let policy = RetryPolicy::new().max_attempts(4).backoff(Backoff::constant(MS).jitter(Jitter::None));
    let layer = RetryLayer::new(policy).without_budget().classify(classify);
    let service = ServiceBuilder::new()
        .layer(TimeoutLayer::total(4 * SECOND).with_observer(timeout.clone()))
        .layer(layer.with_observer(telemetry.retry("retry", None)))
        .layer(TimeoutLayer::attempt(2 * SECOND).with_observer(timeout))
        .service(inner());

    for what in [Do::Answer, Do::Permanent] {
        let _ = call(&service, what).await;
    }
    assert!(recorded.take().samples.is_empty(), "no retries, and nothing was pending");

    call(&service, Do::Fail).await.unwrap_err();
    call(&service, Do::FailOnce).await.unwrap();
    let values = recorded.values();
    assert_eq!(values[RETRIES], [3.0, 1.0]);
    assert_eq!(values[BACKOFF], [0.001; 4]);
    assert_eq!(values[&used("operation")].len(), 2);

    call(&service, Do::AnswerAfter(SECOND)).await.unwrap();
    call(&service, Do::Hang).await.unwrap_err();
    let values = recorded.values();
    assert_eq!(values[&used("attempt")], [0.5, 1.0]);
    assert_eq!(values[&used("operation")], [0.25, 1.0]);
}

#[tokio::test(start_paused = true)]
async fn layers_look_at_the_clock_for_whoever_wants_it_alone() {
    use resilience_core::{Drain, Observer};

    for verbose in [false, true] {
        let telemetry = Telemetry::new("pay").verbose(verbose);
        assert_eq!(telemetry.timeout("timeout").is_verbose(), verbose);
        assert_eq!(telemetry.server(&Drain::new(), None, None).is_verbose(), verbose);
    }
}

#[test]
fn an_operation_that_was_not_retried_is_no_sample() {
    use resilience_core::{
        Event, Observer,
        retry::{GaveUp, Reason},
    };

    let recorded = Recorded::start();
    let retry = Telemetry::new("pay").verbose(true).retry("retry", None);
    for attempts in [1, 2] {
        retry.observe(&Event::RetryGaveUp(GaveUp { attempts, reason: Reason::Budget }));
    }
    assert_eq!(recorded.values()[RETRIES], [1.0]);
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_nothing_is_used_wholly() {
    use resilience_core::{Event, Observer};
    use std::time::Duration;

    let recorded = Recorded::start();
    let timeout = Telemetry::new("pay").verbose(true).timeout("timeout");
    timeout.observe(&Event::DeadlineExceeded { limit: Duration::ZERO, elapsed: Duration::ZERO });
    timeout.observe(&Event::DeadlineExceeded { limit: SECOND, elapsed: 2 * SECOND });
    assert_eq!(recorded.values()[&used("operation")], [1.0, 1.0]);
}
