//! The server's, around an `axum` router or a service of one's own.

use std::{convert::Infallible, future::pending};

use axum::{Router, body::Body, routing::get};
use http::{HeaderName, Request, Response, StatusCode};
use resilience_core::{Call, Quota, Registry, adaptive, bulkhead};
use resilience_tower::{
    call::inherited,
    http::{deadline::DeadlineHeader, rate_limit::HeaderKey},
    stack::{self, ServerHandle, ServerLayer, ServerSettings},
};
use tower::{Layer, Service, ServiceExt, service_fn};

use super::{MS, SECOND, now};

fn request(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

fn tenant(name: &str) -> Request<Body> {
    Request::get("/").header("x-api-key", name).body(Body::empty()).unwrap()
}

/// An application behind the stack: `/` answers, `/hang` never does, `/left` says how much time there is.
fn app<L>(layer: L) -> Router
where
    L: Layer<axum::routing::Route> + Clone + Send + Sync + 'static,
    L::Service: Service<Request<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    <L::Service as Service<Request<Body>>>::Response: axum::response::IntoResponse,
    <L::Service as Service<Request<Body>>>::Future: Send,
{
    let left = async || {
        inherited().map(|deadline| deadline.remaining(now()).as_millis().to_string()).unwrap_or_default()
    };
    Router::new()
        .route("/", get(async || "hello"))
        .route("/hang", get(pending::<()>))
        .route("/left", get(left))
        .layer(layer)
}

async fn status(app: &Router, request: Request<Body>) -> StatusCode {
    app.clone().oneshot(request).await.unwrap().status()
}

/// Begins a request and lets it run up to where it waits.
async fn begun(app: &Router, request: Request<Body>) -> tokio::task::JoinHandle<Response<Body>> {
    let app = app.clone();
    let task = tokio::spawn(async move { app.oneshot(request).await.unwrap() });
    tokio::task::yield_now().await;
    task
}

async fn text(response: Response<Body>) -> String {
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 16).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_router_takes_it_and_all_routes_share_it() {
    let layer = ServerLayer::new("api", &ServerSettings::new().bulkhead(bulkhead::Config::new(1))).unwrap();
    let app = app(layer);
    assert_eq!(status(&app, request("/")).await, StatusCode::OK);
    let hanging = begun(&app, request("/hang")).await;
    let refused = app.clone().oneshot(request("/")).await.unwrap();
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()["content-type"], "application/problem+json");
    assert!(refused.headers().contains_key("x-correlation-id"), "refusals have it too");
    hanging.abort();
    let _ = hanging.await;
    assert_eq!(status(&app, request("/")).await, StatusCode::OK, "a caller that left gives its permit back");
}

#[tokio::test(start_paused = true)]
async fn the_deadline_is_the_callers_or_the_servers_whichever_is_earlier() {
    let app = app(stack::server("api"));
    let left = |ms: Option<&'static str>| {
        let mut request = request("/left");
        if let Some(ms) = ms {
            request.headers_mut().insert("x-request-timeout-ms", ms.parse().unwrap());
        }
        let app = app.clone();
        async move { text(app.oneshot(request).await.unwrap()).await }
    };
    assert_eq!(left(None).await, "30000");
    assert_eq!(left(Some("250")).await, "250");
    assert_eq!(left(Some("99999")).await, "30000");
    assert_eq!(left(Some("nonsense")).await, "30000");

    let start = now();
    let mut hanging = request("/hang");
    hanging.headers_mut().insert("x-request-timeout-ms", "250".parse().unwrap());
    assert_eq!(status(&app, hanging).await, StatusCode::GATEWAY_TIMEOUT);
    assert!((250 * MS..260 * MS).contains(&(now() - start)));
}

/// What a layer is made of is put together once; a layer that is changed afterwards is another.
#[tokio::test(start_paused = true)]
async fn a_setting_after_the_first_service_is_for_those_to_come() {
    let layer = stack::server("api");
    let before = app(layer.clone());
    let other = HeaderName::from_static("x-time-left");
    let after = app(layer.clone().deadline_header(DeadlineHeader::milliseconds(other)));
    let left = async |app: &Router, header: &'static str| {
        let mut request = request("/left");
        request.headers_mut().insert(header, "250".parse().unwrap());
        text(app.clone().oneshot(request).await.unwrap()).await
    };
    assert_eq!(left(&before, "x-request-timeout-ms").await, "250");
    assert_eq!(left(&after, "x-request-timeout-ms").await, "30000");
    assert_eq!(left(&after, "x-time-left").await, "250");
    assert_eq!(left(&app(layer), "x-request-timeout-ms").await, "250");
}

