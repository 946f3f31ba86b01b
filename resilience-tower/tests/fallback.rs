//! Fallbacks by value, by function and by service, on a paused clock.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use resilience_core::{
    Bulkhead, Call, CarryContext, Classify, Deadline, Error, Event, FailureKind, Observer, Rejected, Verdict,
    bulkhead,
};
use resilience_tower::{
    CircuitBreakerLayer, FallbackLayer, LoadShedLayer, TimeoutLayer,
    fallback::{Cause, Causes, Ending},
    retry::{Replay, Safety},
};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

type Failure = Error<&'static str>;
type Answer = Result<u32, Failure>;

const DOWN: Answer = Err(Error::inner("down"));
const TRANSIENT: Cause = Cause::Failure(FailureKind::Transient);

/// Answers from 100 on are bad: of the kind that the last digit says. So are errors, by their text.
#[derive(Clone, Copy, Debug)]
struct ByDigit;

impl Classify<u32, Failure> for ByDigit {
    fn classify(&self, result: Result<&u32, &Failure>) -> Verdict {
        match result {
            Ok(&n) if n < 100 => Verdict::Success,
            Ok(&n) => {
                FailureKind::ALL.get(n as usize % 10).map_or(Verdict::Ignored, |&k| Verdict::Failure(k))
            }
            Err(_) => Verdict::Failure(FailureKind::Transient),
        }
    }

    fn was_sent(&self, result: Result<&u32, &Failure>) -> bool {
        result != Err(&Error::inner("not sent"))
    }

    /// A thousand more, so that the note is seen.
    fn annotate_fallback(&self, response: &mut u32, cause: Cause) {
        assert!(matches!(cause, Cause::Failure(_) | Cause::Refused(_)));
        *response += 1000;
    }
}

/// Remembers what it is told.
#[derive(Clone, Debug, Default)]
struct Seen(Arc<Mutex<Vec<Event>>>);

impl Seen {
    fn take(&self) -> Vec<Event> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Observer for Seen {
    fn observe(&self, event: &Event) {
        self.0.lock().unwrap().push(*event);
    }
}

fn told(cause: Cause, ending: Ending) -> Vec<Event> {
    vec![Event::Fallback { cause, ending }]
}

/// Fails or answers with what it is told.
fn inner(answer: Answer) -> impl Service<Call<u32>, Response = u32, Error = Failure, Future: Send> + Clone {
    service_fn(move |_: Call<u32>| async move { answer })
}

/// A request that counts its copies, and may or may not be copied and repeated.
#[derive(Debug)]
struct Counted {
    copies: Arc<AtomicU32>,
    safety: Safety,
    can_be_copied: bool,
    is_complete: bool,
}

impl Counted {
    fn new(safety: Safety) -> Self {
        Self { copies: Arc::default(), safety, can_be_copied: true, is_complete: true }
    }
}

impl Replay for Counted {
    fn try_clone(&self) -> Option<Self> {
        self.copies.fetch_add(1, Ordering::SeqCst);
        self.can_be_copied.then(|| Self { copies: Arc::clone(&self.copies), ..*self })
    }

    fn is_complete(&self) -> bool {
        self.is_complete
    }

