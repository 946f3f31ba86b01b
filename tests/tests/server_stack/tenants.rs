//! Tenants told apart by their API key.

use axum::{Router, extract::Request, routing};
use http::HeaderName;
use reqwest::RequestBuilder;
use resilience_core::{Call, Quota, adaptive};
use resilience_tower::{
    http::rate_limit::HeaderKey,
    stack::{ServerLayer, ServerSettings},
};
use std::net::SocketAddr;
use tests::server::serve;
use tokio::task::JoinSet;

use super::{all_is_given_back, client, gate::Gate};

const KEY: HeaderName = HeaderName::from_static("x-api-key");

fn by(tenant: &str, address: SocketAddr, path: &str) -> RequestBuilder {
    client::get(address, path).header(KEY, tenant)
}

async fn status(request: RequestBuilder) -> u16 {
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn each_tenant_has_a_rate_of_its_own_over_all_routes() {
    let settings = ServerSettings::new().rate_limit(Quota::per_hour(1).burst(2));
    let keys = HeaderKey::new(KEY);
    let layer = ServerLayer::new("api", &settings)
        .unwrap()
        .per(move |call: &Call<Request>| keys.of(call.request().headers()));
    let handle = layer.handle().clone();
    let handler = || routing::get(|| async { "fine" });
    let router = Router::new().route("/one", handler()).route("/other", handler()).layer(layer);
    let address = serve(router).await.unwrap();
    for path in ["/one", "/other"] {
        assert_eq!(status(by("ada", address, path)).await, 200, "{path}");
    }
    for path in ["/one", "/other"] {
        assert_eq!(status(by("ada", address, path)).await, 429, "{path}");
        assert_eq!(status(by("bob", address, path)).await, 200, "{path}");
    }
    // Those without a key are one tenant.
    let nobody = async || client::status(address, "/one").await;
    assert_eq!([nobody().await, nobody().await, nobody().await], [200, 200, 429]);
    all_is_given_back(&handle).await;

    // A change of the rate is one for all of them.
    handle.reconfigure(&ServerSettings::new().rate_limit(Quota::per_second(1_000_000).burst(1_000))).unwrap();
    for tenant in ["ada", "bob", "eve"] {
        assert_eq!(status(by(tenant, address, "/one")).await, 200, "{tenant}");
    }
}

#[tokio::test]
async fn one_that_takes_all_it_can_get_leaves_room_for_the_others() {
    let settings = ServerSettings::new().adaptive(adaptive::Config::default().initial(20).bounds(20, 20));
    let keys = HeaderKey::new(KEY);
    let layer = ServerLayer::new("api", &settings)
        .unwrap()
        .per(move |call: &Call<Request>| keys.of(call.request().headers()));
    let handle = layer.handle().clone();
    let gate = Gate::new();
    let hold = gate.clone();
    let router = Router::new().route("/", routing::get(move || hold.pass())).layer(layer);
    let address = serve(router).await.unwrap();

    let mut admitted = JoinSet::new();
    for tenant in ["bob", "eve"] {
        admitted.spawn(status(by(tenant, address, "/")));
        gate.has_one().await;
    }
    // One after the other, so that the first that is not in the handler has been refused.
    let mut greedy = 0;
    loop {
        let mut request = tokio::spawn(status(by("ada", address, "/")));
        tokio::select! {
            status = &mut request => {
                assert_eq!(status.unwrap(), 503);
                break;
            }
            () = gate.has_one() => {
                greedy += 1;
                admitted.spawn(async move { request.await.unwrap() });
            }
        }
    }
    assert!((10..=14).contains(&greedy), "{greedy} of 18, of which the others have two");
    for tenant in ["bob", "eve"] {
        admitted.spawn(status(by(tenant, address, "/")));
        gate.has_one().await;
    }

    gate.let_pass(greedy + 4);
    let statuses = admitted.join_all().await;
    assert_eq!(statuses, vec![200; greedy + 4]);
    all_is_given_back(&handle).await;
}
