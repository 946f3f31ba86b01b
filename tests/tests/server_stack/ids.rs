//! The correlation id of a request, of its answer, and of its refusal.

use axum::{Router, routing};
use http::HeaderMap;
use resilience_core::Quota;
use resilience_tower::{
    http::correlation::X_CORRELATION_ID,
    stack::{self, ServerLayer, ServerSettings},
};
use tests::server::serve;

use super::client::{Answer, get};

const NAME: &str = "x-correlation-id";

/// Tells the id that the handler sees.
async fn tell(headers: HeaderMap) -> String {
    headers[X_CORRELATION_ID].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_good_id_is_kept_and_otherwise_one_is_made_and_the_answer_has_it() {
    let address =
        serve(Router::new().route("/", routing::get(tell)).layer(stack::server("api"))).await.unwrap();
    let known = Answer::to(get(address, "/").header(NAME, "order-7")).await;
    assert_eq!((known.text.as_str(), known.header(NAME)), ("order-7", Some("order-7")));
    let mut made = Vec::new();
    for bad in [None, None, Some("a b"), Some(""), Some(&"x".repeat(10_000))] {
        let mut request = get(address, "/");
        if let Some(bad) = bad {
            request = request.header(NAME, bad);
        }
        let answer = Answer::to(request).await;
        assert_eq!(answer.header(NAME), Some(answer.text.as_str()));
        assert!(bad != Some(&answer.text));
        made.push(answer.text);
    }
    made.sort();
    made.dedup();
    assert_eq!(made.len(), 5, "each its own");
}

#[tokio::test]
async fn a_refusal_names_the_id_as_well() {
    let settings = ServerSettings::new().rate_limit(Quota::per_hour(1));
    let layer = ServerLayer::new("api", &settings).unwrap();
    let handle = layer.handle().clone();
    let address = serve(Router::new().route("/", routing::get(tell)).layer(layer)).await.unwrap();
    let ask = async |id| Answer::to(get(address, "/").header(NAME, id)).await;
    assert_eq!(ask("first").await.status, 200);
    let limited = ask("second").await;
    assert_eq!((limited.problem().0, limited.header(NAME)), (429, Some("second")));
    drop(handle.drain().drain(std::time::Duration::ZERO));
    let draining = ask("third").await;
    assert_eq!((draining.problem().0, draining.header(NAME)), (503, Some("third")));
    let made = Answer::to(get(address, "/")).await;
    assert!(made.header(NAME).is_some_and(|id| !id.is_empty()), "{made:?}");
}
