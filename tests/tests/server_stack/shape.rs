//! What the types of the preset are: small, and as free to move as a server needs them.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    mem::size_of_val,
};

use axum::extract::Request;
use http::{HeaderName, Response};
use resilience_core::{Call, Quota, bulkhead};
use resilience_tower::{
    http::rate_limit::HeaderKey,
    stack::{ServerLayer, ServerSettings},
};
use tower::{Layer, Service, service_fn};

type Answer = Ready<Result<Response<String>, Infallible>>;

fn answer(_: Request) -> Answer {
    ready(Ok(Response::new(String::new())))
}

fn everything() -> ServerLayer {
    let settings = ServerSettings::new()
        .rate_limit(Quota::per_second(1_000))
        .bulkhead(bulkhead::Config::new(100).max_wait(super::MS));
    ServerLayer::new("api", &settings).unwrap()
}

/// What the stack adds to a future. It fails to compile where the service or its future cannot go where a server takes them.
fn added<S>(mut service: S) -> usize
where
    S: Service<Request, Future: Send + 'static> + Clone + Send + Sync + 'static,
{
    let future = service.call(Request::default());
    size_of_val(&future) - size_of::<Answer>()
}

#[tokio::test]
async fn a_request_takes_less_than_a_kibibyte_beside_what_its_handler_takes() {
    let keys = HeaderKey::new(HeaderName::from_static("x-api-key"));
    let keyed = everything().per(move |call: &Call<Request>| keys.of(call.request().headers()));
    let added = [added(everything().layer(service_fn(answer))), added(keyed.layer(service_fn(answer)))];
    println!("{added:?} bytes");
    assert!(added.into_iter().all(|bytes| bytes < 1_024), "{added:?}");
}
