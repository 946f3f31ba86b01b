//! Load shedding around a service that is not ready, on a paused clock.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    future::{Future, Ready, poll_fn, ready},
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use resilience_core::{Backoff, Call, Error, Event, Observer, Outcome, Refusal, Rejected, RetryPolicy};
use resilience_tower::{LoadShedLayer, RetryLayer};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, buffer::Buffer};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

type Failure = Error<&'static str>;

/// Ready or not, as the test says; wakes whoever waits when that changes.
#[derive(Clone, Default)]
struct Gate(Arc<Mutex<Inside>>);

#[derive(Default)]
struct Inside {
    is_open: bool,
    waker: Option<Waker>,
    polled: u32,
    called: u32,
}

impl Gate {
    fn open() -> Self {
        let gate = Self::default();
        gate.set(true);
        gate
    }

    fn set(&self, is_open: bool) {
        let mut inside = self.0.lock().unwrap();
        inside.is_open = is_open;
        if let (true, Some(waker)) = (is_open, inside.waker.take()) {
            waker.wake();
        }
    }

    fn polled(&self) -> u32 {
        self.0.lock().unwrap().polled
    }

    fn called(&self) -> u32 {
        self.0.lock().unwrap().called
    }
}

impl Service<Call<u32>> for Gate {
    type Response = u32;
    type Error = Failure;
    type Future = Ready<Result<u32, Failure>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        let mut inside = self.0.lock().unwrap();
        inside.polled += 1;
        if inside.is_open {
            return Poll::Ready(Ok(()));
        }
        inside.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn call(&mut self, call: Call<u32>) -> Self::Future {
        let mut inside = self.0.lock().unwrap();
        assert!(inside.is_open, "it was called although it was not ready");
        inside.called += 1;
        ready(Ok(*call.request()))
    }
}

/// Counts how often it is woken.
#[derive(Default)]
struct Woken(AtomicU32);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Woken {
    fn times(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }
}

async fn call<S>(service: &mut S) -> Result<u32, Failure>
where
    S: Service<Call<u32>, Response = u32, Error = Failure>,
{
    let ready = tokio::time::timeout(3600 * SECOND, service.ready()).await;
    ready.expect("it waits for ever")?.call(Call::new(7)).await
}

fn not_ready(waited: Duration) -> Result<u32, Failure> {
    Err(Rejected::NotReady { waited }.into())
}

fn now() -> tokio::time::Instant {
    #[expect(clippy::disallowed_methods, reason = "the tests' own clock")]
    tokio::time::Instant::now()
}

fn poll_ready<S: Service<Call<u32>>>(service: &mut S, waker: &Waker) -> Poll<Result<(), S::Error>> {
    service.poll_ready(&mut Context::from_waker(waker))
}

