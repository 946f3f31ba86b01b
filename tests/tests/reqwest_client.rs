//! The guarded client as a type: what it builds, what its errors become, what it is to Tower, and how large its futures are.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    collections::BTreeMap,
    mem::size_of_val,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use http::{HeaderMap, HeaderValue, Method, StatusCode};
use resilience_core::{
    BoxError, Call, Context, Error, Event, Observer, Refusal, Rejected, RetryPolicy, bulkhead,
    retry::{GaveUp, Reason},
};
use resilience_metrics::Telemetry;
use resilience_tower::{
    reqwest::{ClassifyReqwest, Client, WithoutUrl},
    stack::{self, ClientSettings, Destination},
};
use tests::{
    faults::{Fault, FaultServer},
    time,
};
use tower::{Layer, Service, ServiceExt, service_fn};

fn inner() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

fn client() -> Client {
    Client::new("test", inner())
}

fn body(call: &Call<reqwest::Request>) -> &[u8] {
    call.request().body().and_then(reqwest::Body::as_bytes).unwrap()
}

#[test]
fn what_is_set_is_in_the_request_and_in_its_context() {
    let client = client();
    let (total, attempt) = (Duration::from_secs(7), Duration::from_secs(3));
    let headers = HeaderMap::from_iter([(http::header::ACCEPT, HeaderValue::from_static("text/plain"))]);
    let call = client
        .post("http://a.example/orders")
        .header("x-one", "1")
        .headers(headers)
        .bearer_auth("token")
        .body("2 pears")
        .total_timeout(total)
        .attempt_timeout(attempt)
        .assume_idempotent()
        .map(|inner| inner.version(http::Version::HTTP_10))
        .build()
        .unwrap();
    let (request, context) = (call.request(), call.context());
    assert_eq!((request.method(), request.url().as_str()), (&Method::POST, "http://a.example/orders"));
    assert_eq!(
        (&request.headers()["x-one"], &request.headers()["accept"]),
        (&"1".parse().unwrap(), &"text/plain".parse().unwrap())
    );
    assert_eq!(request.headers()["authorization"], "Bearer token");
    assert_eq!((body(&call), request.version()), (&b"2 pears"[..], http::Version::HTTP_10));
    let expected = Context::new().with_total_timeout(total).with_attempt_timeout(attempt).assume_idempotent();
    assert_eq!(context, &expected);

    let basic = client.get("http://a.example").basic_auth("me", None::<&str>).build().unwrap();
    assert_eq!(basic.request().headers()["authorization"], "Basic bWU6");
}

