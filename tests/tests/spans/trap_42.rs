//! What must not get out of a request: its URL, headers, key, tenant and body, and the text of the error that it met.

use std::{
    convert::Infallible,
    error, fmt,
    future::{Future, pending},
    num::NonZeroUsize,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, request::Parts};
use http_body_util::Full;
use resilience_core::{
    Backoff, Call, Error, Event, Observer, Quota, Refusal, RetryBudget, RetryPolicy, adaptive,
    adaptive::Priority, bulkhead, circuit_breaker, idempotency::memory::Config, keyed::Keyed, retry::GaveUp,
    throttle,
};
use resilience_metrics::{Attempt, Telemetry, span::AttemptSpan};
use resilience_tower::{
    AdaptiveLayer, BulkheadLayer, CircuitBreakerLayer, DrainLayer, FallbackLayer, LoadShedLayer, PerKeyLayer,
    RateLimitLayer, RetryLayer, ThrottleLayer, TimeoutLayer,
    bulkhead::BulkheadByRequestLayer,
    http::{ClassifyStatus, rate_limit::HeaderKey},
    idempotency::{
        Guard, IdempotencyLayer, Settings,
        http::{Http, IdempotentBody},
        memory_store,
    },
    per_key,
    rate_limit::KeyedRateLimitLayer,
    reqwest::{ClassifyReqwest, Client},
    retry::KeyedBudgets,
    stack::{ClientLayer, ClientSettings, Destination, ServerLayer, ServerSettings},
};
use tests::{recorded::Recorded, time, traced::Traced};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tracing::level_filters::LevelFilter;

use super::{MS, SECOND};

/// A part of everything that must not get out.
const CANARY: &str = "canary";
const TENANT: HeaderName = HeaderName::from_static("x-tenant");

type Requested = Call<Request<String>>;
type Answer = Result<Response<String>, Error<Leaky>>;
/// What is inside of every policy: spans and metrics around the inner service.
type Attempts = AttemptSpan<Attempt<Inner, ClassifyStatus>, ClassifyStatus>;

/// An error whose text, `Debug` and source say all about the request.
#[derive(Debug)]
struct Leaky(String);

impl fmt::Display for Leaky {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{CANARY}: {}", self.0)
    }
}

impl error::Error for Leaky {}

/// Does what the body of the request says.
#[derive(Clone, Debug)]
struct Inner;

struct Doing(Pin<Box<dyn Future<Output = Answer> + Send>>);

impl Service<Requested> for Inner {
    type Response = Response<String>;
    type Error = Error<Leaky>;
    type Future = Doing;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Requested) -> Doing {
        Doing(Box::pin(answer(call.into_parts().0)))
    }
}

impl Future for Doing {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        self.0.as_mut().poll(cx)
    }
}

async fn answer(request: Request<String>) -> Answer {
    match request.body().rsplit('-').next() {
        Some("hang") => pending().await,
        Some("fail") => Err(Error::inner(Leaky(format!("{request:?}")))),
        Some("bad") => {
            let mut bad = Response::new(CANARY.to_owned());
            *bad.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            bad.headers_mut().insert(TENANT, HeaderValue::from_static(CANARY));
            Ok(bad)
        }
        _ => Ok(Response::new(CANARY.to_owned())),
    }
}

fn request(what: &str) -> Request<String> {
    let mut request = Request::get("http://canary:canary@canary.example/canary?canary=canary#canary");
    for name in ["authorization", "cookie", "idempotency-key", "x-canary", TENANT.as_str()] {
        request = request.header(name, CANARY);
    }
    request.body(format!("{CANARY}-{what}")).unwrap()
}

/// The key of a request, as tables by key have it.
fn key(call: &Requested) -> String {
    let Parts { headers, uri, .. } = call.request().clone().into_parts().0;
    format!("{:?} {uri}", headers[TENANT])
}

/// All that has got out.
#[derive(Debug)]
struct Out {
    recorded: Recorded,
    traced: Traced,
    texts: Vec<String>,
}

