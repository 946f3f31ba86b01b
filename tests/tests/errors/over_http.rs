//! A `reqwest::Client` under the stack, against a real server: its errors come back as they are.

use std::{future::pending, net::SocketAddr, time::Duration};

use axum::{Router, routing::get};
use http::StatusCode;
use reqwest::{Client, Method, Request, Response};
use resilience_core::{BoxError, Error, Rejected, circuit_breaker::Config};
use resilience_tower::{
    CallLayer, CircuitBreakerLayer, TimeoutLayer, TransportLayer, reqwest::ClassifyReqwest,
};
use tests::server::{listen, serve};
use tower::{Service, ServiceBuilder, ServiceExt};

use super::{AMPLE, MS, find};

type Answer = Result<Response, Error<reqwest::Error>>;

/// Opens after three failures in a row, for the rest of the test.
fn client(
    total: Duration,
    attempt: Duration,
) -> impl Service<Request, Response = Response, Error = Error<reqwest::Error>> {
    let config = Config::new().consecutive_failures(3).open_for(AMPLE, AMPLE);
    ServiceBuilder::new()
        .layer(CallLayer::new())
        .layer(TimeoutLayer::total(total))
        .layer(CircuitBreakerLayer::new(config).classify(ClassifyReqwest))
        .layer(TimeoutLayer::attempt(attempt))
        .layer(TransportLayer::new())
        .service(Client::builder().no_proxy().build().unwrap())
}

async fn get_from(
    client: &mut impl Service<Request, Response = Response, Error = Error<reqwest::Error>>,
    address: SocketAddr,
    path: &str,
) -> Answer {
    let url = format!("http://{address}{path}").parse().unwrap();
    client.ready().await?.call(Request::new(Method::GET, url)).await
}

async fn server() -> SocketAddr {
    let router = Router::new()
        .route("/fine", get(|| async { "fine" }))
        .route("/broken", get(|| async { StatusCode::INTERNAL_SERVER_ERROR }))
        .route("/hangs", get(pending::<()>));
    serve(router).await.unwrap()
}

/// A server that hangs up on everybody.
async fn rude() -> SocketAddr {
    let (listener, address) = listen().await.unwrap();
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    address
}

#[tokio::test]
async fn a_response_comes_through_and_a_bad_status_counts() {
    let (address, mut client) = (server().await, client(AMPLE, AMPLE));
    let fine = get_from(&mut client, address, "/fine").await.unwrap();
    assert_eq!(fine.text().await.unwrap(), "fine");

    for _ in 0..3 {
        let broken = get_from(&mut client, address, "/broken").await.unwrap();
        assert_eq!(broken.status(), StatusCode::INTERNAL_SERVER_ERROR, "an answer, not an error");
    }
    let refused = get_from(&mut client, address, "/fine").await.unwrap_err();
    assert!(matches!(
        refused,
        Error::Rejected { rejected: Rejected::CircuitOpen { retry_after: Some(_) }, .. }
    ));
    assert!(matches!(find(&refused), Some(Rejected::CircuitOpen { .. })), "and along the sources");
    assert!(find::<reqwest::Error>(&refused).is_none());
}

#[tokio::test]
async fn reqwests_own_error_is_given_back_by_match_and_along_the_sources() {
    let (address, mut client) = (rude().await, client(AMPLE, AMPLE));
    for _ in 0..3 {
        let error = get_from(&mut client, address, "/secret").await.unwrap_err();
        let found: &reqwest::Error = find(&error).unwrap();
        assert_eq!(found.url().map(|url| url.path()), Some("/secret"));
        assert!(!error.to_string().contains("secret"), "the text of ours does not repeat the URL");
        assert!(find::<Rejected>(&error).is_none());

        let boxed = BoxError::from(error);
        assert!(find::<reqwest::Error>(boxed.as_ref()).is_some(), "boxed too");
        let Ok(error) = boxed.downcast::<Error<reqwest::Error>>() else { panic!("it is that error") };
        let Error::Inner { error: own, .. } = *error else { panic!("it is reqwest's") };
        assert!(own.is_request());
    }
    let refused = get_from(&mut client, address, "/secret").await.unwrap_err();
    assert!(
        matches!(refused, Error::Rejected { rejected: Rejected::CircuitOpen { .. }, .. }),
        "three failures are enough"
    );
}

#[tokio::test]
async fn a_timeout_says_which_limit_fired() {
    let address = server().await;
    let mut hasty = client(AMPLE, 20 * MS);
    let cut = get_from(&mut hasty, address, "/hangs").await.unwrap_err();
    assert!(
        matches!(cut, Error::Rejected { rejected: Rejected::AttemptTimeout { limit, .. }, .. } if limit == 20 * MS)
    );

    let mut brief = client(20 * MS, AMPLE);
    let over = get_from(&mut brief, address, "/hangs").await.unwrap_err();
    assert!(
        matches!(over, Error::Rejected { rejected: Rejected::DeadlineExceeded { limit, .. }, .. } if limit == 20 * MS)
    );
    assert!(find::<Rejected>(&over).is_some());
}
