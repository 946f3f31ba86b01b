//! The policies of each key around a service, on a paused clock.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    future::{Future, pending},
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{Arc, Mutex, OnceLock},
    task::{Context as TaskContext, Waker},
    time::{Duration, Instant},
};

use proptest::prelude::*;
use resilience_core::{
    AdaptiveLimit, Call, CircuitBreaker, Context, Deadline, Error, Event, FailureKind, Observer, Rejected,
    Throttle, Verdict, adaptive,
    circuit_breaker::{self, State, States},
    throttle,
};
use resilience_tower::{
    AdaptiveLayer, CircuitBreakerLayer, PerKeyLayer, ThrottleLayer,
    per_key::{ByKey, Key, Policies, Settings},
};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

type Outcome = Result<&'static str, Error<&'static str>>;

#[expect(clippy::disallowed_methods, reason = "the tests' own clock")]
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// A service that does what the request says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Do {
    Answer,
    Fail,
    Hang,
    Panic,
    PanicInCall,
    Refuse,
}

type Request = Call<(u32, Do)>;

fn obedient()
-> impl Service<Request, Response = &'static str, Error = Error<&'static str>, Future: Send> + Clone {
    service_fn(|call: Request| {
        let what = call.request().1;
        assert_ne!(what, Do::PanicInCall, "as told");
        async move {
            match what {
                Do::Answer => Ok("answer"),
                Do::Fail => Err(Error::inner("failed")),
                Do::Hang => pending::<Outcome>().await,
                Do::Panic => panic!("as told"),
                Do::PanicInCall => unreachable!("it panics in call"),
                Do::Refuse => Err(Rejected::BulkheadFull { limit: 1, in_flight: 1 }.into()),
            }
        }
    })
}

type First = fn(&Request) -> u32;
type Layer = PerKeyLayer<ByKey<u32, First>>;

fn first(call: &Request) -> u32 {
    call.request().0
}

fn layer_of(settings: Settings, capacity: usize) -> Layer {
    PerKeyLayer::with_capacity(settings, first as First, NonZeroUsize::new(capacity).unwrap(), 600 * SECOND)
}

/// Opens at the first failure and closes after one good probe.
fn touchy() -> circuit_breaker::Config {
    circuit_breaker::Config::new().time_window(None).consecutive_failures(1).probes(1)
}

fn breaker(layer: &Layer, key: u32) -> CircuitBreaker {
    layer.policies(&key).unwrap().circuit_breaker().unwrap().clone()
}

fn state(layer: &Layer, key: u32) -> State {
    breaker(layer, key).snapshot(now()).state
}

const fn is_refused(outcome: &Outcome) -> bool {
    matches!(outcome, Err(Error::Rejected { .. }))
}

async fn call<S>(service: &mut S, key: u32, what: Do) -> Outcome
where
    S: Service<Request, Response = &'static str, Error = Error<&'static str>>,
{
    service.ready().await?.call(Call::new((key, what))).await
}

#[tokio::test(start_paused = true)]
async fn trap_25_each_key_has_its_policies_and_the_table_is_bounded() {
    let layer = layer_of(Settings::new().circuit_breaker(touchy()), 8);
    let mut service = ServiceBuilder::new().layer(layer.clone()).service(obedient());

    assert!(call(&mut service, 0, Do::Fail).await.is_err());
    assert!(is_refused(&call(&mut service, 0, Do::Answer).await));
    assert_eq!(call(&mut service, 1, Do::Answer).await, Ok("answer"), "another key, another breaker");
    for key in 2..1000 {
        assert_eq!(call(&mut service, key, Do::Answer).await, Ok("answer"));
    }
    assert!(layer.table().len() <= 8);
    assert!(is_refused(&call(&mut service, 0, Do::Answer).await), "a flood of keys does not close it");
}