impl Out {
    fn start() -> Self {
        Self { recorded: Recorded::start(), traced: Traced::start(LevelFilter::TRACE), texts: Vec::new() }
    }

    /// What `Debug` shows of a part of ours.
    fn debug(&mut self, part: &impl fmt::Debug) {
        self.texts.push(format!("{part:?} {part:#?}"));
    }

    /// What an error of ours says. The error of the wrapped service is the caller's, so `Debug` shows that too.
    fn error<E: fmt::Debug>(&mut self, error: &Error<E>)
    where
        Error<E>: fmt::Display,
    {
        self.texts.push(error.to_string());
        if error.rejected().is_some() {
            self.debug(error);
        }
    }

    /// Everything, once something is there of each kind.
    fn all(mut self, policy: &str) -> String {
        let readings = self.recorded.take();
        assert!(!readings.counters.is_empty() && !readings.samples.is_empty(), "{policy}: no metrics");
        let (spans, events) = (self.traced.spans(), self.traced.events());
        assert!(spans.iter().any(|span| span.name == "resilience.operation"), "{policy}: no span");
        assert!(events.iter().any(|event| event.target == "resilience"), "{policy}: no line of the log");
        self.texts.push(format!("{readings:?} {spans:?} {events:?}"));
        self.texts.concat().to_lowercase()
    }

    fn check(self, policy: &str) {
        let all = self.all(policy);
        if let Some(place) = all.find(CANARY) {
            let from = place.saturating_sub(200);
            panic!("{policy}: {}", &all[from..all.len().min(place + 200)]);
        }
    }
}

/// Good and bad calls, and some that wait for each other.
async fn drive<S, Req>(service: &S, out: &mut Out, make: impl Fn(&str) -> Req)
where
    S: Service<Req, Error = Error<Leaky>, Future: fmt::Debug> + Clone + fmt::Debug,
{
    for _ in 0..4 {
        // Holds what a call may hold while others come.
        let mut held = service.clone();
        let Ok(Ok(_)) = tokio::time::timeout(10 * MS, held.ready()).await else { continue };
        let mut holding = Box::pin(held.call(make("hang")));
        let _ = tokio::time::timeout(MS, holding.as_mut()).await;
        for what in ["ok", "fail", "bad", "fail", "hang", "fail"] {
            let mut service = service.clone();
            let Ok(readied) = tokio::time::timeout(10 * MS, service.ready()).await else { continue };
            let mut future = Box::pin(readied.unwrap().call(make(what)));
            out.debug(&future);
            if let Ok(Err(error)) = tokio::time::timeout(3 * SECOND, future.as_mut()).await {
                out.error(&error);
            }
            out.debug(&future);
        }
        out.debug(&holding);
        out.debug(&held);
    }
}

/// One policy under metrics, spans and a log.
async fn check<L>(policy: &str, make: impl FnOnce(&Telemetry) -> L)
where
    L: Layer<Attempts> + fmt::Debug,
    L::Service: Service<Requested, Response = Response<String>, Error = Error<Leaky>, Future: fmt::Debug>
        + Clone
        + fmt::Debug,
{
    let mut out = Out::start();
    let telemetry = Telemetry::new("pay");
    let (operation, attempt) = telemetry.spans(ClassifyStatus).layers_with_metrics();
    let layer = make(&telemetry);
    out.debug(&layer);
    out.debug(&operation);
    out.debug(&attempt);
    let service = operation.layer(layer.layer(attempt.layer(Inner)));
    drive(&service, &mut out, |what| Call::new(request(what))).await;
    telemetry.publish();
    out.debug(&telemetry);
    out.debug(&telemetry.logs());
    out.check(policy);
}

fn breaker() -> circuit_breaker::Config {
    circuit_breaker::Config::new().time_window(None).consecutive_failures(2)
}

fn policy() -> RetryPolicy {
    RetryPolicy::new().backoff(Backoff::none())
}