    fn safety(&self) -> Safety {
        self.safety
    }
}

impl CarryContext for Counted {}

#[tokio::test]
async fn a_value_replaces_errors_and_bad_answers() {
    let seen = Seen::default();
    let layer = FallbackLayer::value(7).classify(ByDigit).with_observer(seen.clone());
    for bad in [DOWN, Ok(100)] {
        assert_eq!(layer.layer(inner(bad)).oneshot(Call::new(1)).await, Ok(1007));
        assert_eq!(seen.take(), told(TRANSIENT, Ending::Answered));
    }
    assert_eq!(layer.layer(inner(Ok(3))).oneshot(Call::new(1)).await, Ok(3));
    assert_eq!(seen.take(), []);
}

#[tokio::test]
async fn what_is_replaced_is_chosen_by_verdict() {
    let bad = |kind: FailureKind| inner(Ok(100 + kind as u32));
    let ignored = || inner(Ok(109));
    for kind in FailureKind::ALL {
        let usual = FallbackLayer::value(7).classify(ByDigit);
        let is_answered = usual.clone().layer(bad(kind)).oneshot(Call::new(1)).await == Ok(1007);
        assert_eq!(is_answered, kind != FailureKind::Permanent, "{kind:?}");
        assert_eq!(usual.layer(ignored()).oneshot(Call::new(1)).await, Ok(109));

        let none = FallbackLayer::value(7).classify(ByDigit).causes(Causes::none().with(kind));
        for other in FailureKind::ALL {
            let is_answered = none.layer(bad(other)).oneshot(Call::new(1)).await == Ok(1007);
            assert_eq!(is_answered, kind == other, "{other:?}");
        }
    }
}

#[tokio::test]
async fn a_refusal_is_replaced_unless_told_otherwise() {
    let breaker = || {
        let layer = CircuitBreakerLayer::new(resilience_core::circuit_breaker::Config::new());
        #[expect(clippy::disallowed_methods, reason = "the tests' own clock")]
        layer.breaker().force_open(tokio::time::Instant::now().into_std());
        layer
    };
    let seen = Seen::default();
    let fallback = FallbackLayer::value(7).with_observer(seen.clone());
    let service = ServiceBuilder::new().layer(fallback.clone()).layer(breaker()).service(inner(DOWN));
    assert_eq!(service.oneshot(Call::new(1)).await, Ok(7));
    let open = Rejected::CircuitOpen { retry_after: None };
    assert_eq!(seen.take(), told(Cause::Refused(open), Ending::Answered));

    let fallback = fallback.causes(Causes::new().refusals(false));
    let service = ServiceBuilder::new().layer(fallback).layer(breaker()).service(inner(DOWN));
    assert_eq!(service.oneshot(Call::new(1)).await, Err(open.into()));
    assert_eq!(seen.take(), []);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_is_replaced_when_it_fires() {
    let seen = Seen::default();
    let service = ServiceBuilder::new()
        .layer(FallbackLayer::value(7).with_observer(seen.clone()))
        .layer(TimeoutLayer::total(SECOND))
        .service(service_fn(|_: Call<u32>| std::future::pending::<Answer>()));
    assert_eq!(service.oneshot(Call::new(1)).await, Ok(7));
    assert_eq!(seen.take(), told(Cause::Failure(FailureKind::Timeout), Ending::Answered));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_not_ready_is_waited_for_and_one_that_refuses_is_not() {
    let never_ready = NeverReady::default;
    let mut waits = FallbackLayer::value(7).layer(never_ready());
    assert!(waits.poll_ready(&mut Context::from_waker(Waker::noop())).is_pending());
    let sheds = ServiceBuilder::new()
        .layer(FallbackLayer::value(7))
        .layer(LoadShedLayer::new())
        .service(never_ready());
    assert_eq!(sheds.oneshot(Call::new(1)).await, Ok(7));
}

#[tokio::test]
async fn a_function_decides_what_comes_back() {
    let seen = Seen::default();
    let function = |failed: Answer| match failed {
        Ok(n) if n == 103 => Ok(n),
        Ok(n) => Ok(n - 100),
        Err(_) => Err(Error::inner("told otherwise")),
    };
    let layer = FallbackLayer::function(function).classify(ByDigit).with_observer(seen.clone());
    assert_eq!(layer.layer(inner(Ok(101))).oneshot(Call::new(1)).await, Ok(1001));
    assert_eq!(seen.take(), told(Cause::Failure(FailureKind::Fault), Ending::Answered));
    // What it leaves bad is returned all the same, without a note, and counts as its failure.
    let overloaded = Cause::Failure(FailureKind::PeerOverloaded);
    assert_eq!(layer.layer(inner(Ok(103))).oneshot(Call::new(1)).await, Ok(103));
    assert_eq!(seen.take(), told(overloaded, Ending::Failed));
    assert_eq!(layer.layer(inner(DOWN)).oneshot(Call::new(1)).await, Err(Error::inner("told otherwise")));
    assert_eq!(seen.take(), told(TRANSIENT, Ending::Failed));
}

#[tokio::test]
async fn a_function_gets_what_was_kept_of_its_request() {
    let layer = FallbackLayer::by_request(
        |call: &Call<u32>| *call.request() + 1,
        |kept: u32, failed: Answer| if failed == DOWN { Ok(kept) } else { failed },
    );
    let service = layer.layer(inner(DOWN));
    let (one, two) = tokio::join!(service.clone().oneshot(Call::new(1)), service.oneshot(Call::new(2)));
    assert_eq!((one, two), (Ok(2), Ok(3)));
}

#[tokio::test]
async fn only_a_service_has_the_request_copied() {
    let request = || Counted::new(Safety::Idempotent);
    let copied = request();
    let copies = Arc::clone(&copied.copies);
    let fails = service_fn(async |_: Counted| DOWN);
    let answers = service_fn(async |_: Counted| Answer::Ok(5));
    let keep = |_: &Counted| ();
    assert_eq!(FallbackLayer::value(5).layer(fails).oneshot(request()).await, Ok(5));
    assert_eq!(FallbackLayer::function(|_: Answer| Ok(5)).layer(fails).oneshot(copied).await, Ok(5));
    let uncopied = Counted { copies: Arc::clone(&copies), ..request() };
    let by_request = FallbackLayer::by_request(keep, |(), _: Answer| Ok(5));
    assert_eq!(by_request.layer(fails).oneshot(uncopied).await, Ok(5));
    assert_eq!(copies.load(Ordering::SeqCst), 0);

    let copied = Counted { copies: Arc::clone(&copies), ..request() };
    assert_eq!(FallbackLayer::service(answers).layer(fails).oneshot(copied).await, Ok(5));
    assert_eq!(copies.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_service_that_fails_changes_nothing() {
    let seen = Seen::default();
    for bad in [Err("not in the cache"), Ok(101), Ok(105), Ok(109)] {
        let fallback = service_fn(move |_: Call<u32>| async move { bad });
        let layer = FallbackLayer::service(fallback).classify(ByDigit).with_observer(seen.clone());
        for failed in [DOWN, Ok(100)] {
            assert_eq!(layer.layer(inner(failed)).oneshot(Call::new(1)).await, failed, "{bad:?}");
            assert_eq!(seen.take(), told(TRANSIENT, Ending::Failed));
        }
    }
    let fallback = service_fn(async |_: Call<u32>| Answer::Ok(7));
    let layer = FallbackLayer::service(fallback).classify(ByDigit).with_observer(seen.clone());
    assert_eq!(layer.layer(inner(Ok(100))).oneshot(Call::new(1)).await, Ok(1007));
    assert_eq!(seen.take(), told(TRANSIENT, Ending::Answered));
}

/// What a fallback service is sent, and what the first service answers with.
async fn sends(
    request: Counted,
    layer: impl Fn(FallbackLayer<Sub>) -> FallbackLayer<Sub>,
    answer: Answer,
) -> Vec<Ending> {
    let seen = Seen::default();
    let fallback: Fallback = |_| Box::pin(async { Ok(5) });
    let service = layer(FallbackLayer::service(service_fn(fallback)))
        .classify(ByDigit)
        .with_observer(seen.clone())
        .layer(service_fn(move |_: Call<Counted>| async move { answer }));
    let came = service.oneshot(Call::new(request)).await;
    let endings: Vec<_> = seen
        .take()
        .into_iter()
        .map(|event| match event {
            Event::Fallback { ending, .. } => ending,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(came, if endings == [Ending::Answered] { Ok(1005) } else { answer });
    endings
}

type Fallback = fn(Call<Counted>) -> Pin<Box<dyn Future<Output = Answer> + Send>>;
type Sub = resilience_tower::fallback::Substitute<tower::util::ServiceFn<Fallback>>;

#[tokio::test]
async fn a_service_is_sent_only_what_may_be_sent_twice() {
    let not_sent = || Err(Error::inner("not sent"));
    let refused = || Err(Rejected::CircuitOpen { retry_after: None }.into());
    let timed_out = || Err(Rejected::AttemptTimeout { limit: MS, elapsed: MS }.into());
    assert_eq!(sends(Counted::new(Safety::Idempotent), |l| l, timed_out()).await, [Ending::Answered]);
    for harmful in [Safety::Unsafe, Safety::Keyed] {
        let request = || Counted::new(harmful);
        assert_eq!(sends(request(), |l| l, DOWN).await, [Ending::Unsafe]);
        assert_eq!(sends(request(), |l| l, timed_out()).await, [Ending::Unsafe]);
        assert_eq!(sends(request(), |l| l, refused()).await, [Ending::Answered]);
        assert_eq!(sends(request(), |l| l, not_sent()).await, [Ending::Answered]);
        assert_eq!(sends(request(), |l| l.repeat_unsafe(true), DOWN).await, [Ending::Answered]);
    }
    let no_copy = || Counted { can_be_copied: false, ..Counted::new(Safety::Idempotent) };
    let half_a_copy = || Counted { is_complete: false, ..Counted::new(Safety::Idempotent) };
    assert_eq!(sends(no_copy(), |l| l, DOWN).await, [Ending::NotReplayable]);
    assert_eq!(sends(half_a_copy(), |l| l, DOWN).await, [Ending::NotReplayable]);
    assert_eq!(sends(no_copy(), |l| l, Ok(3)).await, []);
}

#[tokio::test]
async fn the_context_may_say_that_a_request_can_be_repeated() {
    let answers = service_fn(async |_: Call<Counted>| Answer::Ok(5));
    let service = FallbackLayer::service(answers).layer(service_fn(async |_: Call<Counted>| DOWN));
    let context = resilience_core::Context::new().assume_idempotent();
    let request = Call::with_context(Counted::new(Safety::Unsafe), context);
    assert_eq!(service.oneshot(request).await, Ok(5));
}

/// Answers after a second.
async fn slow(_: Call<u32>) -> Answer {
    tokio::time::sleep(SECOND).await;
    Ok(7)
}

#[tokio::test(start_paused = true)]
async fn a_service_has_so_many_calls_at_a_time_and_the_others_get_the_first_failure() {
    let seen = Seen::default();
    let layer = FallbackLayer::service(service_fn(slow)).max_concurrent(2).with_observer(seen.clone());
    let (one, two) = (layer.layer(inner(DOWN)), layer.clone().layer(inner(DOWN)));
    let calls = [one.clone(), two.clone(), one.clone()].map(|service| service.oneshot(Call::new(1)));
    let [a, b, c] = calls;
    let (a, b, c) = tokio::join!(a, b, c);
    assert_eq!((a, b, c), (Ok(7), Ok(7), DOWN));
    let full = Rejected::BulkheadFull { limit: 2, in_flight: 2 };
    let mut events = vec![Event::BulkheadRejected(full)];
    events.extend(told(TRANSIENT, Ending::Full));
    events.extend(told(TRANSIENT, Ending::Answered));
    events.extend(told(TRANSIENT, Ending::Answered));
    assert_eq!(seen.take(), events);
    assert_eq!(layer.bulkhead().snapshot().in_flight, 0);
    assert_eq!(FallbackLayer::service(service_fn(slow)).bulkhead().snapshot().limit, 10);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_permit_even_if_the_bulkhead_has_a_queue() {
    let patient = Bulkhead::new(bulkhead::Config::new(1).max_wait(SECOND));
    let _taken = patient.try_acquire(1).unwrap();
    let layer = FallbackLayer::service(service_fn(slow)).with_bulkhead(patient);
    let mut response = pin!(layer.layer(inner(DOWN)).oneshot(Call::new(1)));
    assert_eq!(poll(response.as_mut()), Poll::Ready(DOWN));
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test(start_paused = true)]
async fn a_permit_comes_back_when_the_caller_leaves() {
    let seen = Seen::default();
    let layer = FallbackLayer::service(service_fn(slow)).with_observer(seen.clone());
    let not_ready = FallbackLayer::service(NeverReady::default()).with_bulkhead(layer.bulkhead().clone());
    {
        let mut running = pin!(layer.layer(inner(DOWN)).oneshot(Call::new(1)));
        let mut waiting = pin!(not_ready.layer(inner(DOWN)).oneshot(Call::new(1)));
        assert!(poll(running.as_mut()).is_pending() && poll(waiting.as_mut()).is_pending());
        assert_eq!(layer.bulkhead().snapshot().in_flight, 2);
    }
    assert_eq!(layer.bulkhead().snapshot().in_flight, 0);
    assert_eq!(seen.take(), [], "nobody knows how it would have ended");
}

#[tokio::test(start_paused = true)]
async fn a_permit_is_free_as_soon_as_there_is_an_answer() {
    let layer = FallbackLayer::service(service_fn(async |_: Call<u32>| Answer::Ok(7)));
    let mut service = layer.layer(inner(DOWN));
    let mut response = pin!(service.ready().await.unwrap().call(Call::new(1)));
    assert_eq!(poll(response.as_mut()), Poll::Ready(Ok(7)));
    assert_eq!(layer.bulkhead().snapshot().in_flight, 0, "although the future is still there");
}

/// Counts how often it is asked; never ready.
#[derive(Clone, Debug, Default)]
struct NeverReady(Arc<AtomicU32>);

impl Service<Call<u32>> for NeverReady {
    type Response = u32;
    type Error = Failure;
    type Future = std::future::Ready<Answer>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Poll::Pending
    }

    fn call(&mut self, _: Call<u32>) -> Self::Future {
        panic!("it was called although it was not ready");
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_is_readied_only_when_it_is_needed() {
    let fallback = NeverReady::default();
    let asked = Arc::clone(&fallback.0);
    let layer = FallbackLayer::service(fallback);
    assert_eq!(layer.layer(inner(Ok(3))).oneshot(Call::new(1)).await, Ok(3));
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    let mut response = pin!(layer.layer(inner(DOWN)).oneshot(Call::new(1)));
    assert!(poll(response.as_mut()).is_pending());
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

/// Fails when it is asked whether it is ready.
#[derive(Clone, Debug)]
struct Closed;

impl Service<Call<u32>> for Closed {
    type Response = u32;
    type Error = &'static str;
    type Future = std::future::Ready<Result<u32, &'static str>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        Poll::Ready(Err("closed"))
    }

    fn call(&mut self, _: Call<u32>) -> Self::Future {
        panic!("it was called although it was not ready");
    }
}

#[tokio::test]
async fn a_service_that_cannot_be_readied_has_failed() {
    let seen = Seen::default();
    let layer = FallbackLayer::service(Closed).with_observer(seen.clone());
    assert_eq!(layer.layer(inner(DOWN)).oneshot(Call::new(1)).await, DOWN);
    assert_eq!(seen.take(), told(TRANSIENT, Ending::Failed));
}

/// Panics when it is cloned, if it says so.
#[derive(Debug)]
struct Fragile;

impl Clone for Fragile {
    fn clone(&self) -> Self {
        panic!("it broke")
    }
}

async fn panics<S, R>(service: S, seen: &Seen)
where
    S: Service<Call<u32>, Response = R, Error = Failure>,
{
    let mut response = pin!(service.oneshot(Call::new(1)));
    let polled = catch_unwind(AssertUnwindSafe(|| poll(response.as_mut()).is_pending()));
    assert!(polled.is_err(), "the panic passes through");
    assert_eq!(seen.take(), told(TRANSIENT, Ending::Panicked), "already");
}

#[tokio::test]
async fn a_panic_of_the_fallback_passes_through_and_counts_as_its_failure() {
    let seen = Seen::default();
    let function = |_: Answer| -> Answer { panic!("as told") };
    panics(FallbackLayer::function(function).with_observer(seen.clone()).layer(inner(DOWN)), &seen).await;
    let by_request =
        FallbackLayer::by_request(|_: &Call<u32>| (), |(), _: Answer| -> Answer { panic!("as told") });
    panics(by_request.with_observer(seen.clone()).layer(inner(DOWN)), &seen).await;
    let down = service_fn(async |_: Call<u32>| Err::<Fragile, _>(Error::inner("down")));
    panics(FallbackLayer::value(Fragile).with_observer(seen.clone()).layer(down), &seen).await;
}

#[tokio::test]
async fn a_permit_comes_back_when_a_panic_passes() {
    let seen = Seen::default();
    let in_call = service_fn(|_: Call<u32>| -> std::future::Ready<Answer> { panic!("as told") });
    let in_poll = service_fn(async |_: Call<u32>| -> Answer { panic!("as told") });
    let bulkhead = Bulkhead::new(bulkhead::Config::new(9));

    let layer = FallbackLayer::service(in_poll).with_bulkhead(bulkhead.clone()).with_observer(seen.clone());
    let mut service = layer.layer(inner(DOWN));
    let mut response = pin!(service.ready().await.unwrap().call(Call::new(1)));
    assert!(catch_unwind(AssertUnwindSafe(|| poll(response.as_mut()).is_pending())).is_err());
    assert_eq!(bulkhead.snapshot().in_flight, 0, "although the future is still there");
    assert_eq!(seen.take(), told(TRANSIENT, Ending::Panicked));

    let layer = FallbackLayer::service(in_call).with_bulkhead(bulkhead.clone()).with_observer(seen.clone());
    panics(layer.layer(inner(DOWN)), &seen).await;
    assert_eq!(bulkhead.snapshot().in_flight, 0);
}

#[tokio::test]
async fn a_panic_further_in_is_not_the_fallbacks() {
    let seen = Seen::default();
    let panicking = service_fn(async |_: Call<u32>| -> Answer { panic!("as told") });
    let service = FallbackLayer::value(7).with_observer(seen.clone()).layer(panicking);
    let mut response = pin!(service.oneshot(Call::new(1)));
    assert!(catch_unwind(AssertUnwindSafe(|| poll(response.as_mut()).is_pending())).is_err());
    assert_eq!(seen.take(), []);
}

/// The failed future is dropped before the fallback is asked; what it had answered is kept.
#[tokio::test(start_paused = true)]
async fn the_first_call_holds_nothing_while_the_fallback_runs() {
    struct Holds(Answer, #[expect(dead_code, reason = "it is there to be dropped")] Arc<()>);
    impl Future for Holds {
        type Output = Answer;
        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Answer> {
            Poll::Ready(self.0)
        }
    }

    let held = Arc::new(());
    let holds = Arc::clone(&held);
    let first = service_fn(move |_: Call<u32>| Holds(DOWN, Arc::clone(&holds)));
    let mut service = FallbackLayer::service(service_fn(slow)).layer(first);
    let mut response = pin!(service.ready().await.unwrap().call(Call::new(1)));
    assert!(poll(response.as_mut()).is_pending());
    assert_eq!(Arc::strong_count(&held), 2, "the test's and the service's");
    assert_eq!(response.await, Ok(7));
}

#[tokio::test]
async fn polled_again_after_a_fallback_it_panics() {
    let mut service = FallbackLayer::value(7).layer(inner(DOWN));
    let mut response = pin!(service.ready().await.unwrap().call(Call::new(1)));
    assert_eq!(poll(response.as_mut()), Poll::Ready(Ok(7)));
    let again = catch_unwind(AssertUnwindSafe(|| poll(response.as_mut()).is_pending())).unwrap_err();
    assert!(again.downcast_ref::<&str>().unwrap().contains("after it had completed"));
}

/// The limit of an attempt timeout further out counts from the first wait, for the copy too.
#[tokio::test(start_paused = true)]
async fn the_copy_knows_when_an_attempt_limit_further_out_ends() {
    let deadlines: Arc<Mutex<Vec<Option<Deadline>>>> = Arc::default();
    let noted = Arc::clone(&deadlines);
    let fallback = service_fn(move |call: Call<u32>| {
        noted.lock().unwrap().push(call.context().deadline());
        async { Answer::Ok(7) }
    });
    #[expect(clippy::disallowed_methods, reason = "the tests' own clock")]
    let now = || tokio::time::Instant::now().into_std();
    let fails_after = |delay| {
        service_fn(move |_: Call<u32>| async move {
            if delay > Duration::ZERO {
                tokio::time::sleep(delay).await;
            }
            DOWN
        })
    };
    for delay in [Duration::ZERO, SECOND] {
        let began = now();
        let service = ServiceBuilder::new()
            .layer(TimeoutLayer::attempt(9 * SECOND))
            .layer(FallbackLayer::service(fallback.clone()))
            .service(fails_after(delay));
        assert_eq!(service.oneshot(Call::new(1)).await, Ok(7));
        let deadline = deadlines.lock().unwrap().pop().unwrap();
        assert_eq!(deadline.map(Deadline::at), Some(began + 9 * SECOND), "after {delay:?}");
    }
}

#[test]
fn nothing_of_the_value_is_shown() {
    let layer = FallbackLayer::value("secret");
    assert!(!format!("{layer:?}").contains("secret"));
}
