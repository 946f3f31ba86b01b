//! When attempts are made.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use resilience_core::{
    Backoff, Call, Context, Deadline, Error, Hint, RetryPolicy,
    backoff::Jitter,
    retry::{Reason, RetryBudget},
};
use resilience_tower::{RetryLayer, TimeoutLayer};
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};

use crate::script::{AsTold, Does, Heard, MS, PeerOverloaded, SECOND, Scripted, Transient, now};

fn exact(pause: Duration) -> RetryPolicy {
    RetryPolicy::new().backoff(Backoff::exponential(pause).jitter(Jitter::None))
}

#[tokio::test(start_paused = true)]
async fn the_pauses_are_the_backoffs() {
    let inner = Scripted::always(Does::Fail(Transient));
    let service = RetryLayer::new(exact(100 * MS).max_attempts(5)).layer(inner.clone());
    assert!(service.oneshot(Call::new(7)).await.is_err());
    assert_eq!(inner.pauses(), [100 * MS, 200 * MS, 400 * MS, 800 * MS]);
}

#[tokio::test(start_paused = true)]
async fn trap_18_never_earlier_than_the_hint_whatever_the_timers_resolution() {
    for nanos in [1, 999_999, 1_000_000, 1_000_001, 1_499_999, 1_500_000, 20_000_001, 999_999_999] {
        // Not at a whole millisecond of the timer either.
        tokio::time::advance(Duration::from_nanos(333_333)).await;
        let hint = Duration::from_nanos(nanos);
        let inner = Scripted::new([Does::Hint(PeerOverloaded, Hint::AtLeast(hint))], Does::Answer);
        let service = RetryLayer::new(RetryPolicy::new()).classify(AsTold).layer(inner.clone());
        assert!(service.oneshot(Call::new(7)).await.is_ok());
        assert!(inner.pauses()[0] >= hint, "{:?} is earlier than {hint:?}", inner.pauses()[0]);
    }
}

#[tokio::test(start_paused = true)]
async fn no_attempt_is_made_at_or_after_the_deadline() {
    for (limit, attempts) in [(100, 1), (102, 2), (300, 2), (302, 3)] {
        let inner = Scripted::always(Does::Fail(Transient));
        let service = RetryLayer::new(exact(100 * MS).max_attempts(9)).layer(inner.clone());
        let deadline = Deadline::after(now(), limit * MS);
        let call = Call::with_context(7, Context::new().with_deadline(deadline));
        let error = service.oneshot(call).await.unwrap_err();
        assert_eq!(error.gave_up().map(|gave_up| gave_up.reason), Some(Reason::Deadline));
        assert_eq!(inner.attempts().len(), attempts, "{limit} ms");
        assert!(inner.attempts().iter().all(|attempt| attempt.at < deadline.at()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_the_timer_can_only_end_after_the_deadline_is_not_begun() {
    // Not at a whole millisecond, to which the timer would round up.
    tokio::time::advance(Duration::from_nanos(333_333)).await;
    for (limit, attempts) in [(100_500, 1), (101_000, 1), (101_001, 2)] {
        let inner = Scripted::always(Does::Fail(Transient));
        let service = RetryLayer::new(exact(100 * MS).max_attempts(2)).layer(inner.clone());
        let deadline = Deadline::after(now(), Duration::from_micros(limit));
        let call = Call::with_context(7, Context::new().with_deadline(deadline));
        let error = service.oneshot(call).await.unwrap_err();
        assert_eq!((error.into_inner(), inner.attempts().len()), (Some(Does::Fail(Transient)), attempts));
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_longer_than_an_attempt_limit_from_further_out_is_not_begun() {
    let (inner, budget) = (Scripted::always(Does::Fail(Transient)), RetryBudget::new());
    let service = ServiceBuilder::new()
        .layer(TimeoutLayer::attempt(100 * MS))
        .layer(RetryLayer::new(exact(SECOND)).with_budget(budget.clone()))
        .service(inner.clone());
    let start = now();
    let error = service.oneshot(Call::new(7)).await.unwrap_err();
    assert_eq!(error.gave_up().map(|gave_up| gave_up.reason), Some(Reason::Deadline));
    assert_eq!((error.into_inner(), now()), (Some(Does::Fail(Transient)), start));
    assert_eq!(budget.tokens(start), budget.max_tokens());
}

/// The pauses of 10 000 operations that all fail in the same millisecond.
async fn pauses(layer: RetryLayer<resilience_core::ErrorsAreFailures, Option<RetryBudget>>) -> Vec<Duration> {
    let start = now();
    let pauses = Arc::new(Mutex::new(Vec::new()));
    let dependency = {
        let pauses = Arc::clone(&pauses);
        service_fn(move |call: Call<u32>| {
            if call.context().attempt() > 1 {
                pauses.lock().unwrap().push(now() - start);
            }
            async { Err::<(), Error<&str>>(Error::inner("down")) }
        })
    };
    let service = layer.layer(dependency);
    let calls: Vec<_> = (0..10_000).map(|_| tokio::spawn(service.clone().oneshot(Call::new(7)))).collect();
    for call in calls {
        assert!(call.await.unwrap().is_err());
    }
    let pauses = pauses.lock().unwrap().clone();
    assert_eq!(pauses.len(), 10_000);
    pauses
}

/// 1000 ms of full jitter in a hundred bins of 10 ms: a hundred in each, give or take. 155 is the value that chi-square
/// with 99 degrees of freedom exceeds once in 4000 times.
#[tokio::test(start_paused = true)]
async fn trap_12_retries_of_the_same_millisecond_spread_over_the_whole_interval() {
    let policy = RetryPolicy::new().max_attempts(2).backoff(Backoff::exponential(SECOND));
    for layer in [RetryLayer::new(policy), RetryLayer::new(policy).with_seed(7)] {
        let mut bins = [0i32; 100];
        for pause in pauses(layer.without_budget()).await {
            // A timer of whole milliseconds fires at the end of the one it is in.
            let bin = pause.saturating_sub(MS).as_millis() / 10;
            bins[usize::try_from(bin).unwrap()] += 1;
        }
        let chi_square = bins.iter().map(|&bin| f64::from(bin - 100).powi(2) / 100.0).sum::<f64>();
        assert!(chi_square < 155.0, "{chi_square} {bins:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_seed_repeats_the_pauses() {
    let draw = |seed| async move {
        let inner = Scripted::always(Does::Fail(Transient));
        let layer = RetryLayer::new(RetryPolicy::new().max_attempts(6))
            .with_seed(seed)
            .with_observer(Heard::default());
        assert!(layer.layer(inner.clone()).oneshot(Call::new(7)).await.is_err());
        inner.pauses()
    };
    assert_eq!(draw(1).await, draw(1).await);
    assert_ne!(draw(1).await, draw(2).await);
}
