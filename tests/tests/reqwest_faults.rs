//! The guarded client over real connections that break: what its caller sees, what arrives, and whose breaker opens.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Method, StatusCode};
use http_body_util::Full;
use reqwest::{
    Body,
    dns::{Name, Resolve, Resolving},
    redirect,
};
use resilience_core::{
    Backoff, Deadline, Error, Rejected, RetryPolicy,
    circuit_breaker::{Config, State},
    retry::{GaveUp, Reason, Trail},
};
use resilience_tower::{
    reqwest::{ClassifyReqwest, Client, RequestBuilder},
    stack::{ClientLayer, ClientSettings, Destination},
};
use tests::{
    faults::{Fault, FaultServer, Refusing},
    time,
};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// Two attempts at once, and a breaker that opens after four failures; limits on time that no test waits for.
fn settings() -> ClientSettings {
    ClientSettings::new()
        .total_timeout(60 * SECOND)
        .attempt_timeout(10 * SECOND)
        .retry(RetryPolicy::new().max_attempts(2).backoff(Backoff::none()))
        .without_retry_budget()
        .throttle(None)
        .adaptive(None)
        .circuit_breaker(Config::new().consecutive_failures(4).open_for(60 * SECOND, 60 * SECOND))
}

fn reqwest() -> reqwest::ClientBuilder {
    reqwest::Client::builder().no_proxy()
}

fn client() -> Client {
    Client::with_settings("test", &settings(), reqwest().build().unwrap()).unwrap()
}

async fn server(fault: Fault) -> FaultServer {
    FaultServer::start(fault).await.unwrap()
}

fn state(client: &Client, host: &str) -> State {
    client.handle().policies(host).circuit_breaker().unwrap().snapshot(time::now()).state
}

/// What `reqwest` says of a failed operation, which was given up for this reason.
fn failed(result: Result<reqwest::Response, Error<reqwest::Error>>, gave_up: GaveUp) -> reqwest::Error {
    let error = result.unwrap_err();
    assert_eq!(error.gave_up(), Some(gave_up));
    error.into_inner().unwrap()
}

const TWICE: GaveUp = GaveUp { attempts: 2, reason: Reason::MaxAttempts };

/// Two operations of two attempts open the breaker of `host`, and only that: a third is refused, and another host is well.
async fn opens_alone(
    client: &Client,
    host: &str,
    request: impl Fn() -> RequestBuilder,
) -> [Error<reqwest::Error>; 2] {
    let well = server(Fault::None).await;
    let first = request().send().await.unwrap_err();
    assert_eq!(state(client, host), State::Closed);
    let second = request().send().await.unwrap_err();
    for error in [&first, &second] {
        assert_eq!(error.gave_up(), Some(TWICE), "{error:?}");
    }
    let refused = request().send().await.unwrap_err();
    assert!(
        matches!(refused, Error::Rejected { rejected: Rejected::CircuitOpen { retry_after: Some(_) }, .. }),
        "{refused:?}"
    );
    assert_eq!(client.get(well.url()).send().await.unwrap().text().await.unwrap(), "ok");
    assert_eq!((state(client, host), state(client, &well.host())), (State::Open, State::Closed));
    [first, second]
}

#[tokio::test]
async fn a_refused_connection_is_an_error_of_connecting() {
    let (client, nobody) = (client(), Refusing::take().unwrap());
    for error in opens_alone(&client, &nobody.host(), || client.get(nobody.url())).await {
        assert!(error.into_inner().unwrap().is_connect());
    }
}

#[tokio::test]
async fn a_reset_in_the_head_is_retried_and_opens() {
    let (client, server) = (client(), server(Fault::ResetInHead).await);
    for error in opens_alone(&client, &server.host(), || client.get(server.url())).await {
        let error = error.into_inner().unwrap();
        assert!(error.is_request() && !error.is_connect() && !error.is_timeout(), "{error:?}");
    }
    assert_eq!(server.arrived(), 4, "none of the refused operation");
}

#[tokio::test]
async fn a_dead_host_costs_an_attempt_timeout_each_time() {
    const LIMIT: Duration = Duration::from_millis(300);
    let (client, server) = (client(), server(Fault::Silence).await);
    let request = || client.get(server.url()).attempt_timeout(LIMIT);
    for error in opens_alone(&client, &server.host(), request).await {
        assert!(
            matches!(error, Error::Rejected { rejected: Rejected::AttemptTimeout { limit: LIMIT, .. }, .. }),
            "{error:?}"
        );
    }
    assert_eq!(server.arrived(), 4);
}

