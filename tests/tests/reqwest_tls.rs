//! The guarded client over TLS that does not come about, or breaks: what its caller sees, and what arrives.
//!
//! With `RUSTFLAGS="--cfg tls"` only.

#![cfg(tls)]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::time::Duration;

use reqwest::{Certificate, redirect};
use resilience_core::{
    Backoff, Call, Error, Rejected, RetryPolicy,
    circuit_breaker::{Config, State},
    retry::{GaveUp, Reason},
};
use resilience_tower::{
    reqwest::{ClassifyReqwest, Client, RequestBuilder},
    stack::{ClientLayer, ClientSettings, Destination},
};
use tests::{
    time,
    tls::{Manner, TlsServer},
};
use tower::Service;

const SECOND: Duration = Duration::from_secs(1);
const TWICE: GaveUp = GaveUp { attempts: 2, reason: Reason::MaxAttempts };
const ONCE: GaveUp = GaveUp { attempts: 1, reason: Reason::Unsafe };

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

/// What a client has inside.
trait Stack:
    Service<Call<reqwest::Request>, Response = reqwest::Response, Error = Error<reqwest::Error>> + Clone
{
}

impl<S> Stack for S where
    S: Service<Call<reqwest::Request>, Response = reqwest::Response, Error = Error<reqwest::Error>> + Clone
{
}

/// It trusts the server, follows no redirects, and so may send again what was not sent.
fn bold(server: &TlsServer) -> Client<impl Stack + use<>> {
    let trusted = Certificate::from_pem(server.certificate().as_bytes()).unwrap();
    let inner = reqwest().tls_certs_only([trusted]).redirect(redirect::Policy::none()).build().unwrap();
    let layer = ClientLayer::new("test", &settings()).unwrap().per(Destination);
    Client::with_layer(layer.classify(ClassifyReqwest.without_redirects()), inner)
}

async fn server(manner: Manner) -> TlsServer {
    TlsServer::start(manner).await.unwrap()
}

async fn failed(request: RequestBuilder<impl Stack>, gave_up: GaveUp) -> reqwest::Error {
    let error = request.send().await.unwrap_err();
    assert_eq!(error.gave_up(), Some(gave_up), "{error:?}");
    error.into_inner().unwrap()
}

fn state(client: &Client, server: &TlsServer) -> State {
    client.handle().policies(&server.host()).circuit_breaker().unwrap().snapshot(time::now()).state
}

#[tokio::test]
async fn a_server_that_is_trusted_answers() {
    let server = server(Manner::Answers).await;
    let response = bold(&server).post(server.url()).body("2 pears").send().await.unwrap();
    assert_eq!(response.text().await.unwrap(), "ok");
    assert_eq!(server.arrived(), 1);
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_an_error_of_connecting() {
    let (client, server) = (client(), server(Manner::Answers).await);
    for _ in 0..2 {
        assert_eq!(state(&client, &server), State::Closed);
        assert!(failed(client.get(server.url()), TWICE).await.is_connect());
    }
    assert_eq!((server.connections(), server.arrived()), (4, 0));
    let refused = client.get(server.url()).send().await.unwrap_err();
    assert!(
        matches!(refused, Error::Rejected { rejected: Rejected::CircuitOpen { .. }, .. }),
        "it counts: {refused:?}"
    );
    assert_eq!(server.connections(), 4);
}

#[tokio::test]
async fn a_server_without_tls_is_an_error_of_connecting() {
    for manner in [Manner::SpeaksNone, Manner::HangsUpAtHello] {
        let (client, server) = (client(), server(manner).await);
        let error = failed(client.get(server.url()), TWICE).await;
        assert!(error.is_connect(), "{manner:?}: {error:?}");
        assert_eq!(server.connections(), 2, "{manner:?}");
    }
}

#[tokio::test]
async fn a_handshake_that_hangs_costs_an_attempt_timeout() {
    const LIMIT: Duration = Duration::from_millis(300);
    let (client, server) = (client(), server(Manner::Silent).await);
    let error = client.get(server.url()).attempt_timeout(LIMIT).send().await.unwrap_err();
    assert!(
        matches!(error, Error::Rejected { rejected: Rejected::AttemptTimeout { limit: LIMIT, .. }, .. }),
        "{error:?}"
    );
    assert_eq!((error.gave_up(), server.connections()), (Some(TWICE), 2));
}

/// Nothing is sent before the handshake is done: who knows that only this connection was tried may try again.
#[tokio::test]
async fn a_post_that_met_no_tls_is_sent_again_only_where_that_proves_something() {
    for manner in [Manner::SpeaksNone, Manner::HangsUpAtHello] {
        let server = server(manner).await;
        failed(client().post(server.url()).body("2 pears"), ONCE).await;
        failed(bold(&server).post(server.url()).body("2 pears"), TWICE).await;
        assert_eq!((server.connections(), server.arrived()), (3, 0), "{manner:?}");
    }
}

#[tokio::test]
async fn a_post_that_may_have_been_read_is_never_sent_again() {
    let server = server(Manner::HangsUp).await;
    let error = failed(bold(&server).post(server.url()).body("2 pears"), ONCE).await;
    assert!(!error.is_connect(), "{error:?}");
    assert_eq!(server.arrived(), 1);
    failed(bold(&server).get(server.url()), TWICE).await;
    assert_eq!(server.arrived(), 3, "what may be repeated is");
}
