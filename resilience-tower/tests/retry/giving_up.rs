//! What comes back when there is no further attempt, and who is told.

use std::{future::Future, pin::pin, task};

use resilience_core::{
    Backoff, BoxError, Call, CircuitBreaker, Context, Deadline, Event, Hint, Refusal, Rejected, RetryPolicy,
    Throttle,
    circuit_breaker::Config,
    retry::{GaveUp, Reason, RetryBudget, Trail},
    throttle,
};
use resilience_tower::{CircuitBreakerLayer, RetryLayer, ThrottleLayer};
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};

use crate::script::{
    AsTold, Does, Failure, Heard, MS, PeerOverloaded, Permanent, SECOND, Scripted, Throttled, Timeout,
    Transient, now,
};

fn exact() -> RetryPolicy {
    RetryPolicy::new().backoff(Backoff::constant(100 * MS).jitter(resilience_core::backoff::Jitter::None))
}

/// The error, the attempts made, and the time it took.
async fn give_up(
    layer: &RetryLayer<AsTold, Option<RetryBudget>, Heard>,
    inner: &Scripted,
    context: Context,
) -> (Failure, usize, std::time::Duration) {
    let (start, before) = (now(), inner.attempts().len());
    let error = layer.layer(inner.clone()).oneshot(Call::with_context(7, context)).await.unwrap_err();
    (error, inner.attempts().len() - before, now() - start)
}

#[tokio::test(start_paused = true)]
async fn trap_16_the_last_real_error_comes_back_with_a_note_of_the_reason() {
    let script = [Does::Fail(Transient), Does::Fail(Timeout), Does::Fail(PeerOverloaded)];
    let inner = Scripted::new(script, Does::Answer);
    let (heard, trail) = (Heard::default(), Trail::new());
    let layer = RetryLayer::new(exact()).classify(AsTold).with_observer(heard.clone());
    let (error, attempts, _) = give_up(&layer, &inner, Context::new().with_trail(trail.clone())).await;

    let gave_up = GaveUp { attempts: 3, reason: Reason::MaxAttempts };
    assert_eq!((error.gave_up(), trail.gave_up()), (Some(gave_up), Some(gave_up)));
    assert_eq!(heard.events().last(), Some(&Event::RetryGaveUp(gave_up)));
    assert_eq!((error.into_inner(), attempts), (Some(Does::Fail(PeerOverloaded)), 3));
}