#[tokio::test]
async fn a_dead_host_takes_no_longer_than_the_total() {
    const LIMIT: Duration = Duration::from_millis(300);
    let (client, server) = (client(), server(Fault::Silence).await);
    let error = client.get(server.url()).total_timeout(LIMIT).send().await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Rejected { rejected: Rejected::DeadlineExceeded { limit: LIMIT, called: true, .. }, .. }
        ),
        "{error:?}"
    );
    let over = Deadline::after(time::now(), Duration::ZERO);
    let error = client.get(server.url()).deadline(over).send().await.unwrap_err();
    assert!(
        matches!(error, Error::Rejected { rejected: Rejected::DeadlineExceeded { called: false, .. }, .. }),
        "{error:?}"
    );
    assert_eq!(server.arrived(), 1);
}

/// Knows no name, and counts who asks.
#[derive(Clone, Debug, Default)]
struct NoNames(Arc<AtomicU32>);

impl Resolve for NoNames {
    fn resolve(&self, _: Name) -> Resolving {
        self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(async { Err(io::Error::from(io::ErrorKind::NotFound).into()) })
    }
}

#[tokio::test]
async fn a_name_that_is_not_known_is_an_error_of_connecting() {
    let names = NoNames::default();
    let inner = reqwest().dns_resolver(names.clone()).build().unwrap();
    let client = Client::with_settings("test", &settings(), inner).unwrap();
    let request = || client.get("http://nonexistent.invalid/");
    for error in opens_alone(&client, "nonexistent.invalid", request).await {
        let error = error.into_inner().unwrap();
        assert!(error.is_connect() && error.is_dns(), "{error:?}");
    }
    assert_eq!(names.0.load(Ordering::SeqCst), 4);
}

/// A `reqwest` that speaks TLS tries, and fails alike: see `reqwest_tls`.
#[cfg(not(tls))]
#[tokio::test]
async fn https_without_tls_in_reqwest_is_an_error_of_connecting() {
    let (client, server) = (client(), server(Fault::None).await);
    let url = server.url().replace("http:", "https:");
    for error in opens_alone(&client, &server.host(), || client.get(&url)).await {
        assert!(error.into_inner().unwrap().is_connect());
    }
    assert_eq!(server.arrived(), 0);
}

/// The answer of a server whose body breaks off: a success for the stack, whatever follows.
async fn head(client: &Client, server: &FaultServer) -> reqwest::Response {
    let response = client.get(server.url()).send().await.unwrap();
    assert_eq!((response.status(), response.content_length()), (StatusCode::OK, Some(100)));
    response
}

#[tokio::test]
async fn a_body_that_breaks_off_is_an_error_when_it_is_read_and_nobody_else_hears_of_it() {
    for fault in [Fault::ResetInBody, Fault::HalfCloseInBody] {
        let (client, server) = (client(), server(fault).await);
        for arrived in 1..=4 {
            let response = head(&client, &server).await;
            server.go_on();
            let error = response.bytes().await.unwrap_err();
            assert!(!error.is_timeout(), "{error:?}");
            assert_eq!(server.arrived(), arrived, "not sent again");
        }
        assert_eq!(state(&client, &server.host()), State::Closed);
    }
}

#[tokio::test]
async fn a_body_that_stalls_is_bounded_by_the_limits_of_reqwest_alone() {
    let server = server(Fault::StallInBody).await;
    let inner = reqwest().read_timeout(20 * SECOND).build().unwrap();
    let patient = Client::with_settings("test", &settings(), inner).unwrap();
    let unbounded = head(&client(), &server).await;
    let with_pause = head(&patient, &server).await;
    let with_timeout = client().get(server.url()).map(|inner| inner.timeout(20 * SECOND)).send();
    let with_timeout = with_timeout.await.unwrap();

    // From here on nothing happens but time.
    tokio::time::pause();
    let hour = tokio::time::timeout(3600 * SECOND, unbounded.bytes()).await;
    assert!(hour.is_err(), "neither the attempt's nor the total limit covers the body");
    assert!(with_pause.bytes().await.unwrap_err().is_timeout());
    assert!(with_timeout.bytes().await.unwrap_err().is_timeout());
}

#[tokio::test]
async fn methods_that_may_be_repeated_are() {
    for (method, arrives) in [
        (Method::GET, 2),
        (Method::HEAD, 2),
        (Method::OPTIONS, 2),
        (Method::PUT, 2),
        (Method::DELETE, 2),
        (Method::POST, 1),
        (Method::PATCH, 1),
    ] {
        let (client, server) = (client(), server(Fault::Answer("502 Bad Gateway")).await);
        let response = client.request(method.clone(), server.url()).body("2 pears").send().await.unwrap();
        assert_eq!((response.status(), server.arrived()), (StatusCode::BAD_GATEWAY, arrives), "{method}");
        let reason = if arrives == 1 { Reason::Unsafe } else { Reason::MaxAttempts };
        assert_eq!(response.extensions().get(), Some(&GaveUp { attempts: arrives, reason }), "{method}");
    }
}

