//! What calls through an adaptive limit report, however they end.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    future::{Future, pending},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Waker},
    time::{Duration, Instant},
};

use resilience_core::{
    AdaptiveLimit, Call, Deadline, Error, Event, FailureKind, Observer, Rejected, Verdict,
    adaptive::{Config, Limit, Priority, Window},
};
use resilience_tower::{AdaptiveLayer, TimeoutLayer};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

const MS: Duration = Duration::from_millis(1);

#[expect(clippy::disallowed_methods, reason = "the tests' own clock")]
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Keeps the limit and shows what it is told.
#[derive(Clone, Debug, Default)]
struct Seen(Arc<Mutex<Vec<Window>>>);

impl Limit for Seen {
    fn next(&mut self, limit: f64, window: &Window) -> f64 {
        self.0.lock().unwrap().push(*window);
        limit
    }
}

#[derive(Clone, Copy, Debug)]
enum Do {
    AnswerAfter(Duration),
    Fail,
    Hang,
    Panic,
}

type Answer = Result<(), Error<&'static str>>;

async fn act(call: Call<Do>) -> Answer {
    match *call.request() {
        Do::AnswerAfter(delay) => {
            tokio::time::sleep(delay).await;
            Ok(())
        }
        Do::Fail => Err(Error::inner("slow down")),
        Do::Hang => pending().await,
        Do::Panic => resume_unwind(Box::new("as told")),
    }
}

fn classify(result: Result<&(), &Error<&'static str>>) -> Verdict {
    match result {
        Ok(()) => Verdict::Success,
        Err(_) => Verdict::Failure(FailureKind::Throttled),
    }
}

fn seeing() -> (Seen, AdaptiveLayer) {
    let seen = Seen::default();
    (seen.clone(), AdaptiveLayer::new(Config::new(seen)))
}

/// Ends the window with ten answers.
async fn window(seen: &Seen, layer: &AdaptiveLayer) -> Window {
    let service = layer.clone().layer(service_fn(act));
    for _ in 0..10 {
        service.clone().oneshot(Call::new(Do::AnswerAfter(10 * MS))).await.unwrap();
    }
    seen.0.lock().unwrap().pop().unwrap()
}

