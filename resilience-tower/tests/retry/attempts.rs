//! Which attempts are made, of what, and by which instance.

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    task::{Context as TaskContext, Poll, Waker},
};

use resilience_core::{
    Backoff, Call, CarryContext, Context, Deadline, Error, Event, Refusal, Rejected, RetryPolicy,
    backoff::Jitter,
    retry::{GaveUp, Reason, RetryBudget, Safety, Trail},
};
use resilience_tower::{
    RetryLayer, TimeoutLayer,
    retry::{KeyedBudgets, Replay},
};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, limit::ConcurrencyLimit, service_fn};

use crate::script::{AsTold, Does, Heard, MS, Permanent, SECOND, Scripted, Timeout, Transient, now};

fn at_once() -> RetryPolicy {
    RetryPolicy::new().backoff(Backoff::none())
}

#[tokio::test(start_paused = true)]
async fn a_failed_attempt_is_followed_by_another_and_each_knows_its_number() {
    let inner = Scripted::new([Does::Fail(Transient), Does::Fail(Timeout)], Does::Answer);
    let heard = Heard::default();
    let layer = RetryLayer::new(at_once()).classify(AsTold).without_budget().with_observer(heard.clone());
    let trail = Trail::new();
    let call = Call::with_context(7, Context::new().with_trail(trail.clone()));
    assert_eq!(layer.layer(inner.clone()).oneshot(call).await, Ok("answer"));

    let numbers: Vec<u32> = inner.attempts().iter().map(|attempt| attempt.number).collect();
    assert_eq!(numbers, [1, 2, 3]);
    assert_eq!((trail.attempts(), trail.gave_up()), (3, None));
    let after = std::time::Duration::ZERO;
    assert_eq!(
        heard.events(),
        [
            Event::RetryScheduled { attempt: 2, kind: Transient, after },
            Event::RetryScheduled { attempt: 3, kind: Timeout, after },
            Event::RetryRecovered { attempts: 3 },
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_first_success_is_nobodys_business() {
    let inner = Scripted::always(Does::Answer);
    let heard = Heard::default();
    let layer = RetryLayer::new(at_once()).with_observer(heard.clone());
    assert_eq!(layer.layer(inner.clone()).oneshot(Call::new(7)).await, Ok("answer"));
    assert_eq!((inner.attempts().len(), heard.events()), (1, vec![]));
}

/// A request that counts its copies.
#[derive(Debug)]
struct Counted {
    copies: Arc<AtomicU32>,
    can_be_copied: bool,
}

impl CarryContext for Counted {}

impl Replay for Counted {
    fn try_clone(&self) -> Option<Self> {
        self.copies.fetch_add(1, Ordering::Relaxed);
        self.can_be_copied.then(|| Self { copies: Arc::clone(&self.copies), can_be_copied: true })
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_attempt_sends_the_copy_itself() {
    let copies = Arc::new(AtomicU32::new(0));
    let inner = Scripted::always(Does::Fail(Transient));
    let service = RetryLayer::new(at_once().max_attempts(4)).layer(inner.clone());
    let request = Counted { copies: Arc::clone(&copies), can_be_copied: true };
    assert!(service.oneshot(Call::new(request)).await.is_err());
    assert_eq!((inner.attempts().len(), copies.load(Ordering::Relaxed)), (4, 3));
}

#[tokio::test(start_paused = true)]
async fn trap_17_a_request_that_cannot_be_copied_is_sent_once_and_that_is_no_error() {
    let send = |does| async move {
        let inner = Scripted::always(does);
        let layer = RetryLayer::new(at_once());
        let request = Counted { copies: Arc::default(), can_be_copied: false };
        (layer.layer(inner.clone()).oneshot(Call::new(request)).await, inner.attempts().len())
    };
    assert_eq!(send(Does::Answer).await, (Ok("answer"), 1));
    let (failed, attempts) = send(Does::Fail(Transient)).await;
    let failed = failed.unwrap_err();
    assert_eq!(failed.gave_up(), Some(GaveUp { attempts: 1, reason: Reason::NotReplayable }));
    assert_eq!((failed.into_inner(), attempts), (Some(Does::Fail(Transient)), 1));
}

/// A request of which there is nothing left to send after the first attempt.
#[derive(Clone, Debug)]
struct Streamed;

impl Replay for Streamed {
    fn try_clone(&self) -> Option<Self> {
        Some(Self)
    }

    fn is_complete(&self) -> bool {
        false
    }
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_is_not_complete_any_more_is_not_sent() {
    let inner = Scripted::always(Does::Fail(Transient));
    let error =
        RetryLayer::new(at_once()).layer(inner.clone()).oneshot(Call::new(Streamed)).await.unwrap_err();
    let gave_up = GaveUp { attempts: 1, reason: Reason::NotReplayable };
    assert_eq!((error.gave_up(), inner.attempts().len()), (Some(gave_up), 1));
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "`Retry`'s future was polled after it had completed")]
async fn to_poll_it_again_is_a_mistake() {
    let inner = Scripted::always(Does::Fail(Transient));
    let mut service = RetryLayer::new(at_once()).layer(inner);
    let mut response = pin!(ServiceExt::<Call<u32>>::ready(&mut service).await.unwrap().call(Call::new(7)));
    assert!(response.as_mut().await.is_err());
    let _ = response.await;
}

/// A request that may do harm when it is sent twice.
#[derive(Clone, Debug)]
struct Charge(Safety);

impl Replay for Charge {
    fn try_clone(&self) -> Option<Self> {
        Some(self.clone())
    }

    fn safety(&self) -> Safety {
        self.0
    }
}

#[tokio::test(start_paused = true)]
async fn trap_17_an_unsafe_request_is_sent_twice_only_if_the_first_was_not_sent_at_all() {
    let attempts = |policy, safety, does| async move {
        let inner = Scripted::always(does);
        let service = RetryLayer::new(policy).classify(AsTold).layer(inner.clone());
        let error = service.oneshot(Call::new(Charge(safety))).await.unwrap_err();
        (inner.attempts().len(), error.gave_up().unwrap().reason)
    };
    let failed = Does::Fail(Transient);
    for safety in [Safety::Unsafe, Safety::Keyed] {
        assert_eq!(attempts(at_once(), safety, failed).await, (1, Reason::Unsafe));
        assert_eq!(attempts(at_once(), safety, Does::Refuse).await, (3, Reason::MaxAttempts));
    }
    let inner = Scripted::always(failed);
    let known = Call::with_context(Charge(Safety::Unsafe), Context::new().assume_idempotent());
    assert!(RetryLayer::new(at_once()).layer(inner.clone()).oneshot(known).await.is_err());
    assert_eq!(inner.attempts().len(), 3, "somebody knows better");

    let honoured = at_once().honours_idempotency_keys(true);
    assert_eq!(attempts(honoured, Safety::Keyed, failed).await, (3, Reason::MaxAttempts));
    assert_eq!(attempts(honoured, Safety::Unsafe, failed).await, (1, Reason::Unsafe));
}

#[tokio::test(start_paused = true)]
async fn trap_29_each_attempt_is_readied_and_finds_the_permit_of_the_one_before_free() {
    // One permit for all attempts, taken in poll_ready: a clone that is not readied panics.
    let inner = Scripted::always(Does::Fail(Transient));
    let limited = ConcurrencyLimit::new(inner.clone(), 1);
    let service = RetryLayer::new(at_once()).layer(limited);
    assert!(service.oneshot(Call::new(7)).await.is_err());
    assert_eq!(inner.attempts().len(), 3);
}

/// Ready for one attempt, and then never again.
#[derive(Clone)]
struct Closing(Scripted);

impl Service<Call<u32>> for Closing {
    type Response = &'static str;
    type Error = Error<Does>;
    type Future = <Scripted as Service<Call<u32>>>::Future;

    fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), Self::Error>> {
        if self.0.attempts().is_empty() {
            Service::<Call<u32>>::poll_ready(&mut self.0, cx)
        } else {
            Poll::Ready(Err(Error::inner(Does::Fail(Permanent))))
        }
    }

    fn call(&mut self, call: Call<u32>) -> Self::Future {
        self.0.call(call)
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_of_readiness_ends_it_and_everybody_is_told() {
    let (inner, heard, trail) = (Scripted::always(Does::Fail(Transient)), Heard::default(), Trail::new());
    let budget = RetryBudget::in_flight(100, 0);
    let layer = RetryLayer::new(at_once()).with_budget(budget.clone()).with_observer(heard.clone());
    let mut service = layer.layer(Closing(inner.clone()));
    let call = Call::with_context(7, Context::new().with_trail(trail.clone()));
    let mut response = pin!(service.ready().await.unwrap().call(call));
    let error = response.as_mut().await.unwrap_err();

    let gave_up = GaveUp { attempts: 1, reason: Reason::NotRetryable };
    assert_eq!((error.gave_up(), trail.gave_up()), (Some(gave_up), Some(gave_up)));
    assert_eq!(heard.events().last(), Some(&Event::RetryGaveUp(gave_up)));
    assert_eq!((error.into_inner(), inner.attempts().len()), (Some(Does::Fail(Permanent)), 1));
    assert_eq!(budget.max_tokens(), 0.0, "and nothing is in flight");
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_is_over_holds_no_permit_although_its_future_is_there() {
    let limited = ConcurrencyLimit::new(Scripted::always(Does::Fail(Transient)), 1);
    let policy = RetryPolicy::new().backoff(Backoff::constant(50 * MS).jitter(Jitter::None));
    let mut service = RetryLayer::new(policy).layer(limited.clone());
    let mut other = limited;
    let context = Context::new().with_deadline(Deadline::after(now(), 100 * MS));
    let ready = ServiceExt::<Call<u32>>::ready(&mut service).await.unwrap();
    let mut response = pin!(ready.call(Call::with_context(7, context)));
    let cx = &mut TaskContext::from_waker(Waker::noop());
    assert!(response.as_mut().poll(cx).is_pending());
    // Somebody else has the permit when the pause ends, and until the deadline.
    ServiceExt::<Call<u32>>::ready(&mut other).await.unwrap();
    tokio::time::advance(60 * MS).await;
    assert!(response.as_mut().poll(cx).is_pending());
    tokio::time::advance(60 * MS).await;
    drop(other);
    assert!(response.as_mut().await.is_err());
    let poll = Service::<Call<u32>>::poll_ready(&mut service, cx);
    assert!(matches!(poll, Poll::Ready(Ok(()))), "the permit is free");
}

#[tokio::test(start_paused = true)]
async fn many_attempts_without_a_pause_leave_the_other_tasks_their_turn() {
    let inner = Scripted::always(Does::Fail(Transient));
    let service = RetryLayer::new(at_once().max_attempts(100_000)).without_budget().layer(inner.clone());
    let operation = tokio::spawn(service.oneshot(Call::new(7)));
    tokio::task::yield_now().await;
    assert!((1..10_000).contains(&inner.attempts().len()), "{}", inner.attempts().len());
    assert!(operation.await.unwrap().is_err());
    assert_eq!(inner.attempts().len(), 100_000, "and it is woken again");
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_dropped_before_the_pause() {
    let held = Arc::new(());
    let inner = {
        let held = Arc::clone(&held);
        service_fn(move |_: Call<u32>| {
            let answer = Arc::clone(&held);
            async move { Ok::<_, Error<&str>>(answer) }
        })
    };
    let bad = |_: Result<&Arc<()>, &Error<&str>>| resilience_core::Verdict::Failure(Transient);
    let policy = RetryPolicy::new().backoff(Backoff::constant(SECOND));
    let mut service = RetryLayer::new(policy).classify(bad).layer(inner.clone());
    let mut response = pin!(ServiceExt::<Call<u32>>::ready(&mut service).await.unwrap().call(Call::new(7)));
    assert!(response.as_mut().poll(&mut TaskContext::from_waker(Waker::noop())).is_pending());
    let references_of_services = Arc::strong_count(&held);
    drop(inner);
    assert_eq!(references_of_services - Arc::strong_count(&held), 1);
    assert_eq!(Arc::strong_count(&held), 3, "the test, the service, and its copy for the next attempt");
}

#[tokio::test(start_paused = true)]
async fn cancelled_in_the_pause_there_is_no_further_attempt_and_nothing_in_flight() {
    let inner = Scripted::always(Does::Fail(Transient));
    let policy = RetryPolicy::new().backoff(Backoff::constant(SECOND));
    let budget = RetryBudget::in_flight(100, 1);
    let mut service = RetryLayer::new(policy).with_budget(budget.clone()).layer(inner.clone());
    {
        let mut response =
            pin!(ServiceExt::<Call<u32>>::ready(&mut service).await.unwrap().call(Call::new(7)));
        assert!(response.as_mut().poll(&mut TaskContext::from_waker(Waker::noop())).is_pending());
        assert!(budget.tokens(now()) < 1.0, "the retry counts while it pauses");
    }
    assert_eq!(budget.tokens(now()), 1.0);
    tokio::time::sleep(60 * SECOND).await;
    assert_eq!(inner.attempts().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_is_over_counts_as_in_flight_no_more_although_its_future_is_there() {
    let budget = RetryBudget::in_flight(100, 0);
    for does in [Does::Answer, Does::Fail(Transient)] {
        let mut service =
            RetryLayer::new(at_once()).with_budget(budget.clone()).layer(Scripted::always(does));
        let mut response =
            pin!(ServiceExt::<Call<u32>>::ready(&mut service).await.unwrap().call(Call::new(7)));
        assert_eq!(budget.max_tokens(), 1.0);
        let _ = response.as_mut().await;
        assert_eq!(budget.max_tokens(), 0.0, "{does:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_budget_for_all_services_of_a_layer_or_one_for_each_key() {
    let inner = Scripted::always(Does::Fail(Transient));
    let broke = || RetryBudget::from(RetryBudget::success_paid().capacity(3));
    let layer = RetryLayer::new(at_once()).with_budget(broke());
    for expected in [2, 3, 4] {
        assert!(layer.layer(inner.clone()).oneshot(Call::new(0)).await.is_err());
        assert_eq!(inner.attempts().len(), expected, "one retry for all");
    }
    let by_key = KeyedBudgets::new(broke, |call: &Call<u32>| *call.request());
    let layer = layer.with_keyed_budgets(by_key.clone());
    for (key, expected) in [(1, 6), (1, 7), (2, 9), (2, 10)] {
        assert!(layer.layer(inner.clone()).oneshot(Call::new(key)).await.is_err());
        assert_eq!(inner.attempts().len(), expected, "one retry for each key");
    }
    assert_eq!(by_key.budgets().len(), 2);
    assert_eq!(by_key.budget_of(1).tokens(now()), 0.0);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_limit_from_further_out_counts_the_pauses_too() {
    let deadlines = Arc::new(std::sync::Mutex::new(Vec::new()));
    let inner = {
        let deadlines = Arc::clone(&deadlines);
        service_fn(move |call: Call<u32>| {
            deadlines.lock().unwrap().push(call.context().deadline().map(Deadline::at));
            async { Err::<&str, Error<&str>>(Error::inner("down")) }
        })
    };
    let policy = RetryPolicy::new().backoff(Backoff::constant(100 * MS).jitter(Jitter::None));
    let service = ServiceBuilder::new()
        .layer(TimeoutLayer::attempt(SECOND))
        .layer(RetryLayer::new(policy))
        .service(inner);
    let start = now();
    assert!(service.oneshot(Call::new(7)).await.is_err());
    let end = Some(start + SECOND);
    assert_eq!(*deadlines.lock().unwrap(), [None, end, end]);
}

#[tokio::test(start_paused = true)]
async fn a_total_timeout_cuts_the_pause() {
    let inner = Scripted::always(Does::Fail(Transient));
    // The request carries no context, so the retry layer does not know of the deadline.
    let policy = RetryPolicy::new().backoff(Backoff::constant(10 * SECOND).jitter(Jitter::None));
    let service = ServiceBuilder::new()
        .layer(TimeoutLayer::total(SECOND))
        .layer(RetryLayer::new(policy))
        .map_request(|request: u32| Call::new(request))
        .service(inner.clone());
    let start = now();
    let error = service.oneshot(7).await.unwrap_err();
    assert!(matches!(error, Error::Rejected { rejected: Rejected::DeadlineExceeded { .. }, .. }));
    assert_eq!((inner.attempts().len(), now() - start), (1, SECOND));
}

/// Not ready for a second attempt before the gate is opened.
#[derive(Clone)]
struct Gated(Scripted, Arc<AtomicBool>);

impl Service<Call<u32>> for Gated {
    type Response = &'static str;
    type Error = Error<Does>;
    type Future = <Scripted as Service<Call<u32>>>::Future;

    fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), Self::Error>> {
        if self.0.attempts().is_empty() || self.1.load(Ordering::Relaxed) {
            Service::<Call<u32>>::poll_ready(&mut self.0, cx)
        } else {
            Poll::Pending
        }
    }

    fn call(&mut self, call: Call<u32>) -> Self::Future {
        self.0.call(call)
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_passes_while_the_next_attempt_is_readied_ends_it() {
    let (inner, gate, trail) = (Scripted::always(Does::Fail(Transient)), Arc::default(), Trail::new());
    let mut service = RetryLayer::new(at_once()).layer(Gated(inner.clone(), Arc::clone(&gate)));
    let context = Context::new().with_deadline(Deadline::after(now(), SECOND)).with_trail(trail.clone());
    let mut response = pin!(service.ready().await.unwrap().call(Call::with_context(7, context)));
    let mut poll = || response.as_mut().poll(&mut TaskContext::from_waker(Waker::noop()));

    assert!(poll().is_pending());
    tokio::time::advance(SECOND).await;
    gate.store(true, Ordering::Relaxed);
    let Poll::Ready(Err(error)) = poll() else { panic!("it is over") };
    let is_late = |rejected| matches!(rejected, Rejected::DeadlineExceeded { called: true, .. });
    assert!(error.rejected().copied().is_some_and(is_late), "{error:?}");
    let gave_up = Some(GaveUp { attempts: 1, reason: Reason::Deadline });
    assert_eq!((error.gave_up(), trail.gave_up()), (gave_up, gave_up));
    assert_eq!(inner.attempts().len(), 1);
}
