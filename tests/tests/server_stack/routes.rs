//! `axum` calls `layer` once per route: what shares the stack, and what does not.

use axum::{Router, routing::get};
use resilience_core::Quota;
use resilience_tower::stack::{self, ServerLayer, ServerSettings};
use tests::server::serve;

use super::{
    all_is_given_back,
    client::{self, Answer},
    gate::Gate,
};

/// Lets so many requests through, and then one an hour.
fn limited(name: &str, burst: u32) -> ServerLayer {
    ServerLayer::new(name, &ServerSettings::new().rate_limit(Quota::per_hour(1).burst(burst))).unwrap()
}

#[tokio::test]
async fn trap_28_the_routes_of_a_router_share_one_stack_and_so_does_what_it_does_not_know() {
    let nested = Router::new().route("/deep", get(|| async { "deep" }));
    let router = Router::new()
        .route("/one", get(|| async { "one" }))
        .route("/other", get(|| async { "other" }))
        .nest("/nested", nested)
        .layer(limited("api", 4));
    let address = serve(router).await.unwrap();
    for (path, expected) in [("/one", 200), ("/other", 200), ("/nested/deep", 200), ("/nowhere", 404)] {
        assert_eq!(client::status(address, path).await, expected, "{path}");
    }
    for path in ["/one", "/other", "/nested/deep", "/nowhere"] {
        assert_eq!(client::status(address, path).await, 429, "{path}");
    }
}

/// What stands around a body knows how long it is, so that nothing is sent in chunks for no reason.
#[tokio::test]
async fn answers_and_refusals_say_how_long_they_are() {
    let router = Router::new().route("/", get(|| async { "fine" })).layer(limited("api", 1));
    let address = serve(router).await.unwrap();
    for status in [200, 429] {
        let answer = Answer::to(client::get(address, "/")).await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("content-length"), Some(answer.text.len().to_string().as_str()));
        assert_eq!(answer.header("transfer-encoding"), None);
    }
}

#[tokio::test]
async fn requests_on_different_routes_are_in_flight_together() {
    let (api, gate) = (stack::server("api"), Gate::new());
    let handle = api.handle().clone();
    let hold = |gate: Gate| get(move || gate.pass());
    let router =
        Router::new().route("/one", hold(gate.clone())).route("/other", hold(gate.clone())).layer(api);
    let address = serve(router).await.unwrap();
    let running = ["/one", "/other"].map(|path| tokio::spawn(client::status(address, path)));
    gate.has_one().await;
    gate.has_one().await;
    assert_eq!(handle.adaptive().unwrap().snapshot().in_flight, 2);
    assert_eq!(handle.drain().snapshot().running, 2);
    gate.let_pass(2);
    for request in running {
        assert_eq!(request.await.unwrap(), 200);
    }
    all_is_given_back(&handle).await;
}

#[tokio::test]
async fn a_stack_around_one_route_is_its_own() {
    let handler = || get(|| async { "fine" });
    let routed = Router::new().route("/routed", handler()).route_layer(limited("routed", 2));
    let router = Router::new()
        .route("/a", handler().layer(limited("a", 1)))
        .route("/b", handler().layer(limited("b", 1)))
        .route("/bare", handler())
        .merge(routed);
    let address = serve(router).await.unwrap();
    for path in ["/a", "/b"] {
        assert_eq!(client::status(address, path).await, 200, "{path}");
        assert_eq!(client::status(address, path).await, 429, "{path}");
    }
    // A `route_layer` is around routes alone.
    for (path, expected) in [("/nowhere", 404), ("/routed", 200), ("/routed", 200), ("/routed", 429)] {
        assert_eq!(client::status(address, path).await, expected, "{path}");
    }
    assert_eq!(client::status(address, "/bare").await, 200);
}

#[tokio::test]
async fn one_stack_around_two_routers_on_two_ports_is_one_stack() {
    let api = limited("api", 1);
    let router = || Router::new().route("/", get(|| async { "fine" })).layer(api.clone());
    let (one, other) = (serve(router()).await.unwrap(), serve(router()).await.unwrap());
    assert_eq!(client::status(one, "/").await, 200);
    assert_eq!(client::status(other, "/").await, 429);
}

/// The settings of a stack that serves are changed for all of its routes.
#[tokio::test]
async fn a_change_reaches_every_route() {
    let api = limited("api", 1);
    let handle = api.handle().clone();
    let handler = || get(|| async { "fine" });
    let router = Router::new().route("/one", handler()).route("/other", handler()).layer(api);
    let address = serve(router).await.unwrap();
    assert_eq!(client::status(address, "/one").await, 200);
    assert_eq!(client::status(address, "/other").await, 429);
    handle.reconfigure(&ServerSettings::new().rate_limit(Quota::per_second(1_000_000).burst(1_000))).unwrap();
    for path in ["/one", "/other", "/one"] {
        assert_eq!(client::status(address, path).await, 200, "{path}");
    }
}