#[tokio::test(start_paused = true)]
async fn trap_42_nothing_of_a_request_gets_out_of_what_ends_or_repeats_calls() {
    check("total timeout", |telemetry| {
        TimeoutLayer::total(SECOND).with_observer((telemetry.timeout("timeout"), telemetry.logs()))
    })
    .await;
    check("attempt timeout", |telemetry| {
        TimeoutLayer::attempt(SECOND).with_observer((telemetry.timeout("timeout"), telemetry.logs()))
    })
    .await;
    check("retry", |telemetry| {
        let layer = RetryLayer::new(policy()).classify(ClassifyStatus).with_budget(RetryBudget::new());
        let metrics = telemetry.retry("retry", layer.budget());
        layer.with_observer((metrics, telemetry.logs()))
    })
    .await;
    check("retry with budgets by key", |telemetry| {
        RetryLayer::new(policy())
            .classify(ClassifyStatus)
            .with_keyed_budgets(KeyedBudgets::new(RetryBudget::new, key))
            .with_observer((telemetry.retry("retry", None), telemetry.logs()))
    })
    .await;
    check("fallback", |telemetry| {
        FallbackLayer::function(|failed: Answer| failed)
            .classify(ClassifyStatus)
            .with_observer((telemetry.fallback("fallback"), telemetry.logs()))
    })
    .await;
    check("fallback service", |telemetry| {
        FallbackLayer::service(Inner)
            .classify(ClassifyStatus)
            .with_observer((telemetry.fallback("fallback"), telemetry.logs()))
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn trap_42_nothing_of_a_request_gets_out_of_what_judges_the_dependency() {
    check("circuit breaker", |telemetry| {
        let layer = CircuitBreakerLayer::new(breaker()).classify(ClassifyStatus);
        let metrics = telemetry.circuit_breaker("circuit_breaker", layer.breaker());
        layer.with_observer((metrics, telemetry.logs()))
    })
    .await;
    check("throttle", |telemetry| {
        let layer = ThrottleLayer::new(throttle::Config::new()).classify(ClassifyStatus);
        let metrics = telemetry.throttle("throttle", layer.throttle());
        layer.with_observer((metrics, telemetry.logs()))
    })
    .await;
    check("by key", |telemetry| {
        let settings = per_key::Settings::new()
            .circuit_breaker(breaker())
            .throttle(throttle::Config::new())
            .adaptive(adaptive::Config::default);
        let layer = PerKeyLayer::new(settings, key).classify(ClassifyStatus);
        let shown = layer.clone();
        let metrics = telemetry.per_key("destinations", move || shown.snapshot());
        layer.with_observer((metrics, telemetry.logs()))
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn trap_42_nothing_of_a_request_gets_out_of_what_limits_calls() {
    check("bulkhead", |telemetry| {
        let layer = BulkheadLayer::new(bulkhead::Config::new(1));
        let metrics = telemetry.bulkhead("bulkhead", layer.bulkhead());
        layer.with_observer((metrics, telemetry.logs()))
    })
    .await;
    check("bulkhead by key", |telemetry| {
        BulkheadByRequestLayer::keyed(bulkhead::Config::new(1), key).with_observer(telemetry.logs())
    })
    .await;
    check("rate limit", |telemetry| {
        let layer = RateLimitLayer::new(Quota::per_hour(2));
        let metrics = telemetry.rate_limit("rate_limit", layer.limiter());
        layer.with_observer((metrics, telemetry.logs()))
    })
    .await;
    check("rate limit by key", |telemetry| {
        let table = Arc::new(Keyed::new(NonZeroUsize::MIN, Duration::from_secs(600)));
        let breaker = || resilience_core::CircuitBreaker::new(breaker(), time::now());
        table.get_or_insert_with(CANARY.to_owned(), time::now(), breaker);
        telemetry.keyed("clients", move || table.snapshot());
        KeyedRateLimitLayer::new(key, Quota::per_hour(2))
            .with_observer((telemetry.rate_limit("rate_limit", None), telemetry.logs()))
    })
    .await;
    check("adaptive limit", |telemetry| {
        let config = adaptive::Config::default().initial(1).bounds(1, 1);
        let priority: fn(&Requested) -> Priority = |_| Priority::Default;
        let layer = AdaptiveLayer::new(config).classify(ClassifyStatus).priority(priority).fair_share(key);
        let metrics = telemetry.adaptive("adaptive", layer.limit());
        layer.with_observer((metrics, telemetry.logs()))
    })
    .await;
    check("drain", |telemetry| {
        let layer = DrainLayer::new();
        let _ = layer.drain().begin();
        let metrics = telemetry.drain("drain", layer.drain());
        layer.with_observer((metrics, telemetry.logs()))
    })
    .await;
}

/// It refuses what the service inside is not ready for.
#[tokio::test(start_paused = true)]
async fn trap_42_nothing_of_a_request_gets_out_of_load_shedding() {
    let mut out = Out::start();
    let telemetry = Telemetry::new("pay");
    let layer = LoadShedLayer::new().with_observer((telemetry.load_shed("load_shed"), telemetry.logs()));
    out.debug(&layer);
    let (operation, attempt) = telemetry.spans(ClassifyStatus).layers_with_metrics();
    let limited = tower::limit::ConcurrencyLimit::new(attempt.layer(Inner), 1);
    let service = operation.layer(layer.layer(limited));
    drive(&service, &mut out, |what| Call::new(request(what))).await;
    out.check("load shed");
}

#[tokio::test(start_paused = true)]
async fn trap_42_nothing_of_a_request_gets_out_of_a_clients_stack() {
    let mut out = Out::start();
    let telemetry = Telemetry::new("pay");
    let settings = ClientSettings::new()
        .retry(policy())
        .circuit_breaker(breaker())
        .bulkhead(bulkhead::Config::new(1))
        .rate_limit(Quota::per_hour(9))
        .rate_limit_wait(Duration::ZERO);
    let layer = ClientLayer::new("pay", &settings).unwrap().per(Destination).classify(ClassifyStatus);
    let handle = layer.handle().clone();
    let shown = handle.clone();
    let metrics = telemetry.client(move || shown.snapshot(), handle.bulkhead(), handle.rate_limiter());
    let layer = layer
        .with_observer((metrics, telemetry.logs()))
        .slots(telemetry.spans(ClassifyStatus).layers_with_metrics());
    out.debug(&layer);
    out.debug(&handle);
    let client =
        layer.layer(service_fn(async |request| answer(request).await.map_err(|e| e.into_inner().unwrap())));
    drive_opaque(&client, &mut out).await;
    telemetry.publish();
    out.check("client's stack");
}

/// Functions show nothing of themselves, so neither do services around them.
async fn drive_opaque<S>(service: &S, out: &mut Out)
where
    S: Service<Request<String>, Error = Error<Leaky>> + Clone,
{
    for _ in 0..4 {
        for what in ["ok", "fail", "bad", "fail", "hang", "fail"] {
            let call = service.clone().oneshot(request(what));
            if let Ok(Err(error)) = tokio::time::timeout(3 * SECOND, call).await {
                out.error(&error);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn trap_42_nothing_of_a_request_gets_out_of_a_servers_stack() {
    let mut out = Out::start();
    let telemetry = Telemetry::new("api");
    let settings = ServerSettings::new().total_timeout(SECOND).rate_limit(Quota::per_hour(4));
    let keys = HeaderKey::new(TENANT);
    let layer = ServerLayer::new("api", &settings)
        .unwrap()
        .per(move |call: &Requested| keys.of(call.request().headers()));
    let handle = layer.handle().clone();
    let metrics = telemetry.server(handle.drains(), handle.adaptive(), handle.bulkhead());
    let operation = telemetry.spans(ClassifyStatus).operation_layer_with_metrics();
    let layer = layer.with_observer((metrics, telemetry.logs())).operation(operation);
    out.debug(&layer);
    out.debug(&handle);
    let server = layer.layer(service_fn(async |request| {
        let answered = answer(request).await;
        Ok::<_, Infallible>(answered.unwrap_or_else(|_| Response::new(CANARY.to_owned())))
    }));
    for what in ["ok", "hang", "bad", "ok", "ok", "ok"] {
        assert!(server.clone().oneshot(request(what)).await.is_ok());
    }
    out.check("server's stack");
}

/// The key above all.
#[tokio::test(start_paused = true)]
async fn trap_42_nothing_of_a_request_gets_out_of_idempotency_keys() {
    let mut out = Out::start();
    let telemetry = Telemetry::new("api");
    let guard = Guard::with_observer(
        memory_store(Config::new()),
        Settings::new(),
        (telemetry.idempotency("idempotency"), telemetry.logs()),
    );
    let store = guard.store().clone();
    telemetry.idempotency_store("idempotency", move || store.snapshot());
    let layer = IdempotencyLayer::new(guard.clone(), Http::single_tenant());
    out.debug(&guard);
    out.debug(&layer);
    let service = layer.layer(service_fn(async |_: Request<IdempotentBody<Full<Bytes>>>| {
        Ok::<_, Error<Leaky>>(Response::new(Full::new(Bytes::from_static(CANARY.as_bytes()))))
    }));
    // The second is answered with what the first was, the third has another body.
    for body in ["canary", "canary", "another canary"] {
        let mut request = request(body).map(Full::from);
        *request.method_mut() = http::Method::POST;
        let mut future = Box::pin(service.clone().oneshot(request));
        assert!(tokio::time::timeout(SECOND, future.as_mut()).await.is_ok());
    }
    for ending in resilience_core::idempotency::Ending::ALL {
        telemetry.logs().observe(&Event::Idempotency(ending));
    }
    let readings = out.recorded.take();
    assert_eq!(readings.counted("resilience_idempotency_requests_total").len(), 3);
    let all = format!("{:?} {:?} {readings:?}", out.texts, out.traced.events()).to_lowercase();
    assert!(!all.contains(CANARY), "{all}");
    assert!(!out.traced.events().is_empty());
}

/// `reqwest` puts the URL into its errors.
#[tokio::test]
async fn trap_42_nothing_of_a_request_gets_out_of_a_guarded_client() {
    let mut out = Out::start();
    let telemetry = Telemetry::new("pay");
    let settings = ClientSettings::new().retry(policy());
    let layer = ClientLayer::new("pay", &settings).unwrap().per(Destination).classify(ClassifyReqwest);
    let shown = layer.handle().clone();
    let metrics = telemetry.client(move || shown.snapshot(), None, None);
    let layer = layer
        .with_observer((metrics, telemetry.logs()))
        .slots(telemetry.spans(ClassifyReqwest).layers_with_metrics());
    let client = Client::with_layer(layer, reqwest::Client::builder().no_proxy().build().unwrap());
    out.debug(&client);
    // Nobody listens on the first port.
    let request = client.get("http://canary:canary@127.0.0.1:1/canary?canary=canary").header(TENANT, CANARY);
    let error = request.send().await.unwrap_err();
    out.error(&error);
    // Of what is wrapped it is all ours: the URL has been taken off.
    out.debug(&error);
    assert_eq!(error.gave_up().map(|GaveUp { attempts, .. }| attempts), Some(3));
    out.check("guarded client");
}

/// The test finds what it is to find.
#[tokio::test(start_paused = true)]
async fn a_leak_is_found() {
    let mut out = Out::start();
    let telemetry = Telemetry::new("pay");
    let (operation, attempt) = telemetry
        .spans(ClassifyStatus)
        .record_error_text(|error: &Error<Leaky>| format!("{error:?}"))
        .layers();
    let retry = RetryLayer::new(policy()).classify(ClassifyStatus);
    let metrics = telemetry.operation_layer(ClassifyStatus);
    let service = ServiceBuilder::new()
        .layer(operation)
        .layer(metrics)
        .layer(retry.with_observer(telemetry.logs()))
        .layer(attempt)
        .service(Inner);
    drive(&service, &mut out, |what| Call::new(request(what))).await;
    assert!(out.all("a leak").contains(CANARY));
}