#[tokio::test]
async fn a_post_is_repeated_when_told_so() {
    let (client, server) = (client(), server(Fault::ResetInHead).await);
    let post = || client.post(server.url()).body("2 pears");
    failed(post().send().await, GaveUp { attempts: 1, reason: Reason::Unsafe });
    assert_eq!(server.arrived(), 1);
    failed(post().assume_idempotent().send().await, TWICE);
    assert_eq!(server.arrived(), 3);
}

#[tokio::test]
async fn a_body_that_streams_is_sent_once() {
    let (client, server) = (client(), server(Fault::ResetInHead).await);
    let stream = Body::wrap(Full::new(Bytes::from_static(b"2 pears")));
    let sent = client.put(server.url()).body(stream).send().await;
    failed(sent, GaveUp { attempts: 1, reason: Reason::NotReplayable });
    assert_eq!(server.arrived(), 1);
    failed(client.put(server.url()).body("2 pears").send().await, TWICE);
    assert_eq!(server.arrived(), 3);
}

#[tokio::test]
async fn a_post_that_was_not_sent_is_repeated_by_a_client_without_redirects() {
    let nobody = Refusing::take().unwrap();
    let layer = ClientLayer::new("test", &settings()).unwrap().per(Destination);
    let inner = reqwest().redirect(redirect::Policy::none()).build().unwrap();
    let without = Client::with_layer(layer.classify(ClassifyReqwest.without_redirects()), inner);
    failed(without.post(nobody.url()).send().await, TWICE);
    let once = GaveUp { attempts: 1, reason: Reason::Unsafe };
    failed(client().post(nobody.url()).send().await, once);
}

#[tokio::test]
async fn a_redirect_counts_for_the_host_that_sent_it_unless_none_is_followed() {
    let nobody = Refusing::take().unwrap();
    let answer = format!("302 Found\r\nlocation: {}", nobody.url()).leak();
    let server = server(Fault::Answer(answer)).await;
    let following = client();
    for error in opens_alone(&following, &server.host(), || following.get(server.url())).await {
        assert!(error.into_inner().unwrap().is_connect());
    }
    assert_eq!(state(&following, &nobody.host()), State::Closed);

    let inner = reqwest().redirect(redirect::Policy::none()).build().unwrap();
    let staying = Client::with_settings("test", &settings(), inner).unwrap();
    let response = staying.get(server.url()).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::FOUND);
}

#[tokio::test]
async fn the_trail_tells_of_attempts_that_nobody_saw() {
    let (client, nobody, trail) = (client(), Refusing::take().unwrap(), Trail::new());
    client.get(nobody.url()).trail(trail.clone()).send().await.unwrap_err();
    assert_eq!((trail.attempts(), trail.gave_up()), (2, Some(TWICE)));
}

#[tokio::test]
async fn a_request_that_could_not_be_built_or_has_no_such_scheme_counts_for_nobody() {
    let client = client();
    for _ in 0..4 {
        let unbuilt = client.get("no URL at all").send().await.unwrap_err();
        assert!(unbuilt.gave_up().is_none());
        assert!(unbuilt.into_inner().unwrap().is_builder());
    }
    assert_eq!(client.handle().destinations().len(), 0);
    for _ in 0..4 {
        let unbuilt = client.get("ftp://127.0.0.1:1/").send().await.unwrap_err();
        assert!(unbuilt.into_inner().unwrap().is_builder());
    }
    assert_eq!(state(&client, "127.0.0.1:1"), State::Closed);
}

/// Everything that an error says, along its sources.
fn all_of(error: &(dyn std::error::Error + 'static)) -> String {
    let mut said = format!("{error} {error:?}");
    if let Some(source) = error.source() {
        said.push_str(&all_of(source));
    }
    said
}

#[tokio::test]
async fn no_error_names_the_url() {
    let inner = reqwest().dns_resolver(NoNames::default()).build().unwrap();
    let client = Client::with_settings("test", &settings(), inner).unwrap();
    let (reset, dead) = (server(Fault::ResetInHead).await, server(Fault::Silence).await);
    let circle = server(Fault::Answer("302 Found\r\nlocation: /secret-key")).await;
    let nobody = Refusing::take().unwrap();
    for url in [
        reset.url(),
        dead.url(),
        circle.url(),
        nobody.url(),
        "http://a.invalid/".to_owned(),
        "ftp://a/".to_owned(),
    ] {
        let secret = || client.get(format!("{url}secret-key?key=secret-key")).attempt_timeout(50 * MS);
        let error = secret().send().await.unwrap_err();
        let said = all_of(&error);
        assert!(!said.contains("secret-key"), "{said}");
        assert!(!format!("{:?} {:?} {client:?}", secret(), secret().send()).contains("secret-key"));
    }
    let unbuilt = || client.get("mailto:secret-key");
    assert!(!all_of(&unbuilt().build().unwrap_err()).contains("secret-key"));
    assert!(!all_of(&unbuilt().send().await.unwrap_err()).contains("secret-key"));
}