#[tokio::test(start_paused = true)]
async fn keys_have_a_rate_each_and_a_fair_share() {
    let key = HeaderKey::new(HeaderName::from_static("x-api-key"));
    let settings = ServerSettings::new()
        .rate_limit(Quota::per_minute(1))
        .adaptive(adaptive::Config::default().initial(10));
    let layer = ServerLayer::new("api", &settings)
        .unwrap()
        .per(move |call: &Call<Request<Body>>| key.of(call.request().headers()));
    let handle = layer.handle().clone();
    let app = app(layer);
    assert_eq!(status(&app, tenant("a")).await, StatusCode::OK);
    let limited = app.clone().oneshot(tenant("a")).await.unwrap();
    assert_eq!(limited.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(limited.headers()["retry-after"], "60");
    assert_eq!(status(&app, tenant("b")).await, StatusCode::OK, "another key");

    handle.reconfigure(&settings.clone().rate_limit(Quota::per_second(1000))).unwrap();
    tokio::time::advance(SECOND).await;
    let hang = |name| {
        let mut request = tenant(name);
        *request.uri_mut() = "/hang".parse().unwrap();
        request
    };
    let mut hanging = vec![begun(&app, hang("b")).await];
    for _ in 0..20 {
        hanging.push(begun(&app, hang("a")).await);
    }
    let seen = handle.adaptive().unwrap().snapshot();
    assert!(seen.in_flight < seen.limit, "some room is left: {seen:?}");
    let other = app.clone().oneshot(tenant("b")).await.unwrap();
    assert_eq!(other.status(), StatusCode::OK, "for others: {}", text(other).await);
    hanging.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(start_paused = true)]
async fn draining_lets_finish_what_runs_and_refuses_the_rest() {
    let layer = stack::server("api");
    let handle = layer.handle().clone();
    let app = app(layer);
    let hanging = begun(&app, request("/hang")).await;
    let drained = tokio::spawn(handle.drain().drain(SECOND));
    tokio::task::yield_now().await;
    assert_eq!(status(&app, request("/")).await, StatusCode::SERVICE_UNAVAILABLE);
    hanging.abort();
    let drained = drained.await.unwrap();
    assert_eq!(drained.left, 0);
    handle.drain().resume();
    assert_eq!(status(&app, request("/")).await, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn settings_change_while_it_runs() {
    let layer = stack::server("api");
    let handle = layer.handle().clone();
    let app = app(layer);
    handle.reconfigure(&ServerSettings::new().total_timeout(SECOND)).unwrap();
    let start = now();
    assert_eq!(status(&app, request("/hang")).await, StatusCode::GATEWAY_TIMEOUT);
    assert_eq!((now() - start).as_secs(), 1);
    handle.reconfigure(&ServerSettings::new().adaptive(adaptive::Config::default().bounds(1, 1))).unwrap();
    assert_eq!(handle.adaptive().unwrap().snapshot().limit, 1);

    let refused = handle.reconfigure(&ServerSettings::new().rate_limit(Quota::per_second(1))).unwrap_err();
    assert!(refused.to_string().contains("`rate_limit` is off"), "{refused}");
    let longer = ServerSettings::new().max_deadline(7 * SECOND);
    assert!(handle.reconfigure(&longer).unwrap_err().to_string().contains("`max_deadline`"));
    let waits = bulkhead::Config::new(1).max_wait(40 * SECOND);
    let refused = ServerLayer::new("api", &ServerSettings::new().bulkhead(waits)).unwrap_err();
    assert!(refused.to_string().contains("40s"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_registered_stack_is_steered_by_name() {
    let registry = Registry::new();
    let layer = stack::server("api");
    let registered = layer.handle().register(&registry).unwrap();
    assert!(stack::server("api").handle().register(&registry).is_err(), "the name is taken");
    let app = app(layer);
    let handle: ServerHandle = registry.get("api", "server").unwrap();
    handle.reconfigure(&ServerSettings::new().total_timeout(SECOND)).unwrap();
    assert_eq!(status(&app, request("/hang")).await, StatusCode::GATEWAY_TIMEOUT);
    let states: Vec<_> = registry.snapshot(now()).into_iter().map(|row| (row.kind, row.state)).collect();
    assert_eq!(states, [("adaptive", "admitting"), ("drain", "admitting"), ("server", "admitting")]);
    drop(registered);
}

#[tokio::test(start_paused = true)]
async fn the_future_stays_under_a_kibibyte() {
    let handler =
        service_fn(|_: Request<()>| std::future::ready(Ok::<_, Infallible>(Response::new(String::new()))));
    let inner = size_of_val(&handler.oneshot(Request::new(())));
    let mut server = stack::server("api").layer(handler);
    let response = server.ready().await.unwrap().call(Request::new(()));
    let size = size_of_val(&response) - inner;
    assert!(size <= 1024, "{size} bytes");
}