#[tokio::test(start_paused = true)]
async fn trap_16_a_boxed_error_comes_back_as_it_is() {
    let down =
        service_fn(|_: Call<u32>| async { Err::<(), BoxError>(std::io::Error::other("reset").into()) });
    let error = RetryLayer::new(exact()).layer(down).oneshot(Call::new(7)).await.unwrap_err();
    assert!(error.downcast_ref::<std::io::Error>().is_some(), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_nobody_would_retry_is_left_alone() {
    let inner = Scripted::always(Does::Fail(Permanent));
    let (heard, trail) = (Heard::default(), Trail::new());
    let layer = RetryLayer::new(exact()).classify(AsTold).with_observer(heard.clone());
    let (error, attempts, _) = give_up(&layer, &inner, Context::new().with_trail(trail.clone())).await;
    assert_eq!((error.gave_up(), attempts, heard.events()), (None, 1, vec![]));
    assert_eq!((trail.attempts(), trail.gave_up()), (1, None));
    // After a retry it says how far it got.
    let inner = Scripted::new([Does::Fail(Transient)], Does::Fail(Permanent));
    let (error, ..) = give_up(&layer, &inner, Context::new()).await;
    assert_eq!(error.gave_up(), Some(GaveUp { attempts: 2, reason: Reason::NotRetryable }));
}

#[tokio::test(start_paused = true)]
async fn trap_15_a_denial_of_the_budget_never_sleeps() {
    let inner = Scripted::always(Does::Fail(Transient));
    let budget: RetryBudget = RetryBudget::success_paid().capacity(3).into();
    let layer =
        RetryLayer::new(exact()).classify(AsTold).with_budget(budget.clone()).with_observer(Heard::default());
    let (error, attempts, took) = give_up(&layer, &inner, Context::new()).await;
    assert_eq!((attempts, took), (2, 100 * MS), "one retry was paid for");
    assert_eq!(error.gave_up(), Some(GaveUp { attempts: 2, reason: Reason::Budget }));
    let (_, attempts, took) = give_up(&layer, &inner, Context::new()).await;
    assert_eq!((attempts, took.is_zero()), (1, true));
    assert_eq!(budget.tokens(now()), 0.0);
}

#[tokio::test(start_paused = true)]
async fn what_stops_an_operation_anyway_is_not_charged() {
    let full = |does, context: Context| async move {
        let (inner, budget) = (Scripted::always(does), RetryBudget::new());
        let layer = RetryLayer::new(exact())
            .classify(AsTold)
            .with_budget(budget.clone())
            .with_observer(Heard::default());
        let (error, attempts, took) = give_up(&layer, &inner, context).await;
        assert_eq!((attempts, took.is_zero()), (1, true));
        assert_eq!(budget.tokens(now()), budget.max_tokens());
        error.gave_up().map(|gave_up| gave_up.reason)
    };
    let short = || Context::new().with_deadline(Deadline::after(now(), 100 * MS));
    assert_eq!(full(Does::Fail(Transient), short()).await, Some(Reason::Deadline));
    assert_eq!(full(Does::Hint(Throttled, Hint::Never), Context::new()).await, Some(Reason::Hint));
    let hour = Does::Hint(PeerOverloaded, Hint::AtLeast(3600 * SECOND));
    assert_eq!(full(hour, Context::new()).await, Some(Reason::Hint));
    assert_eq!(full(Does::Fail(Permanent), Context::new()).await, None);
}

#[tokio::test(start_paused = true)]
async fn grpcs_throttle_counts_failures_that_are_not_retried_too() {
    let inner = Scripted::always(Does::Fail(Transient));
    let budget = RetryBudget::throttle(10, 0.1);
    let layer = RetryLayer::new(exact().max_attempts(1))
        .classify(AsTold)
        .with_budget(budget.clone())
        .with_observer(Heard::default());
    for left in [9.0, 8.0, 7.0] {
        let _ = give_up(&layer, &inner, Context::new()).await;
        assert_eq!(budget.tokens(now()), left);
    }
    let layer =
        RetryLayer::new(exact()).classify(AsTold).with_budget(budget.clone()).with_observer(Heard::default());
    let (error, attempts, _) = give_up(&layer, &inner, Context::new()).await;
    assert_eq!((attempts, budget.tokens(now())), (2, 5.0), "6 are more than half, 5 are not");
    assert_eq!(error.gave_up().map(|gave_up| gave_up.reason), Some(Reason::Budget));
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_further_in_is_not_asked_again() {
    let inner = Scripted::always(Does::Fail(Transient));
    let breaker = CircuitBreaker::new(Config::new().consecutive_failures(2), now());
    let service = ServiceBuilder::new()
        .layer(RetryLayer::new(exact().max_attempts(9)))
        .layer(CircuitBreakerLayer::with_breaker(breaker))
        .service(inner.clone());
    let error = service.clone().oneshot(Call::new(7)).await.unwrap_err();
    let open = |rejected: Option<&Rejected>| matches!(rejected, Some(Rejected::CircuitOpen { .. }));
    assert!(open(error.rejected()), "the third attempt was refused: {error:?}");
    assert_eq!(error.gave_up(), Some(GaveUp { attempts: 3, reason: Reason::NotRetryable }));
    assert_eq!(inner.attempts().len(), 2);
    let start = now();
    let error = service.oneshot(Call::new(7)).await.unwrap_err();
    assert_eq!((error.gave_up(), now(), inner.attempts().len()), (None, start, 2));
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_a_throttle_refuses_says_so_and_a_first_attempt_is_left_alone() {
    let inner = Scripted::always(Does::Fail(Transient));
    let config = throttle::Config::new().max_requests(1_000_000).probe_one_in(1_000_000);
    let throttle = Throttle::with_seed(config, now(), 7);
    let heard = Heard::default();
    let service = ServiceBuilder::new()
        .layer(RetryLayer::new(exact().max_attempts(9)).with_observer(heard.clone()))
        .layer(ThrottleLayer::with_throttle(throttle.clone()).classify(AsTold))
        .service(inner.clone());
    // The first attempt passes, and meanwhile others find that nothing is accepted.
    let mut operation = pin!(service.clone().oneshot(Call::new(7)));
    assert!(operation.as_mut().poll(&mut task::Context::from_waker(task::Waker::noop())).is_pending());
    for permit in [(); 100].map(|()| throttle.try_acquire(now)).into_iter().flatten() {
        permit.abandon(true, now);
    }
    while throttle.snapshot(now()).probability < 0.999 {
        drop(throttle.try_acquire(now));
    }
    let error = operation.await.unwrap_err();
    assert!(matches!(error.rejected(), Some(Rejected::Throttled { .. })), "{error:?}");
    let gave_up = GaveUp { attempts: 2, reason: Reason::Throttle };
    assert_eq!((error.gave_up(), inner.attempts().len()), (Some(gave_up), 1));
    assert_eq!(heard.events().last(), Some(&Event::RetryGaveUp(gave_up)));

    let before = heard.events().len();
    let error = service.oneshot(Call::new(7)).await.unwrap_err();
    assert!(matches!(error.rejected(), Some(Rejected::Throttled { .. })), "{error:?}");
    assert_eq!((error.gave_up(), heard.events().len()), (None, before));
}

#[tokio::test(start_paused = true)]
async fn the_text_of_an_error_says_how_far_it_got() {
    let inner = Scripted::always(Does::Fail(Transient));
    let layer = RetryLayer::new(exact()).classify(AsTold).with_observer(Heard::default());
    let (error, ..) = give_up(&layer, &inner, Context::new()).await;
    let text = error.gave_up().map(|gave_up| gave_up.to_string());
    assert_eq!(text.as_deref(), Some("gave up after 3 attempts: no attempts left"));
    assert!(Failure::from(Rejected::CircuitOpen { retry_after: None }).gave_up().is_none());
}
