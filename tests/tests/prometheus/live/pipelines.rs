//! Pipelines that are well in good weather, and in bad weather each in a plight of its own.

use std::{
    convert::Infallible,
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use http::{Request, Response, StatusCode};
use metrics::Recorder;
use resilience_core::{
    Backoff, Bulkhead, Call, CircuitBreaker, Quota, RetryBudget, RetryPolicy, adaptive, bulkhead,
    circuit_breaker, keyed::Keyed, throttle,
};
use resilience_metrics::Telemetry;
use resilience_tower::{
    BulkheadLayer, CircuitBreakerLayer, FallbackLayer, LoadShedLayer, RateLimitLayer, RetryLayer,
    ThrottleLayer,
    http::ClassifyStatus,
    stack::{ClientLayer, ClientSettings, ServerLayer, ServerSettings},
};
use tests::time::now;
use tokio::time::sleep;
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};

use super::{
    payouts::payouts,
    traffic::{Answer, MS, Weather, answer, calls, down, impatient_calls},
};

const OK: StatusCode = StatusCode::OK;

/// Opens them, and has them called from now on.
pub(super) fn open(recorder: &Arc<dyn Recorder + Send + Sync>, weather: &Weather) -> Vec<Telemetry> {
    let open: [fn(Telemetry, &Weather) -> Telemetry; 9] =
        [payments, search, inventory, reports, mail, feed, api, payouts, healthy];
    let names = super::OUTAGES.map(|(name, _)| name);
    let telemetry = |name| {
        let telemetry = Telemetry::new(name).with_recorder(Arc::clone(recorder));
        telemetry.verbose(true).one_hot(true).operations(["read"])
    };
    names.into_iter().zip(open).map(|(name, open)| open(telemetry(name), weather)).collect()
}

fn quickly() -> RetryPolicy {
    RetryPolicy::new().backoff(Backoff::constant(5 * MS))
}

/// The client's preset: the dependency is down, and so is, half of the time, what is to stand in for it. Probes of the breaker fail, and
/// the budget pays for no second attempt.
fn payments(telemetry: Telemetry, weather: &Weather) -> Telemetry {
    let breaker = circuit_breaker::Config::new().open_for(300 * MS, 600 * MS);
    let settings = ClientSettings::new()
        .total_timeout(1000 * MS)
        .attempt_timeout(500 * MS)
        .retry(quickly())
        .retry_budget(RetryBudget::success_paid().capacity(30))
        .circuit_breaker(breaker)
        .bulkhead(bulkhead::Config::new(1000));
    let client = ClientLayer::new("payments", &settings).unwrap();
    let handle = client.handle().clone();
    let read = handle.clone();
    let observer = telemetry.client(move || read.snapshot(), handle.bulkhead(), handle.rate_limiter());
    let client = client.classify(ClassifyStatus).with_observer(observer);
    let client = client.attempt(telemetry.attempt_layer(ClassifyStatus)).calls();

    let asked = Arc::new(AtomicU32::new(0));
    let stand_in = move |failed: Answer| {
        if asked.fetch_add(1, Ordering::Relaxed) % 2 == 0 { answer(OK) } else { failed }
    };
    let fallback = FallbackLayer::function(stand_in).classify(ClassifyStatus);
    let (count, bad) = (Arc::new(AtomicU32::new(1)), weather.clone());
    let dependency = service_fn(move |number: u32| {
        // Some fail in good weather too, and their retries do not.
        let fails = bad.is_bad() || count.fetch_add(1, Ordering::Relaxed) % 50 == 0;
        let hangs = fails && number % 3 == 0;
        async move {
            sleep(if hangs { 5000 * MS } else { 5 * MS }).await;
            if fails { Err("down") } else { Ok(Response::new("")) }
        }
    });
    let service = ServiceBuilder::new()
        .layer(telemetry.operation_layer(ClassifyStatus))
        .layer(fallback.with_observer(telemetry.fallback("fallback")))
        .layer(client)
        .service(dependency);
    calls(service, 20 * MS, || 1);
    telemetry
}

fn declared(_: &Call<u32>) -> &str {
    "read"
}

fn not_declared(_: &Call<u32>) -> &str {
    "something else"
}

