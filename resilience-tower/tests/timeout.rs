//! Timeouts, to the tick, on a paused clock.

use std::{
    future::{Future, pending, poll_fn},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    task::{Context as TaskContext, Poll, Waker},
    time::{Duration, Instant},
};

use resilience_core::{Call, CarryContext, Context, Deadline, Error, Event, Observer, Rejected};
use resilience_tower::{TimeoutLayer, TransportLayer};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

type Outcome = Result<(), Error<()>>;

const MS: Duration = Duration::from_millis(1);

#[expect(clippy::disallowed_methods, reason = "the tests' own clock")]
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// A service that answers after `delay`.
fn slow(delay: Duration) -> impl Service<Call<()>, Response = (), Error = Error<()>, Future: Unpin> + Clone {
    service_fn(move |_: Call<()>| {
        Box::pin(async move {
            tokio::time::sleep(delay).await;
            Ok(())
        })
    })
}

async fn run<S>(service: S, context: Context) -> (Outcome, Duration)
where
    S: Service<Call<()>, Response = (), Error = Error<()>>,
{
    let start = now();
    let outcome = service.oneshot(Call::with_context((), context)).await;
    (outcome, now() - start)
}

fn attempt_timeout(limit: Duration, elapsed: Duration) -> Outcome {
    Err(Rejected::AttemptTimeout { limit, elapsed }.into())
}

fn deadline_exceeded(limit: Duration, elapsed: Duration) -> Outcome {
    Err(Rejected::DeadlineExceeded { limit, elapsed, called: true }.into())
}

#[tokio::test(start_paused = true)]
async fn an_attempt_is_cut_at_its_limit() {
    let layer = ServiceBuilder::new().layer(TimeoutLayer::attempt(100 * MS));
    let (outcome, took) = run(layer.service(slow(101 * MS)), Context::new()).await;
    assert_eq!((outcome, took), (attempt_timeout(100 * MS, 100 * MS), 100 * MS));
    assert_eq!(run(layer.service(slow(99 * MS)), Context::new()).await, (Ok(()), 99 * MS));
}

#[tokio::test(start_paused = true)]
async fn a_ready_answer_wins_a_tie_with_the_timer() {
    for layer in [TimeoutLayer::attempt(100 * MS), TimeoutLayer::total(100 * MS)] {
        let service = ServiceBuilder::new().layer(layer).service(slow(100 * MS));
        assert_eq!(run(service, Context::new()).await, (Ok(()), 100 * MS));
    }
}