#[tokio::test(start_paused = true)]
async fn answers_are_timed_and_overload_is_what_the_classifier_says() {
    let (seen, layer) = seeing();
    let service = layer.clone().classify(classify).layer(service_fn(act));
    for _ in 0..3 {
        assert!(service.clone().oneshot(Call::new(Do::Fail)).await.is_err());
    }
    let plain = layer.clone().layer(service_fn(act));
    assert!(plain.oneshot(Call::new(Do::Fail)).await.is_err());
    let window = window(&seen, &layer).await;
    assert_eq!((window.samples, window.average, window.overloads), (10, 10 * MS, 3));
    assert_eq!(layer.limit().snapshot().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_is_overload_on_either_side_and_a_refusal_further_in_is_nothing() {
    let (seen, layer) = seeing();
    let inside = ServiceBuilder::new().layer(layer.clone()).layer(TimeoutLayer::attempt(5 * MS));
    let outside = ServiceBuilder::new().layer(TimeoutLayer::attempt(5 * MS)).layer(layer.clone());
    let total = ServiceBuilder::new().layer(TimeoutLayer::total(5 * MS)).layer(layer.clone());
    assert!(inside.service_fn(act).oneshot(Call::new(Do::Hang)).await.is_err());
    assert!(outside.service_fn(act).oneshot(Call::new(Do::Hang)).await.is_err());
    assert!(total.service_fn(act).oneshot(Call::new(Do::Hang)).await.is_err());
    let open = service_fn(|_: Call<Do>| async {
        Err::<(), Error<&str>>(Rejected::CircuitOpen { retry_after: None }.into())
    });
    assert!(layer.clone().classify(classify).layer(open).oneshot(Call::new(Do::Fail)).await.is_err());
    assert_eq!(window(&seen, &layer).await.overloads, 3);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_counts_by_its_deadline_and_by_how_long_it_has_waited() {
    let (seen, layer) = seeing();
    assert_eq!(window(&seen, &layer).await.samples, 10);
    let mut service = layer.clone().layer(service_fn(act));
    for (wait, deadline) in [(10, 20), (15, 20), (20, 20)] {
        let deadline = Deadline::after(now(), deadline * MS);
        let context = resilience_core::Context::new().with_deadline(deadline);
        let call = service.ready().await.unwrap().call(Call::with_context(Do::Hang, context));
        let mut call = Box::pin(call);
        assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        tokio::time::advance(wait * MS).await;
        drop(call);
    }
    let window = window(&seen, &layer).await;
    assert_eq!(window.overloads, 1, "one was cut");
    let waited = window.average * window.samples - 8 * 10 * MS;
    assert_eq!(
        (window.samples, waited.as_millis()),
        (9, 14),
        "eight answers, and one waited longer than their average"
    );
}

#[tokio::test(start_paused = true)]
async fn a_panic_counts_as_nothing() {
    let (seen, layer) = seeing();
    let mut service = layer.clone().layer(service_fn(act));
    let mut panicking = pin!(service.ready().await.unwrap().call(Call::new(Do::Panic)));
    let mut poll = || panicking.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(catch_unwind(AssertUnwindSafe(&mut poll)).is_err());
    assert_eq!(layer.limit().snapshot().in_flight, 0, "before it is dropped");
    let window = window(&seen, &layer).await;
    assert_eq!((window.samples, window.overloads), (10, 0));
}

#[derive(Clone, Debug, Default)]
struct Events(Arc<Mutex<Vec<Event>>>);

impl Observer for Events {
    fn observe(&self, event: &Event) {
        self.0.lock().unwrap().push(*event);
    }
}

#[tokio::test(start_paused = true)]
async fn the_observer_hears_of_refusals_with_their_priority() {
    let events = Events::default();
    let priority = |call: &Call<Do>| match call.request() {
        Do::Hang => Priority::Critical,
        _ => Priority::Sheddable,
    };
    let layer = AdaptiveLayer::new(Config::default().initial(5));
    let service = layer.clone().with_observer(events.clone()).priority(priority).layer(service_fn(act));
    let mut services: Vec<_> = (0..3).map(|_| service.clone()).collect();
    let mut held = Vec::new();
    for service in &mut services {
        held.push(service.ready().await.unwrap().call(Call::new(Do::Hang)));
    }
    let error = service.oneshot(Call::new(Do::Fail)).await.unwrap_err();
    let (limit, in_flight) = (5, 3);
    assert_eq!(error, Rejected::Overloaded { limit, in_flight }.into());
    let expected = Event::AdaptiveRejected { priority: Priority::Sheddable, limit, in_flight };
    assert_eq!(*events.0.lock().unwrap(), [expected]);
}

#[tokio::test(start_paused = true)]
async fn keys_share_the_limit_of_all_services_of_the_layer() {
    let limit = AdaptiveLimit::new(Config::default().initial(100), now());
    let greedy = |key: u32| {
        let layer = AdaptiveLayer::with_limit(limit.clone()).priority(|_| Priority::Critical);
        layer.fair_share(move |_: &Call<Do>| key).layer(service_fn(act))
    };
    let (mut one, mut other) = (greedy(1), greedy(2));
    let _first = other.ready().await.unwrap().call(Call::new(Do::Hang));
    let mut held = Vec::new();
    for _ in 0..150 {
        held.push(one.ready().await.unwrap().call(Call::new(Do::Hang)));
    }
    // Keys of two layers are hashed by the limit, so they are of one table.
    assert_eq!(limit.snapshot().in_flight, 91);
    let _second = other.ready().await.unwrap().call(Call::new(Do::Hang));
    assert_eq!(limit.snapshot().in_flight, 92);
}