/// What is behind `search` and `inventory`: each first attempt fails, in bad weather.
async fn second_attempts_only(call: Call<u32>, weather: Weather) -> Answer {
    sleep(MS).await;
    if weather.is_bad() && call.context().attempt() == 1 { down() } else { answer(OK) }
}

/// Retries without a budget.
fn search(telemetry: Telemetry, weather: &Weather) -> Telemetry {
    let bad = weather.clone();
    let retry = RetryLayer::new(quickly()).without_budget().classify(ClassifyStatus);
    let service = ServiceBuilder::new()
        .layer(telemetry.operation_layer(ClassifyStatus).named(declared))
        .layer(retry.with_observer(telemetry.retry("retry", None)))
        .layer(telemetry.attempt_layer(ClassifyStatus))
        .service(service_fn(move |call| second_attempts_only(call, bad.clone())));
    calls(service, 20 * MS, || 1);
    telemetry
}

/// Retries with a budget that is soon used up.
fn inventory(telemetry: Telemetry, weather: &Weather) -> Telemetry {
    let bad = weather.clone();
    let budget = RetryBudget::from(RetryBudget::success_paid().capacity(30));
    let observer = telemetry.retry("retry", Some(&budget));
    let retry = RetryLayer::new(quickly()).with_budget(budget).classify(ClassifyStatus);
    let service = ServiceBuilder::new()
        .layer(telemetry.operation_layer(ClassifyStatus).named(not_declared))
        .layer(retry.with_observer(observer))
        .layer(telemetry.attempt_layer(ClassifyStatus))
        .service(service_fn(move |call| second_attempts_only(call, bad.clone())));
    calls(service, 20 * MS, || 1);
    telemetry
}

/// Calls that take a second, and a bulkhead for four of them.
fn reports(telemetry: Telemetry, weather: &Weather) -> Telemetry {
    let bad = weather.clone();
    let bulkhead = Bulkhead::new(bulkhead::Config::new(4).max_wait(400 * MS).max_queue(8));
    let observer = telemetry.bulkhead("bulkhead", &bulkhead);
    let service = ServiceBuilder::new()
        .layer(telemetry.operation_layer(ClassifyStatus))
        .layer(BulkheadLayer::with_bulkhead(bulkhead).with_observer(observer))
        .service(service_fn(move |_: Call<u32>| {
            let takes = if bad.is_bad() { 1000 * MS } else { 2 * MS };
            async move {
                sleep(takes).await;
                answer(OK)
            }
        }));
    calls(service, 30 * MS, || 1);
    telemetry
}

/// A dependency that fails for moments: its breaker opens for each, and closes again.
fn mail(telemetry: Telemetry, weather: &Weather) -> Telemetry {
    let (bad, began) = (weather.clone(), now());
    let config =
        circuit_breaker::Config::new().consecutive_failures(3).open_for(100 * MS, 100 * MS).probes(1);
    let config = config.slow_calls(20 * MS, 1.0);
    let breaker = CircuitBreaker::new(config, now());
    let observer = telemetry.circuit_breaker("circuit_breaker", &breaker);
    let breaker = CircuitBreakerLayer::with_breaker(breaker).classify(ClassifyStatus);
    let service = ServiceBuilder::new()
        .layer(telemetry.operation_layer(ClassifyStatus))
        .layer(breaker.with_observer(observer))
        .service(service_fn(move |call: Call<u32>| {
            let moment = (now() - began).as_millis() % 1300 < 160;
            let (fails, is_slow) = (bad.is_bad() && moment, bad.is_bad() && call.request() % 10 == 0);
            async move {
                sleep(if is_slow { 40 * MS } else { Duration::ZERO }).await;
                if fails { down() } else { answer(OK) }
            }
        }));
    calls(service, 10 * MS, || 1);
    telemetry
}