#[tokio::test(start_paused = true)]
async fn what_is_not_ready_is_refused_at_once_and_what_is_ready_is_called() {
    let gate = Gate::open();
    let mut service = LoadShedLayer::new().layer(gate.clone());
    assert_eq!(call(&mut service).await, Ok(7));
    gate.set(false);
    let start = now();
    assert_eq!(call(&mut service).await, not_ready(Duration::ZERO));
    assert_eq!((now(), gate.called()), (start, 1));
    gate.set(true);
    assert_eq!(call(&mut service).await, Ok(7));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_the_grace() {
    let gate = Gate::default();
    let mut service = LoadShedLayer::new().grace(50 * MS).layer(gate.clone());
    // Each call waits anew, with the same timer.
    for _ in 0..3 {
        let start = now();
        assert_eq!(call(&mut service).await, not_ready(50 * MS));
        assert_eq!(now() - start, 50 * MS);
    }
    assert_eq!(gate.called(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_is_ready_within_the_grace_is_called() {
    let gate = Gate::default();
    let mut service = LoadShedLayer::new().grace(50 * MS).layer(gate.clone());
    for _ in 0..3 {
        gate.set(false);
        let start = now();
        let opens = async {
            tokio::time::sleep(49 * MS).await;
            gate.set(true);
        };
        let (answer, ()) = tokio::join!(call(&mut service), opens);
        assert_eq!((answer, now() - start), (Ok(7), 49 * MS));
    }
}

#[tokio::test(start_paused = true)]
async fn the_latest_answer_of_the_inner_service_counts() {
    for grace in [Duration::ZERO, 50 * MS] {
        let gate = Gate::default();
        let mut service = LoadShedLayer::new().grace(grace).layer(gate.clone());
        service.ready().await.unwrap();
        gate.set(true);
        assert_eq!(call(&mut service).await, Ok(7), "it is ready after all");
        gate.set(false);
        service.ready().await.unwrap();
        let start = now();
        assert_eq!(call(&mut service).await, not_ready(grace), "asked once more, and still not");
        assert_eq!(now(), start, "without another wait");
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_stops_waiting_leaves_its_wait_to_the_next() {
    let gate = Gate::default();
    let mut service = LoadShedLayer::new().grace(50 * MS).layer(gate.clone());
    assert!(tokio::time::timeout(30 * MS, service.ready()).await.is_err());
    let start = now();
    assert_eq!(call(&mut service).await, not_ready(50 * MS));
    assert_eq!(now() - start, 20 * MS);
    assert!(tokio::time::timeout(30 * MS, service.ready()).await.is_err());
    // A clone has not waited.
    let start = now();
    assert_eq!(call(&mut service.clone()).await, not_ready(50 * MS));
    assert_eq!(now() - start, 50 * MS);
}

/// A caller that breaks the contract is refused, and the inner service does not have to suffer it.
#[tokio::test(start_paused = true)]
async fn a_service_that_was_not_readied_does_not_call_the_inner_one() {
    let gate = Gate::open();
    let mut service = LoadShedLayer::new().grace(50 * MS).layer(gate.clone());
    assert_eq!(service.call(Call::new(7)).await, not_ready(Duration::ZERO));
    service.ready().await.unwrap();
    assert_eq!(service.clone().call(Call::new(7)).await, not_ready(Duration::ZERO));
    assert_eq!(service.call(Call::new(7)).await, Ok(7));
    assert_eq!(service.call(Call::new(7)).await, not_ready(Duration::ZERO), "readiness is used up");
    gate.set(false);
    assert!(poll_ready(&mut service, Waker::noop()).is_pending());
    assert_eq!(service.call(Call::new(7)).await, not_ready(Duration::ZERO), "it was still pending");
    assert_eq!(gate.called(), 1);
}

#[tokio::test(start_paused = true)]
async fn trap_22_it_is_woken_by_the_inner_service_or_the_timer_and_does_not_spin() {
    let gate = Gate::default();
    let mut service = LoadShedLayer::new().grace(SECOND).layer(gate.clone());
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    assert!(poll_ready(&mut service, &waker).is_pending());
    tokio::time::advance(SECOND - MS).await;
    tokio::task::yield_now().await;
    assert_eq!((woken.times(), gate.polled()), (0, 1), "before the grace is over");
    tokio::time::advance(2 * MS).await;
    tokio::task::yield_now().await;
    assert_eq!((woken.times(), gate.polled()), (1, 1), "by the timer");
    assert!(poll_ready(&mut service, &waker).is_ready());
    drop(service.call(Call::new(7)));

    assert!(poll_ready(&mut service, &waker).is_pending());
    gate.set(true);
    assert_eq!(woken.times(), 2, "by the inner service");
    assert!(poll_ready(&mut service, &waker).is_ready());
    assert_eq!(service.call(Call::new(7)).await, Ok(7));
    tokio::time::advance(10 * SECOND).await;
    tokio::task::yield_now().await;
    assert_eq!(gate.polled(), 4, "once for each poll of ours");

    // Through an executor: as many polls as there are reasons.
    gate.set(false);
    let mut polls = 0;
    let ready = poll_fn(|cx| {
        polls += 1;
        service.poll_ready(cx)
    });
    assert_eq!(ready.await, Ok(()));
    assert_eq!(polls, 2);
}

#[tokio::test(start_paused = true)]
async fn trap_30_a_service_that_is_not_ready_does_not_poison_a_buffer() {
    let gate = Gate::default();
    let boxed = ServiceBuilder::new()
        .map_err(|error: Failure| resilience_core::BoxError::from(*error.rejected().unwrap()))
        .layer(LoadShedLayer::new().grace(10 * MS))
        .service(gate.clone());
    let mut buffer = Buffer::new(boxed, 4);
    for _ in 0..3 {
        let refused = buffer.ready().await.unwrap().call(Call::new(7)).await.unwrap_err();
        assert_eq!(refused.rejected(), Some(&Rejected::NotReady { waited: 10 * MS }));
    }
    gate.set(true);
    assert_eq!(buffer.ready().await.unwrap().call(Call::new(7)).await.unwrap(), 7);
}

/// A queue in front of a limit is what there is to shed.
#[tokio::test(start_paused = true)]
async fn a_crowd_at_a_limit_is_refused_and_its_permits_come_back() {
    let slow = tower::service_fn(|call: Call<u32>| async move {
        tokio::time::sleep(SECOND).await;
        Ok::<_, Failure>(*call.request())
    });
    let service = ServiceBuilder::new().layer(LoadShedLayer::new()).concurrency_limit(3).service(slow);
    for _ in 0..2 {
        let crowd: Vec<_> = (0..10).map(|_| tokio::spawn(service.clone().oneshot(Call::new(7)))).collect();
        let mut answered = 0;
        for caller in crowd {
            match caller.await.unwrap() {
                Ok(_) => answered += 1,
                refused => assert_eq!(refused, not_ready(Duration::ZERO)),
            }
        }
        assert_eq!(answered, 3);
    }
}

#[tokio::test(start_paused = true)]
async fn the_observer_is_told_of_every_refusal_and_of_nothing_else() {
    #[derive(Debug, Default)]
    struct Seen(Mutex<Vec<Event>>);
    impl Observer for Seen {
        fn observe(&self, event: &Event) {
            self.0.lock().unwrap().push(*event);
        }
    }

    let (gate, seen) = (Gate::open(), Arc::new(Seen::default()));
    let layer = LoadShedLayer::new().grace(10 * MS).with_observer(Arc::clone(&seen));
    let mut service = layer.layer(gate.clone());
    assert_eq!(call(&mut service).await, Ok(7));
    assert_eq!(*seen.0.lock().unwrap(), []);
    gate.set(false);
    service.ready().await.unwrap();
    assert_eq!(*seen.0.lock().unwrap(), [], "no call, no refusal");
    assert!(call(&mut service).await.is_err());
    assert_eq!(*seen.0.lock().unwrap(), [Event::LoadShed { waited: 10 * MS }]);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_not_retried() {
    let gate = Gate::default();
    let retry = RetryLayer::new(RetryPolicy::new().backoff(Backoff::constant(MS)));
    let seen = Arc::new(AtomicU32::new(0));
    let mut service = ServiceBuilder::new()
        .layer(retry)
        .map_request({
            let seen = Arc::clone(&seen);
            move |call: Call<u32>| {
                seen.fetch_add(1, Ordering::SeqCst);
                call
            }
        })
        .layer(LoadShedLayer::new())
        .service(gate);
    let refused = call(&mut service).await.unwrap_err();
    assert_eq!(refused.rejected().map(Rejected::outcome), Some(Outcome::Overloaded));
    assert_eq!(seen.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn the_longest_grace_is_a_long_one() {
    let mut service = LoadShedLayer::new().grace(Duration::MAX).layer(Gate::default());
    let mut waiting = pin!(service.ready());
    let cx = &mut Context::from_waker(Waker::noop());
    assert!(waiting.as_mut().poll(cx).is_pending());
    tokio::time::advance(3600 * SECOND).await;
    assert!(waiting.as_mut().poll(cx).is_pending());
}
