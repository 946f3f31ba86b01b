//! An `axum` router under the stack, over a real socket: refusals become responses, without `HandleErrorLayer`.

use std::{future::pending, net::SocketAddr, time::Duration};

use axum::{Extension, Router, routing::get};
use http::{
    StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use reqwest::{Client, Response};
use resilience_core::{CircuitBreaker, Context, Quota, RateLimiter, circuit_breaker::Config};
use resilience_tower::{
    CircuitBreakerLayer, ErrorLayer, RateLimitLayer, TimeoutLayer,
    http::{
        ClassifyStatus, RespondLayer,
        rate_limit::{ClientAddr, RateLimitFieldsLayer, TrustedProxies},
    },
    rate_limit::KeyedRateLimitLayer,
};
use tests::{server::serve, time};
use tower::ServiceBuilder;

use super::{AMPLE, MS};

/// A server under a deadline and a breaker that opens after two failures in a row.
async fn server(deadline: Duration) -> (SocketAddr, CircuitBreaker) {
    let config = Config::new().consecutive_failures(2).open_for(AMPLE, AMPLE);
    let breaker = CircuitBreakerLayer::new(config).classify(ClassifyStatus);
    let handle = breaker.breaker().clone();
    let stack = ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(TimeoutLayer::total(deadline))
        .layer(breaker)
        .layer(ErrorLayer::new());
    let router = Router::new()
        .route("/fine", get(|| async { "fine" }))
        .route("/broken", get(|| async { StatusCode::INTERNAL_SERVER_ERROR }))
        .route("/hangs", get(pending::<()>))
        .route("/deadline", get(show_deadline))
        .layer(stack);
    (serve(router).await.unwrap(), handle)
}

/// A handler can read the call context.
async fn show_deadline(Extension(context): Extension<Context>) -> String {
    let limit = context.deadline().map(|deadline| deadline.limit());
    format!("{limit:?}")
}

async fn ask(address: SocketAddr, path: &str) -> Response {
    // A client of its own for each request: each arrives on a new connection.
    let client = Client::builder().no_proxy().build().unwrap();
    client.get(format!("http://{address}{path}")).send().await.unwrap()
}

#[tokio::test]
async fn a_handler_that_is_too_slow_is_a_gateway_timeout() {
    let (address, breaker) = server(20 * MS).await;
    let response = ask(address, "/hangs").await;
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(response.headers().get(RETRY_AFTER), None);
    assert_eq!(breaker.snapshot(time::now()).consecutive_failures, 1, "the breaker knows why it was cut");
}

#[tokio::test]
async fn an_open_breaker_is_service_unavailable_and_says_when_to_come_back() {
    let (address, _) = server(AMPLE).await;
    for _ in 0..2 {
        assert_eq!(ask(address, "/broken").await.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
    let refused = ask(address, "/broken").await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    let seconds: u64 = refused.headers()[RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((1..=66).contains(&seconds), "{seconds}: up to a minute and a tenth");
    assert_eq!(refused.headers()[CONTENT_TYPE], "application/problem+json");
    let text = refused.text().await.unwrap();
    assert!(text.contains(r#""reason":"circuit_open""#), "{text}");
}

/// axum calls `layer` once per route, and clones the services for each connection.
#[tokio::test]
async fn trap_28_all_routes_and_connections_share_one_breaker() {
    let (address, breaker) = server(AMPLE).await;
    assert_eq!(ask(address, "/fine").await.text().await.unwrap(), "fine");
    for _ in 0..2 {
        ask(address, "/broken").await;
    }
    for path in ["/fine", "/deadline", "/hangs"] {
        assert_eq!(ask(address, path).await.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
    }
    breaker.reset();
    assert_eq!(ask(address, "/fine").await.status(), StatusCode::OK);

    breaker.force_open(time::now());
    let forced = ask(address, "/fine").await;
    assert_eq!(forced.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(forced.headers().get(RETRY_AFTER), None, "nobody knows when an operator changes his mind");
}

#[tokio::test]
async fn a_handler_sees_the_deadline() {
    let (address, _) = server(AMPLE).await;
    assert_eq!(ask(address, "/deadline").await.text().await.unwrap(), "Some(60s)");
}

/// Four calls, and then one a minute; the last layers of axum's are the outermost.
async fn limited_server() -> (SocketAddr, RateLimiter) {
    let limit = RateLimitLayer::new(Quota::per_minute(1).burst(4));
    let limiter = limit.limiter().clone();
    let stack = ServiceBuilder::new()
        .layer(RateLimitFieldsLayer::new(&limit))
        .layer(RespondLayer::new())
        .layer(limit)
        .layer(ErrorLayer::new());
    let router = Router::new()
        .route("/one", get(|| async { "one" }))
        .route("/other", get(|| async { "other" }))
        .layer(stack);
    (serve(router).await.unwrap(), limiter)
}

/// axum calls `layer` once per route, and clones the services for each connection.
#[tokio::test]
async fn trap_28_all_routes_and_connections_share_one_limiter() {
    let (address, limiter) = limited_server().await;
    for path in ["/one", "/other", "/one", "/other"] {
        assert_eq!(ask(address, path).await.status(), StatusCode::OK, "{path}");
    }
    assert_eq!(limiter.tokens(time::now()), 0);
    for path in ["/one", "/other"] {
        let refused = ask(address, path).await;
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS, "{path}");
        let seconds: u64 = refused.headers()[RETRY_AFTER].to_str().unwrap().parse().unwrap();
        assert!((1..=60).contains(&seconds), "{seconds}");
        assert_eq!(refused.headers()["ratelimit-policy"], r#""default";q=4;w=240"#);
        assert_eq!(refused.headers()["ratelimit"], format!(r#""default";r=0;t={seconds}"#));
    }
}

#[tokio::test]
async fn trap_27_clients_behind_a_proxy_have_limits_of_their_own_and_cannot_choose() {
    // All connections come from here: it is the proxy, and its word is the header.
    let proxies = TrustedProxies::new(["127.0.0.0/8"]).unwrap();
    let client = ClientAddr::new(|_| Some([127, 0, 0, 1].into())).behind(proxies);
    let limit = KeyedRateLimitLayer::new(
        move |request: &axum::extract::Request| client.of(request),
        Quota::per_minute(1),
    );
    let stack = ServiceBuilder::new()
        .layer(RateLimitFieldsLayer::by(&limit))
        .layer(RespondLayer::new())
        .layer(limit)
        .layer(ErrorLayer::new());
    let address = serve(Router::new().route("/", get(|| async {})).layer(stack)).await.unwrap();
    let http = Client::builder().no_proxy().build().unwrap();
    let mut statuses = Vec::new();
    for forwarded_for in ["198.51.100.1", "6.6.6.6, 198.51.100.1", "198.51.100.2"] {
        let request = http.get(format!("http://{address}/")).header("x-forwarded-for", forwarded_for);
        let response = request.send().await.unwrap();
        assert!(response.headers().contains_key("ratelimit"));
        statuses.push(response.status().as_u16());
    }
    assert_eq!(statuses, [200, 429, 200]);
}