#[tokio::test(start_paused = true)]
async fn the_total_is_counted_from_the_call_and_the_attempt_from_when_it_is_pending() {
    let late = |layer: TimeoutLayer| async move {
        let mut service = ServiceBuilder::new().layer(layer).service(slow(Duration::MAX));
        let response = service.ready().await.unwrap().call(Call::new(()));
        tokio::time::advance(30 * MS).await;
        let start = now();
        (response.await, now() - start)
    };
    let total = late(TimeoutLayer::total(100 * MS)).await;
    assert_eq!(total, (deadline_exceeded(100 * MS, 100 * MS), 70 * MS));
    let attempt = late(TimeoutLayer::attempt(100 * MS)).await;
    assert_eq!(attempt, (attempt_timeout(100 * MS, 100 * MS), 100 * MS));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_gets_the_smaller_of_its_limit_and_what_is_left_of_the_deadline() {
    let stack = |total: u32, attempt: u32| {
        ServiceBuilder::new()
            .layer(TimeoutLayer::total(total * MS))
            .layer(TimeoutLayer::attempt(attempt * MS))
            .service(slow(Duration::MAX))
    };
    let fresh = Context::new;
    let by_attempt = run(stack(200, 100), fresh()).await;
    assert_eq!(by_attempt, (attempt_timeout(100 * MS, 100 * MS), 100 * MS));
    let by_total = run(stack(100, 200), fresh()).await;
    assert_eq!(by_total, (deadline_exceeded(100 * MS, 100 * MS), 100 * MS));
    let in_a_tie = run(stack(100, 100), fresh()).await;
    assert_eq!(in_a_tie.0, deadline_exceeded(100 * MS, 100 * MS), "no time for another attempt");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_from_further_out_binds_and_says_so() {
    let upstream = Context::new().with_deadline(Deadline::after(now(), 40 * MS));
    tokio::time::advance(10 * MS).await;
    for layer in [TimeoutLayer::total(100 * MS), TimeoutLayer::attempt(100 * MS)] {
        let service = ServiceBuilder::new().layer(layer).service(slow(Duration::MAX));
        let start = now();
        let (outcome, _) =
            run(service, upstream.clone().with_deadline(Deadline::after(start, 30 * MS))).await;
        assert!(matches!(outcome, Err(Error::Rejected { rejected: Rejected::DeadlineExceeded { .. }, .. })));
        assert!(now() - start <= 30 * MS);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_may_bring_limits_of_its_own_longer_or_shorter() {
    let stack = |delay: Duration| {
        ServiceBuilder::new()
            .layer(TimeoutLayer::total(100 * MS))
            .layer(TimeoutLayer::attempt(50 * MS))
            .service(slow(delay))
    };
    let longer = Context::new().with_total_timeout(400 * MS).with_attempt_timeout(300 * MS);
    assert_eq!(run(stack(250 * MS), longer.clone()).await, (Ok(()), 250 * MS));
    assert_eq!(run(stack(350 * MS), longer).await.0, attempt_timeout(300 * MS, 300 * MS));
    let shorter = Context::new().with_total_timeout(20 * MS);
    assert_eq!(run(stack(250 * MS), shorter).await.0, deadline_exceeded(20 * MS, 20 * MS));
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_deadline_is_over_is_refused_before_it_starts() {
    let called = Arc::new(AtomicU32::new(0));
    let inner = service_fn({
        let called = Arc::clone(&called);
        move |_: Call<()>| {
            called.fetch_add(1, Ordering::Relaxed);
            async { Outcome::Ok(()) }
        }
    });
    let service = ServiceBuilder::new().layer(TimeoutLayer::total(100 * MS)).service(inner);
    let over = Context::new().with_deadline(Deadline::after(now(), 5 * MS));
    tokio::time::advance(5 * MS).await;
    let (outcome, _) = run(service.clone(), over).await;
    let never_made = Rejected::DeadlineExceeded { limit: 5 * MS, elapsed: 5 * MS, called: false };
    assert_eq!((outcome, called.load(Ordering::Relaxed)), (Err(never_made.into()), 0));
    let (outcome, _) = run(service, Context::new().with_deadline(Deadline::after(now(), MS))).await;
    assert_eq!((outcome, called.load(Ordering::Relaxed)), (Ok(()), 1));
}

/// Outside of a runtime a timer cannot even be made, so a call that makes one panics.
#[test]
fn a_ready_answer_registers_no_timer() {
    for layer in [TimeoutLayer::attempt(MS), TimeoutLayer::total(MS)] {
        let mut service =
            ServiceBuilder::new().layer(layer).service(service_fn(|_: Call<()>| async { Outcome::Ok(()) }));
        let cx = &mut TaskContext::from_waker(Waker::noop());
        assert!(service.poll_ready(cx).is_ready());
        let response = pin!(service.call(Call::new(())));
        assert_eq!(response.poll(cx), Poll::Ready(Ok(())));
    }
}

#[tokio::test(start_paused = true)]
async fn the_inner_future_is_dropped_before_the_error_is_returned() {
    struct Held(Arc<AtomicBool>);
    impl Drop for Held {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    let dropped = Arc::new(AtomicBool::new(false));
    let held = Arc::clone(&dropped);
    let mut service =
        ServiceBuilder::new().layer(TimeoutLayer::attempt(MS)).service(service_fn(move |_: Call<()>| {
            let held = Held(Arc::clone(&held));
            async move {
                let _held = held;
                pending::<Outcome>().await
            }
        }));
    let mut response = pin!(service.ready().await.unwrap().call(Call::new(())));
    poll_fn(|cx| {
        let polled = response.as_mut().poll(cx);
        assert_eq!(polled.is_ready(), dropped.load(Ordering::Relaxed));
        polled.map(drop)
    })
    .await;
}

/// A future that uses up the task's budget at every poll must not keep the timer from being looked at.
#[tokio::test(start_paused = true)]
async fn a_greedy_inner_future_does_not_starve_the_timer() {
    let greedy = service_fn(|_: Call<()>| async {
        loop {
            tokio::task::coop::consume_budget().await;
        }
        #[expect(unreachable_code, reason = "names the type")]
        Outcome::Ok(())
    });
    let service = ServiceBuilder::new().layer(TimeoutLayer::attempt(100 * MS)).service(greedy);
    let call = tokio::spawn(service.oneshot(Call::new(())));
    for _ in 0..200 {
        tokio::time::advance(MS).await;
    }
    assert!(call.is_finished());
    assert!(matches!(
        call.await.unwrap(),
        Err(Error::Rejected { rejected: Rejected::AttemptTimeout { .. }, .. })
    ));
}

#[tokio::test(start_paused = true)]
async fn limits_without_end_are_no_limits() {
    for layer in [TimeoutLayer::attempt(Duration::MAX), TimeoutLayer::total(Duration::MAX)] {
        let service = ServiceBuilder::new().layer(layer).service(slow(1000 * MS));
        assert_eq!(run(service, Context::new()).await, (Ok(()), 1000 * MS));
    }
}

#[test]
#[should_panic(expected = "the limit of a timeout is zero, it must be longer")]
fn a_limit_of_zero_panics() {
    let _ = TimeoutLayer::attempt(Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn an_observer_is_told_which_limit_fired_and_only_then() {
    #[derive(Debug, Default)]
    struct Counts {
        attempt: AtomicU32,
        total: AtomicU32,
    }
    impl Observer for Counts {
        fn observe(&self, event: &Event) {
            match event {
                Event::AttemptTimedOut { .. } => self.attempt.fetch_add(1, Ordering::Relaxed),
                Event::DeadlineExceeded { .. } => self.total.fetch_add(1, Ordering::Relaxed),
                _ => panic!("{event:?}"),
            };
        }
    }

    let counts = Arc::new(Counts::default());
    let seen = || (counts.attempt.load(Ordering::Relaxed), counts.total.load(Ordering::Relaxed));
    let layer = TimeoutLayer::attempt(10 * MS).with_observer(Arc::clone(&counts));
    let service = |delay| ServiceBuilder::new().layer(layer.clone()).service(slow(delay));

    let _ = run(service(MS), Context::new()).await;
    drop(service(20 * MS).oneshot(Call::new(())));
    assert_eq!(seen(), (0, 0));
    let _ = run(service(20 * MS), Context::new()).await;
    assert_eq!(seen(), (1, 0));
    let near = Context::new().with_deadline(Deadline::after(now(), 5 * MS));
    let _ = run(service(20 * MS), near).await;
    assert_eq!(seen(), (1, 1));
}

/// What the layers inside, a handler, or the wire may know.
#[tokio::test(start_paused = true)]
async fn an_observer_that_wants_it_is_told_what_calls_in_time_have_used() {
    #[derive(Clone, Default)]
    struct Verbose(Arc<std::sync::Mutex<Vec<Event>>>, bool);

    impl Observer for Verbose {
        fn observe(&self, event: &Event) {
            self.0.lock().unwrap().push(*event);
        }

        fn is_verbose(&self) -> bool {
            self.1
        }
    }

    let stack = |delay: Duration, observer: &Verbose| {
        ServiceBuilder::new()
            .layer(TimeoutLayer::total(200 * MS).with_observer(observer.clone()))
            .layer(TimeoutLayer::attempt(100 * MS).with_observer(observer.clone()))
            .service(slow(delay))
    };
    let heard = Verbose(Arc::default(), true);
    let take = || std::mem::take(&mut *heard.0.lock().unwrap());
    assert_eq!(run(stack(60 * MS, &heard), Context::new()).await, (Ok(()), 60 * MS));
    let (attempt, total) = (100 * MS, 200 * MS);
    let in_time = |elapsed| Event::OperationInTime { limit: total, elapsed };
    assert_eq!(take(), [Event::AttemptInTime { limit: attempt, elapsed: 60 * MS }, in_time(60 * MS)]);

    // What is left of the total time is the shorter one: of that only the outer layer tells.
    let mut late = stack(30 * MS, &heard);
    let call = late.ready().await.unwrap().call(Call::new(()));
    tokio::time::advance(150 * MS).await;
    call.await.unwrap();
    assert_eq!(take(), [in_time(180 * MS)]);

    run(stack(101 * MS, &heard), Context::new()).await.0.unwrap_err();
    assert_eq!(take()[0], Event::AttemptTimedOut { limit: attempt, elapsed: attempt });
    let ready = || ServiceBuilder::new().layer(TimeoutLayer::attempt(MS).with_observer(heard.clone()));
    let ready = ready().service(service_fn(async |_: Call<()>| Outcome::Ok(())));
    run(ready, Context::new()).await.0.unwrap();
    assert_eq!(take(), [], "it took no time");

    let quiet = Verbose(Arc::default(), false);
    run(stack(60 * MS, &quiet), Context::new()).await.0.unwrap();
    assert!(quiet.0.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_context_tells_what_is_inside_of_both_limits() {
    let inner = service_fn(|call: Call<()>| {
        let context = call.context().clone();
        async move { Ok::<_, Error<()>>((context.deadline(), context.attempt_limit())) }
    });
    let service = ServiceBuilder::new()
        .layer(TimeoutLayer::total(100 * MS))
        .layer(TimeoutLayer::attempt(50 * MS))
        .service(inner);
    let (deadline, attempt_limit) = service.oneshot(Call::new(())).await.unwrap();
    assert_eq!(deadline, Some(Deadline::after(now(), 100 * MS)));
    assert_eq!(attempt_limit, Some(50 * MS));
}

/// A request that carries no context is limited all the same.
#[tokio::test(start_paused = true)]
async fn a_request_without_a_context_is_limited_too() {
    struct Plain;
    impl CarryContext for Plain {}

    for layer in [TimeoutLayer::attempt(10 * MS), TimeoutLayer::total(10 * MS)] {
        let service = ServiceBuilder::new().layer(layer).service(service_fn(|_: Plain| pending::<Outcome>()));
        let start = now();
        assert!(service.oneshot(Plain).await.is_err());
        assert_eq!(now() - start, 10 * MS);
    }
    // And through the layers that put a context on and take it off.
    let service = ServiceBuilder::new()
        .layer(resilience_tower::CallLayer::new())
        .layer(TimeoutLayer::total(10 * MS))
        .layer(TransportLayer::new())
        .service(service_fn(|_: u8| pending::<Result<(), ()>>()));
    assert!(service.oneshot(1).await.is_err());
}