#[test]
fn queries_forms_and_json_are_those_of_reqwest() {
    let (client, pears) = (client(), BTreeMap::from([("pears", 2)]));
    let query = client.get("http://a.example/").query(&pears).build().unwrap();
    assert_eq!(query.request().url().query(), Some("pears=2"));
    let form = client.post("http://a.example/").form(&pears).build().unwrap();
    assert_eq!(body(&form), b"pears=2");
    let json = client.post("http://a.example/").json(&pears).build().unwrap();
    assert_eq!(body(&json), br#"{"pears":2}"#);
}

#[test]
fn each_method_has_a_name() {
    let (client, url) = (client(), "http://a.example/");
    for (request, method) in [
        (client.get(url), Method::GET),
        (client.post(url), Method::POST),
        (client.put(url), Method::PUT),
        (client.patch(url), Method::PATCH),
        (client.delete(url), Method::DELETE),
        (client.head(url), Method::HEAD),
        (client.request(Method::OPTIONS, url), Method::OPTIONS),
    ] {
        assert_eq!(request.build().unwrap().request().method(), method);
    }
}

#[test]
fn nothing_of_a_request_or_of_the_inner_client_is_printed() {
    let headers = HeaderMap::from_iter([(http::header::COOKIE, HeaderValue::from_static("secret-key"))]);
    let inner = reqwest::Client::builder().default_headers(headers).build().unwrap();
    let client = Client::new("test", inner.clone());
    let request = || client.get("http://a.example/secret-key").header("x", "secret-key");
    let mut service = WithoutUrl::new(inner.clone());
    let bare = service.call(request().build().unwrap().into_parts().0);
    let printed = format!("{client:?} {:?} {:?} {service:?} {bare:?}", request(), request().send());
    assert!(!printed.contains("secret-key"), "{printed}");
    assert!(format!("{inner:?}").contains("secret-key"), "or this test says nothing");
}

/// An application's own error.
#[derive(Debug)]
enum MyError {
    Busy(Rejected),
    Http(reqwest::Error),
}

impl From<Error<reqwest::Error>> for MyError {
    fn from(error: Error<reqwest::Error>) -> Self {
        match error {
            Error::Rejected { rejected, .. } => Self::Busy(rejected),
            Error::Inner { error, .. } => Self::Http(error),
        }
    }
}

const URL: &str = "http://127.0.0.1:1/";

/// A client whose breaker of [`URL`] is open.
fn open() -> Client {
    let client = client();
    let policies = client.handle().policies("127.0.0.1:1");
    policies.circuit_breaker().unwrap().force_open(time::now());
    client
}

#[tokio::test]
async fn a_refusal_is_in_reach_whatever_the_error_becomes() {
    let mine = async || Ok::<_, MyError>(open().get(URL).send().await?);
    assert!(matches!(mine().await, Err(MyError::Busy(Rejected::CircuitOpen { .. }))));
    let boxed = async || Ok::<_, BoxError>(open().get(URL).send().await?);
    assert!(matches!(boxed().await.unwrap_err().rejected(), Some(Rejected::CircuitOpen { .. })));
    assert!(boxed().await.unwrap_err().downcast::<Error<reqwest::Error>>().is_ok());

    let mine = async || Ok::<_, MyError>(client().get("none").send().await?);
    assert!(matches!(mine().await, Err(MyError::Http(error)) if error.is_builder()));
    let boxed = async || Ok::<_, BoxError>(client().get("none").send().await?);
    let failed = boxed().await.unwrap_err();
    assert!(failed.rejected().is_none() && failed.source().unwrap().is::<reqwest::Error>());
}

fn get(url: &str) -> reqwest::Request {
    reqwest::Request::new(Method::GET, url.parse().unwrap())
}

#[tokio::test]
async fn it_is_a_service_owned_and_borrowed_and_so_is_the_bare_stack() {
    async fn by<S, Req>(service: S, request: Req) -> StatusCode
    where
        S: Service<Req, Response = reqwest::Response, Error = Error<reqwest::Error>>,
    {
        service.oneshot(request).await.unwrap().status()
    }
    let (client, server) = (client(), FaultServer::start(Fault::None).await.unwrap());
    let request = || get(&server.url());
    let layer = stack::client("test").per(Destination).classify(ClassifyReqwest);
    let mut readied = client.clone();
    for status in [
        by(&client, request()).await,
        by(client.clone(), request()).await,
        by(layer.layer(inner()), request()).await,
        by(layer.calls().layer(inner()), Call::new(request())).await,
        readied.ready().await.unwrap().call(request()).await.unwrap().status(),
        client.execute(request()).await.unwrap().status(),
        client.execute_call(Call::new(request())).await.unwrap().status(),
    ] {
        assert_eq!(status, StatusCode::OK);
    }
    assert_eq!(server.arrived(), 7);
    assert_eq!(client.handle().destinations().len(), 1, "clones and borrows share the policies");
}

#[tokio::test]
async fn a_call_keeps_its_context() {
    let server = FaultServer::start(Fault::Answer("502 Bad Gateway")).await.unwrap();
    let settings = ClientSettings::new().without_retry_budget().retry(RetryPolicy::new().max_attempts(2));
    let client = Client::with_settings("test", &settings, inner()).unwrap();
    let post = || reqwest::Request::new(Method::POST, server.url().parse().unwrap());
    client.execute_call(Call::with_context(post(), Context::new().assume_idempotent())).await.unwrap();
    assert_eq!(server.arrived(), 2);
    client.execute(post()).await.unwrap();
    assert_eq!(server.arrived(), 3);
}

#[tokio::test]
async fn calls_wait_in_their_futures_for_the_queue_of_the_bulkhead() {
    let server = FaultServer::start(Fault::None).await.unwrap();
    let one = |config: bulkhead::Config| {
        Client::with_settings("test", &ClientSettings::new().bulkhead(config), inner()).unwrap()
    };
    let waits = one(bulkhead::Config::new(1).max_wait(Duration::from_secs(3600)).max_queue(2));
    let send = || waits.get(server.url()).send();
    let (first, second, third) = tokio::join!(send(), send(), send());
    assert!(first.is_ok() && second.is_ok() && third.is_ok());

    let refuses = one(bulkhead::Config::new(1));
    let send = || refuses.get(server.url()).send();
    let (first, second) = tokio::join!(send(), send());
    assert!(first.is_ok());
    assert!(matches!(second, Err(Error::Rejected { rejected: Rejected::BulkheadFull { .. }, .. })));
    assert!(send().await.is_ok(), "the permit is back");
}

/// Counts the operations that were not retried because they may not be.
#[derive(Clone, Debug, Default)]
struct GaveUps(Arc<AtomicU32>);

impl Observer for GaveUps {
    fn observe(&self, event: &Event) {
        if matches!(event, Event::RetryGaveUp(GaveUp { reason: Reason::Unsafe, .. })) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[tokio::test]
async fn a_stack_of_ones_own_brings_its_observer_and_fills_the_slots() {
    let (gave_up, telemetry) = (GaveUps::default(), Telemetry::new("test"));
    let layer = stack::client("test")
        .per(Destination)
        .classify(ClassifyReqwest)
        .with_observer(gave_up.clone())
        .operation(telemetry.operation_layer(ClassifyReqwest))
        .attempt(telemetry.attempt_layer(ClassifyReqwest));
    let client = Client::with_layer(layer, inner());
    let server = FaultServer::start(Fault::Answer("502 Bad Gateway")).await.unwrap();
    client.post(server.url()).send().await.unwrap();
    assert_eq!(gave_up.0.load(Ordering::SeqCst), 1);
}

#[test]
fn settings_that_do_not_fit_are_an_error() {
    let settings = ClientSettings::new().attempt_timeout(Duration::from_secs(9));
    assert!(Client::with_settings("test", &settings, inner()).is_err());
}

#[test]
fn it_goes_where_tower_and_tokio_need_it() {
    fn goes_anywhere<T: Clone + Send + Sync + 'static>(_: &T) {}
    fn may_be_spawned<T: Send + 'static>(_: &T) {}
    let mut client = client();
    goes_anywhere(&client);
    may_be_spawned(&client.get(URL));
    may_be_spawned(&client.get(URL).send());
    may_be_spawned(&client.execute(get(URL)));
    may_be_spawned(&Service::call(&mut &client, get(URL)));
    // Only built: it is pending nowhere.
    let called = service_fn(|(): ()| std::future::pending::<Result<(), Rejected>>());
    let mut stack = stack::client("test").layer(called);
    goes_anywhere(&stack);
    may_be_spawned(&Service::call(&mut stack, ()));
    may_be_spawned(&Service::call(&mut client, get(URL)));
}

#[test]
fn futures_are_small() {
    const KIB: usize = 1024;
    let mut plain =
        stack::client("test").layer(service_fn(|(): ()| std::future::ready(Ok::<_, Rejected>(()))));
    let inner_future = size_of_val(&std::future::ready(Ok::<_, Rejected>(())));
    let stack = size_of_val(&Service::call(&mut plain, ()));

    let mut client = client();
    let request = size_of_val(&client.get(URL).build().unwrap());
    let inner = size_of_val(&WithoutUrl::new(inner()).call(get(URL)));
    let guarded = size_of_val(&Service::call(&mut client, get(URL)));
    let sent = size_of_val(&client.get(URL).send());
    let builder = size_of_val(&client.get(URL));
    let service = size_of_val(&client);
    let all = format!(
        "stack {stack} (inner {inner_future}); reqwest: request {request}, inner {inner}, stack {guarded}, sent {sent}, \
         builder {builder}, client {service}"
    );
    println!("{all}");
    assert!(stack - inner_future <= KIB, "{all}");
    assert!(guarded - inner <= KIB, "{all}");
    assert!(sent - inner <= KIB, "{all}");
}