/// More calls than limits let through, of which most fail.
fn feed(telemetry: Telemetry, weather: &Weather) -> Telemetry {
    let bad = weather.clone();
    let rate_limit = RateLimitLayer::new(Quota::per_second(20).burst(5)).max_wait(200 * MS);
    let throttle = ThrottleLayer::new(throttle::Config::new().window(2000 * MS)).classify(ClassifyStatus);
    let of_rate_limit = telemetry.rate_limit("rate_limit", rate_limit.limiter());
    let of_throttle = telemetry.throttle("throttle", throttle.throttle());
    // Who waits for the rate limit is in its future, and in the service that the load shedder looks at.
    let rate_limit = rate_limit.with_observer(of_rate_limit).cost(|_: &Call<u32>| 1);
    let service = ServiceBuilder::new()
        .layer(telemetry.operation_layer(ClassifyStatus))
        .layer(LoadShedLayer::new().with_observer(telemetry.load_shed("load_shed")))
        .concurrency_limit(6)
        .layer(rate_limit)
        .layer(throttle.with_observer(of_throttle))
        .service(service_fn(move |call: Call<u32>| {
            let fails = bad.is_bad() && call.request() % 8 != 0;
            async move {
                sleep(if fails { 150 * MS } else { 2 * MS }).await;
                if fails { down() } else { answer(OK) }
            }
        }));
    let bad = weather.clone();
    calls(service, 100 * MS, move || if bad.is_bad() { 20 } else { 1 });
    telemetry
}

/// A server that in bad weather is slow, so that it takes too few calls, then drains; it is back afterwards.
fn api(telemetry: Telemetry, weather: &Weather) -> Telemetry {
    /// So many are called before it drains.
    const SLOW: u32 = 100;

    let adaptive = adaptive::Config::default().initial(8).bounds(8, 8);
    let server = ServerLayer::new("api", &ServerSettings::new().adaptive(adaptive)).unwrap();
    let handle = server.handle().clone();
    let observer = telemetry.server(handle.drains(), handle.adaptive(), handle.bulkhead());
    let server = server.with_observer(observer).operation(telemetry.operation_layer(ClassifyStatus));
    let bad = weather.clone();
    let server = server.layer(service_fn(move |_: Request<()>| {
        let takes = if bad.is_bad() { 2000 * MS } else { 5 * MS };
        async move {
            sleep(takes).await;
            Ok::<_, Infallible>(Response::new(String::new()))
        }
    }));
    let (bad, calls_in_it) = (weather.clone(), Arc::new(AtomicU32::new(0)));
    let service = service_fn(move |_: Call<u32>| {
        let drains = handle.drains();
        match bad.is_bad() {
            true if calls_in_it.fetch_add(1, Ordering::Relaxed) == SLOW => drop(drains.begin()),
            false if drains.is_draining() => drains.resume(),
            _ => {}
        }
        server.clone().oneshot(Request::new(()))
    });
    calls(service, 20 * MS, || 1);
    telemetry
}

/// Callers who leave and callers who ask for what is not there, a limit in shadow mode, a breaker that is turned off, a table that is
/// too small: nothing of it is an error.
fn healthy(telemetry: Telemetry, _: &Weather) -> Telemetry {
    let breaker = CircuitBreaker::new(circuit_breaker::Config::new(), now());
    breaker.disable(now());
    let observer = telemetry.circuit_breaker("circuit_breaker", &breaker);
    let breaker = CircuitBreakerLayer::with_breaker(breaker).classify(ClassifyStatus);
    let shadow = RateLimitLayer::new(Quota::per_second(5)).shadow();
    let of_shadow = telemetry.rate_limit("rate_limit", shadow.limiter());
    let tenants = Arc::new(Keyed::<u32, CircuitBreaker>::new(NonZeroUsize::MIN, Duration::from_secs(1)));
    let shown = Arc::clone(&tenants);
    telemetry.keyed("tenants", move || shown.snapshot());
    let service = ServiceBuilder::new()
        .layer(telemetry.operation_layer(ClassifyStatus))
        .layer(shadow.with_observer(of_shadow))
        .layer(breaker.with_observer(observer))
        .service(service_fn(move |call: Call<u32>| {
            let number = *call.request();
            let _ = tenants.get_or_insert_with(number, now(), || {
                CircuitBreaker::new(circuit_breaker::Config::new(), now())
            });
            async move {
                sleep(if number % 3 == 0 { 1000 * MS } else { MS }).await;
                answer(if number % 3 == 1 { StatusCode::NOT_FOUND } else { OK })
            }
        }));
    let patience = |number| if number % 3 == 0 { 10 * MS } else { 1000 * MS };
    impatient_calls(service, 20 * MS, || 1, patience);
    telemetry
}
