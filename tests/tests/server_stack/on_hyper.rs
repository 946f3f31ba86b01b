//! Plain `hyper`, without a framework: a function as the service, and a layer of `tower-http` in between.

use std::{convert::Infallible, fmt::Debug, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use resilience_core::{BoxError, Quota, bulkhead};
use resilience_tower::stack::{ServerHandle, ServerLayer, ServerSettings};
use tests::server::listen;
use tower::{Service, ServiceBuilder, service_fn};
use tower_http::{body::Limited, limit::RequestBodyLimitLayer};

use super::{
    all_is_given_back,
    client::{self, Answer, read, send},
    gate::Gate,
};

/// Serves each connection with a clone of the service.
async fn serve<S, B>(service: S) -> SocketAddr
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let (listener, address) = listen().await.unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(service.clone());
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    address
}

fn layer(settings: &ServerSettings) -> (ServerLayer, ServerHandle) {
    let layer = ServerLayer::new("api", settings).unwrap();
    let handle = layer.handle().clone();
    (layer, handle)
}

/// Says how long the body is, or that it is too long.
async fn length<B>(request: Request<Limited<B>>) -> Result<Response<Full<Bytes>>, Infallible>
where
    B: Body<Data: Debug, Error: Into<BoxError>>,
{
    let text = match request.into_body().collect().await {
        Ok(body) => body.to_bytes().len().to_string(),
        Err(_) => "cut".to_owned(),
    };
    Ok(Response::new(Full::from(text)))
}

#[tokio::test]
async fn a_function_under_the_stack_and_a_layer_of_tower_http() {
    let (api, handle) = layer(&ServerSettings::new().rate_limit(Quota::per_hour(1).burst(2)));
    let service =
        ServiceBuilder::new().layer(api).layer(RequestBodyLimitLayer::new(8)).service(service_fn(length));
    let address = serve(service).await;
    let post = |text: &'static str| {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        client.post(format!("http://{address}/")).header("x-correlation-id", "order-7").body(text)
    };
    let answers = [
        Answer::to(post("short")).await,
        Answer::to(post("longer than eight bytes")).await,
        Answer::to(post("short")).await,
    ];
    assert_eq!(answers.each_ref().map(|answer| answer.status), [200, 413, 429]);
    assert!(answers.iter().all(|answer| answer.header("x-correlation-id") == Some("order-7")));
    assert_eq!(answers[0].text, "5");
    assert_eq!(answers[2].problem(), (429, "rate_limited"));
    all_is_given_back(&handle).await;
}

/// An error of the service is nothing that the stack could answer: `hyper` closes the connection.
#[tokio::test]
async fn a_service_that_fails_closes_its_connection_and_leaks_nothing() {
    let (api, handle) = layer(&ServerSettings::new().bulkhead(bulkhead::Config::new(5)));
    let fails = service_fn(async |request: Request<Incoming>| match request.uri().path() {
        "/fine" => Ok(Response::new(Full::<Bytes>::from("fine"))),
        _ => Err(std::io::Error::other("broken")),
    });
    let address = serve(ServiceBuilder::new().layer(api).service(fails)).await;
    for _ in 0..10 {
        assert_eq!(read(send(address, "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await).await, "");
    }
    all_is_given_back(&handle).await;
    assert_eq!(client::status(address, "/fine").await, 200);
}

#[tokio::test]
async fn a_client_that_goes_away_leaks_nothing_and_a_drain_waits_for_those_that_stay() {
    let (api, handle) = layer(&ServerSettings::new());
    let gate = Gate::new();
    let hold = Arc::new(gate.clone());
    let waits = service_fn(move |_: Request<Incoming>| {
        let hold = Gate::clone(&hold);
        async move { Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(hold.pass().await))) }
    });
    let address = serve(ServiceBuilder::new().layer(api).service(waits)).await;
    let leaves = send(address, "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    gate.has_one().await;
    let stays = tokio::spawn(Answer::to(client::get(address, "/")));
    gate.has_one().await;
    drop(leaves);
    let drained = tokio::spawn({
        let handle = handle.clone();
        async move { all_is_given_back(&handle).await }
    });
    gate.let_pass(2);
    assert_eq!(stays.await.unwrap().text, "passed");
    drained.await.unwrap();
}