#[tokio::test(start_paused = true)]
async fn settings_change_while_state_is_kept() {
    let layer = layer_of(Settings::new().circuit_breaker(touchy()), 8);
    let mut service = ServiceBuilder::new().layer(layer.clone()).service(obedient());
    assert!(call(&mut service, 0, Do::Fail).await.is_err());

    let lenient = touchy().consecutive_failures(5);
    layer.reconfigure(
        Settings::new()
            .circuit_breaker(lenient.clone())
            .throttle(throttle::Config::new())
            .adaptive(|| adaptive::Config::default().initial(7)),
    );
    assert!(call(&mut service, 7, Do::Fail).await.is_err());
    assert_eq!(call(&mut service, 7, Do::Answer).await, Ok("answer"), "they hold for keys to come");
    let all = layer.table().entries();
    let configs = all.iter().map(|(_, policies)| policies.circuit_breaker().unwrap().config());
    assert!(configs.into_iter().all(|config| config == lenient), "and for those there are");
    assert_eq!(state(&layer, 0), State::Open, "which keep their state");
    let policies = layer.policies(&0).unwrap();
    assert_eq!(policies.adaptive().unwrap().snapshot().limit, 7, "and get what is new");
    assert!(policies.throttle().is_some());

    layer.reconfigure(Settings::new().throttle(throttle::Config::new()));
    assert_eq!(call(&mut service, 0, Do::Answer).await, Ok("answer"), "no breaker refuses any more");
    assert_eq!(layer.policies(&0).unwrap().throttle().unwrap().snapshot(now()).requests, 1);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_has_the_states_of_all_breakers_the_shared_one_too() {
    let layer = layer_of(Settings::new().throttle(throttle::Config::new()), 3);
    assert!(layer.policies(&0).is_some());
    assert_eq!((layer.snapshot().entries, layer.snapshot().breakers), (1, None));

    layer.reconfigure(Settings::new().circuit_breaker(touchy().open_for(SECOND, SECOND)));
    let states = || {
        let States { closed, half_open, open } = layer.snapshot().breakers.unwrap();
        [closed, half_open, open]
    };
    assert_eq!(states(), [1, 0, 0]);
    for key in 0..3 {
        breaker(&layer, key).force_open(now());
    }
    assert!(layer.policies(&3).is_none(), "there is no room");
    assert_eq!((layer.snapshot().entries, states()), (3, [1, 0, 3]));
    let mut service = ServiceBuilder::new().layer(layer.clone()).service(obedient());
    assert!(call(&mut service, 3, Do::Fail).await.is_err());
    assert_eq!(states(), [0, 0, 4]);
    tokio::time::advance(2 * SECOND).await;
    assert_eq!(states(), [0, 1, 3], "its wait is over");
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_made_while_the_settings_change_gets_the_new_ones() {
    let layer: Arc<OnceLock<Layer>> = Arc::default();
    let settings = Settings::new().circuit_breaker(touchy()).adaptive({
        let layer = Arc::clone(&layer);
        move || {
            // Between the look at the settings and the insertion.
            let layer = layer.get().unwrap();
            if layer.table().is_empty() {
                layer.reconfigure(Settings::new().circuit_breaker(touchy().probes(7)));
            }
            adaptive::Config::default()
        }
    });
    let layer = layer.get_or_init(|| layer_of(settings, 8));
    let made = layer.policies(&0).unwrap();
    assert_eq!(made.circuit_breaker().unwrap().config(), touchy().probes(7));
    assert!(made.adaptive().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_key_without_room_has_no_policies_of_its_own_and_is_reconfigured_too() {
    let layer = layer_of(Settings::new().circuit_breaker(touchy()), 1);
    assert!(breaker(&layer, 1).force_open(now()).is_some());
    assert!(layer.policies(&2).is_none());
    assert!(layer.policies(&1).is_some());

    layer.reconfigure(Settings::new().circuit_breaker(touchy().probes(7)));
    let shared = layer.table().overflow().unwrap();
    assert_eq!(shared.circuit_breaker().unwrap().config(), touchy().probes(7));
}

/// A service that goes on with the policies of its last call must notice that they are no longer those of the table.
#[tokio::test(start_paused = true)]
async fn a_service_does_not_stay_with_policies_that_were_given_up() {
    let layer = layer_of(Settings::new().circuit_breaker(touchy()), 1);
    let mut service = ServiceBuilder::new().layer(layer.clone()).service(obedient());
    assert!(call(&mut service, 0, Do::Answer).await.is_ok());
    assert!(layer.policies(&1).is_some(), "0 was as good as new and gives way");
    assert!(layer.policies(&0).is_some(), "a new one for 0");
    assert!(call(&mut service, 0, Do::Fail).await.is_err());
    assert_eq!(state(&layer, 0), State::Open);
}

/// Nor may the table forget what a service uses without asking it.
#[tokio::test(start_paused = true)]
async fn a_key_that_one_service_uses_all_the_time_is_not_idle() {
    let layer = layer_of(Settings::new().circuit_breaker(touchy().consecutive_failures(2)), 64);
    let mut service = ServiceBuilder::new().layer(layer.clone()).service(obedient());
    assert!(call(&mut service, 0, Do::Fail).await.is_err());
    for minute in 1..60 {
        tokio::time::advance(60 * SECOND).await;
        assert!(call(&mut service, 0, Do::Refuse).await.is_err());
        let _ = layer.policies(&(minute % 30 + 1));
    }
    assert!(call(&mut service, 0, Do::Fail).await.is_err());
    assert_eq!(state(&layer, 0), State::Open, "it was the same breaker for an hour");
}

#[tokio::test(start_paused = true)]
async fn a_key_can_be_lent_by_the_request() {
    #[derive(Clone, Copy)]
    struct Host;
    impl Key<Call<&'static str>> for Host {
        type Key = str;
        fn look<R>(&self, call: &Call<&'static str>, look: impl FnOnce(&str) -> R) -> R {
            look(call.request().split('/').next().unwrap())
        }
    }

    let layer = PerKeyLayer::new(Settings::new().circuit_breaker(touchy()), Host);
    let mut service =
        ServiceBuilder::new().layer(layer.clone()).service(service_fn(|call: Call<&'static str>| {
            let is_good = call.request().starts_with("good");
            async move { if is_good { Ok(()) } else { Err(Error::inner("down")) } }
        }));
    let mut call = async |path| service.ready().await.unwrap().call(Call::new(path)).await;
    assert_eq!(call("bad/a").await, Err(Error::inner("down")));
    assert!(matches!(call("bad/b").await, Err(Error::Rejected { .. })));
    assert_eq!(call("good/a").await, Ok(()));
    assert_eq!(layer.table().len(), 2);
    assert!(layer.policies("bad").unwrap().circuit_breaker().unwrap().reset().is_some());
    assert_eq!(call("bad/c").await, Err(Error::inner("down")));
}

/// What was told, in words.
#[derive(Debug, Default)]
struct Heard(Mutex<Vec<&'static str>>);

impl Observer for Heard {
    fn observe(&self, event: &Event) {
        self.0.lock().unwrap().push(match event {
            Event::CircuitBreakerTransition(_) => "transition",
            Event::CircuitBreakerRejected { .. } => "open",
            Event::Throttled { .. } => "throttled",
            Event::AdaptiveRejected { .. } => "overloaded",
            _ => "something else",
        });
    }
}

#[tokio::test(start_paused = true)]
async fn the_observer_is_told_of_transitions_and_refusals() {
    let heard = Arc::new(Heard::default());
    let settings = Settings::new()
        .circuit_breaker(touchy())
        .throttle(throttle::Config::new())
        .adaptive(|| adaptive::Config::default().bounds(1, 1).initial(1));
    let layer = layer_of(settings, 8).with_observer(Arc::clone(&heard));
    let mut service = ServiceBuilder::new().layer(layer.clone()).service(obedient());

    let mut hanging = pin!(service.ready().await.unwrap().call(Call::new((0, Do::Hang))));
    assert!(hanging.as_mut().poll(&mut TaskContext::from_waker(Waker::noop())).is_pending());
    let overloaded = call(&mut service, 0, Do::Answer).await;
    assert!(matches!(overloaded, Err(Error::Rejected { rejected: Rejected::Overloaded { .. }, .. })));
    assert!(call(&mut service, 1, Do::Fail).await.is_err());
    assert!(is_refused(&call(&mut service, 1, Do::Answer).await));
    assert_eq!(*heard.0.lock().unwrap(), ["overloaded", "transition", "open"]);

    layer.policies(&1).unwrap().circuit_breaker().unwrap().reset();
    let throttle = layer.policies(&1).unwrap().throttle().unwrap().clone();
    for permit in [(); 100].map(|()| throttle.try_acquire(now)).into_iter().flatten() {
        permit.finish(Verdict::Failure(FailureKind::PeerOverloaded), now);
    }
    let before = heard.0.lock().unwrap().len();
    for _ in 0..20 {
        let _ = call(&mut service, 1, Do::Answer).await;
    }
    assert!(heard.0.lock().unwrap()[before..].contains(&"throttled"));
}

#[tokio::test(start_paused = true)]
async fn beside_a_breaker_a_throttle_counts_only_overload() {
    let verdict_of = |kind| async move {
        let throttle = throttle::Config::new();
        let breaker = circuit_breaker::Config::new();
        let mut requests = [0; 2];
        let settings =
            [Settings::new().throttle(throttle), Settings::new().throttle(throttle).circuit_breaker(breaker)];
        for (settings, requests) in settings.into_iter().zip(&mut requests) {
            let layer =
                layer_of(settings, 8).classify(move |result: Result<&&'static str, &Error<&'static str>>| {
                    if result.is_ok() { Verdict::Success } else { Verdict::Failure(kind) }
                });
            let mut service = ServiceBuilder::new().layer(layer.clone()).service(obedient());
            assert!(call(&mut service, 0, Do::Fail).await.is_err());
            *requests = layer.policies(&0).unwrap().throttle().unwrap().snapshot(now()).requests;
        }
        requests
    };
    for kind in [FailureKind::Transient, FailureKind::Fault] {
        assert_eq!(verdict_of(kind).await, [1, 0], "{kind:?}");
    }
    for kind in
        [FailureKind::Timeout, FailureKind::Throttled, FailureKind::PeerOverloaded, FailureKind::Permanent]
    {
        assert_eq!(verdict_of(kind).await, [1, 1], "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttle_begins_anew_when_the_breaker_opens() {
    let settings =
        Settings::new().throttle(throttle::Config::new()).circuit_breaker(touchy().consecutive_failures(30));
    let layer = layer_of(settings, 8).classify(|result: Result<&&'static str, &Error<&'static str>>| {
        if result.is_ok() { Verdict::Success } else { Verdict::Failure(FailureKind::PeerOverloaded) }
    });
    let mut service = ServiceBuilder::new().layer(layer.clone()).service(obedient());
    let policies = layer.policies(&0).unwrap();
    let (breaker, throttle) = (policies.circuit_breaker().unwrap(), policies.throttle().unwrap());

    let mut calls = 0;
    while breaker.snapshot(now()).state == State::Closed {
        assert!(call(&mut service, 0, Do::Fail).await.is_err());
        calls += 1;
    }
    assert!(calls > 30, "the throttle has refused some");
    assert_eq!(throttle.snapshot(now()).requests, 0, "not even the one that opened it");
    tokio::time::advance(3 * SECOND).await;
    assert_eq!(call(&mut service, 0, Do::Answer).await, Ok("answer"), "the probe is not refused");
    assert_eq!(breaker.snapshot(now()).state, State::Closed);
}

#[tokio::test(start_paused = true)]
async fn what_the_limit_refuses_gives_back_the_slot_of_a_probe() {
    let settings = Settings::new()
        .circuit_breaker(touchy())
        .throttle(throttle::Config::new())
        .adaptive(|| adaptive::Config::default().bounds(1, 1).initial(1));
    let layer = layer_of(settings, 8);
    let mut service = ServiceBuilder::new().layer(layer.clone()).service(obedient());
    let policies = layer.policies(&0).unwrap();
    assert_eq!(call(&mut service, 0, Do::Fail).await, Err(Error::inner("failed")));
    assert_eq!(state(&layer, 0), State::Open);
    let permit = policies.adaptive().unwrap().try_acquire(adaptive::Priority::Default, now).unwrap();
    let wait = breaker(&layer, 0).snapshot(now()).retry_after.unwrap_or_default();
    tokio::time::advance(wait + MS).await;
    let refused = call(&mut service, 0, Do::Answer).await;
    assert!(
        matches!(refused, Err(Error::Rejected { rejected: Rejected::Overloaded { .. }, .. })),
        "{refused:?}"
    );
    drop(permit);
    assert_eq!(call(&mut service, 0, Do::Answer).await, Ok("answer"), "the only probe");
    assert_eq!(state(&layer, 0), State::Closed);
    assert_eq!(policies.throttle().unwrap().snapshot(now()).requests, 1);
}

/// All that shows of the policies.
type Seen = ((u64, u64), (State, u64, u64, u64), u32);

fn seen(throttle: &Throttle, breaker: &CircuitBreaker, limit: &AdaptiveLimit) -> Seen {
    let (throttle, breaker) = (throttle.snapshot(now()), breaker.snapshot(now()));
    let calls = (breaker.state, breaker.calls, breaker.failures, u64::from(breaker.consecutive_failures));
    ((throttle.requests, throttle.accepts), calls, limit.snapshot().in_flight)
}

fn seen_of(policies: &Policies) -> Seen {
    seen(policies.throttle().unwrap(), policies.circuit_breaker().unwrap(), policies.adaptive().unwrap())
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Call(Do),
    /// A call that is dropped after this time, of the time that its context gives it.
    Drop {
        after: u64,
        limit: Option<u64>,
        by_attempt: bool,
    },
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let what = prop_oneof![
        4 => Just(Do::Answer),
        4 => Just(Do::Fail),
        1 => Just(Do::Panic),
        1 => Just(Do::PanicInCall),
        1 => Just(Do::Refuse),
    ];
    prop_oneof![
        6 => what.prop_map(Step::Call),
        3 => (0..10_u64, prop::option::of(1..10_u64), any::<bool>())
            .prop_map(|(after, limit, by_attempt)| Step::Drop { after, limit, by_attempt }),
        // Long enough for the breaker to open, with its jitter, where all other steps together are not.
        1 => Just(Step::Pass(1200)),
    ]
}

/// Does the step with a service, and says whether it was refused.
async fn take<S>(service: &mut S, step: Step) -> bool
where
    S: Service<Request, Response = &'static str, Error = Error<&'static str>>,
{
    let waker = &mut TaskContext::from_waker(Waker::noop());
    match step {
        Step::Pass(_) => false,
        Step::Call(what) => {
            service.ready().await.unwrap();
            let polled =
                catch_unwind(AssertUnwindSafe(|| pin!(service.call(Call::new((0, what)))).poll(waker)));
            matches!(polled, Ok(std::task::Poll::Ready(Err(Error::Rejected { .. }))))
        }
        Step::Drop { after, limit, by_attempt } => {
            let mut context = Context::new();
            match limit.map(|limit| u32::try_from(limit).unwrap() * MS) {
                Some(limit) if by_attempt => context.limit_attempt(limit),
                Some(limit) => context.tighten(Deadline::after(now(), limit)),
                None => {}
            }
            service.ready().await.unwrap();
            let mut response = pin!(service.call(Call::with_context((0, Do::Hang), context)));
            let is_refused = response.as_mut().poll(waker).is_ready();
            // The two services live through the same time, one after the other.
            tokio::time::advance(u32::try_from(after).unwrap() * MS).await;
            is_refused
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    /// In one layer or in three, with a throttle that knows of the breaker: the policies see the same.
    #[test]
    fn they_see_what_three_layers_would_see(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (one, three) = (run(&runtime, &steps, true), run(&runtime, &steps, false));
        for (at, (one, three)) in one.iter().zip(&three).enumerate() {
            prop_assert_eq!(one, three, "after step {}", at);
        }
    }
}

/// What a throttle counts beside a breaker: no errors of [`Do::Fail`].
const fn overloads_only(result: Result<&&'static str, &Error<&'static str>>) -> Verdict {
    if result.is_ok() { Verdict::Success } else { Verdict::Ignored }
}

/// What a throttle does beside a breaker.
#[derive(Clone, Debug)]
struct ResetsOnOpening(Throttle);

impl Observer for ResetsOnOpening {
    fn observe(&self, event: &Event) {
        if matches!(event, Event::CircuitBreakerTransition(transition) if transition.to == State::Open) {
            self.0.reset();
        }
    }
}

/// What was seen after each step, in one layer or in three.
fn run(runtime: &tokio::runtime::Runtime, steps: &[Step], in_one: bool) -> Vec<(bool, Seen)> {
    // No chance: the throttle counts and does not refuse, and a breaker that is open stays so for about a second.
    let throttle = throttle::Config::new().max_requests(1_000_000).min_requests(1_000_000);
    let breaker = circuit_breaker::Config::new()
        .time_window(None)
        .consecutive_failures(3)
        .probes(1)
        .open_for(SECOND, SECOND);
    let limit = || adaptive::Config::default().initial(2);
    let mut all = Vec::new();
    runtime.block_on(async {
        if in_one {
            let settings = Settings::new().circuit_breaker(breaker).throttle(throttle).adaptive(limit);
            let layer = layer_of(settings, 8);
            // Made now, so that their windows begin at one time.
            let policies = layer.policies(&0).unwrap();
            let mut service = ServiceBuilder::new().layer(layer).service(obedient());
            for &step in steps {
                let is_refused = pass(step, take(&mut service, step)).await;
                all.push((is_refused, seen_of(&policies)));
            }
        } else {
            let throttle = ThrottleLayer::new(throttle).classify(overloads_only);
            let breaker =
                CircuitBreakerLayer::new(breaker).with_observer(ResetsOnOpening(throttle.throttle().clone()));
            let limit = AdaptiveLayer::new(limit());
            let layers =
                ServiceBuilder::new().layer(throttle.clone()).layer(breaker.clone()).layer(limit.clone());
            let mut service = layers.service(obedient());
            for &step in steps {
                let is_refused = pass(step, take(&mut service, step)).await;
                all.push((is_refused, seen(throttle.throttle(), breaker.breaker(), limit.limit())));
            }
        }
    });
    all
}

async fn pass(step: Step, taken: impl Future<Output = bool>) -> bool {
    if let Step::Pass(ms) = step {
        tokio::time::advance(Duration::from_millis(ms)).await;
    }
    taken.await
}
