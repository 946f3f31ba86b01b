//! A generated server under the policies of a server: any client reads refusals as it reads a status of the handler's.

use std::time::Duration;

use resilience_core::{Classify, Hint, Quota, bulkhead};
use resilience_tower::{
    BulkheadLayer, ErrorLayer, RateLimitLayer, TimeoutLayer,
    grpc::{ClassifyCode, RespondLayer},
    http::deadline::{DeadlineHeader, ReadDeadlineLayer},
    stack::{ServerLayer, ServerSettings},
};
use tests::{
    grpc::channel,
    server::listen,
    shop::{Answer, STOCK, ScriptedShop, ShopClient, ShopServer},
};
use tonic::{
    Code, Status,
    transport::{Channel, Server, server::TcpIncoming},
};
use tower::ServiceBuilder;

use super::{AMPLE, MS, pears};

/// A shop that gives each call `limit`, takes one at a time, and no more than `burst` in a minute or so.
async fn open(
    limit: Duration,
    burst: u32,
    script: impl IntoIterator<Item = Answer>,
) -> (ScriptedShop, ShopClient<Channel>) {
    let stack = ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(RateLimitLayer::new(Quota::per_minute(1).burst(burst)))
        .layer(ReadDeadlineLayer::new().header(DeadlineHeader::grpc()))
        .layer(BulkheadLayer::new(bulkhead::Config::new(1)).until_body_end())
        .layer(TimeoutLayer::total(limit))
        .layer(ErrorLayer::new());
    let shop = ScriptedShop::new(script);
    let (listener, address) = listen().await.unwrap();
    let server = Server::builder().layer(stack).add_service(ShopServer::new(shop.clone()));
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    (shop, ShopClient::new(channel(&format!("http://{address}"))))
}

fn hint(status: &Status) -> Option<Hint> {
    ClassifyCode.hint(Err::<&(), _>(status))
}

#[tokio::test]
async fn answers_once_and_in_streams_arrive_and_then_the_rate_limit() {
    let (shop, mut client) = open(AMPLE, 2, []).await;
    assert_eq!(client.stock(pears()).await.unwrap().into_inner().pieces, STOCK);
    let mut counts = client.watch(pears()).await.unwrap().into_inner();
    assert_eq!(counts.message().await.unwrap().unwrap().pieces, STOCK);
    assert_eq!(counts.message().await.unwrap(), None);

    for limited in [client.stock(pears()).await.unwrap_err(), client.watch(pears()).await.unwrap_err()] {
        assert_eq!(limited.code(), Code::ResourceExhausted);
        assert!(matches!(hint(&limited), Some(Hint::Exactly(wait)) if wait <= AMPLE), "{limited:?}");
    }
    assert_eq!(shop.take().len(), 2);
}

#[tokio::test]
async fn a_stream_holds_its_permit_until_it_ends() {
    let (shop, mut client) = open(AMPLE, 9, [Answer::ThenHang(3)]).await;
    let mut counts = client.watch(pears()).await.unwrap().into_inner();
    assert_eq!(counts.message().await.unwrap().unwrap().pieces, 3);
    let full = client.stock(pears()).await.unwrap_err();
    assert_eq!(full.code(), Code::Unavailable);
    assert_eq!(shop.take().len(), 1);
    drop(counts);
    // The server hears of it in its own time.
    while client.stock(pears()).await.is_err_and(|status| status.code() == Code::Unavailable) {}
}

#[tokio::test]
async fn a_call_that_takes_too_long_is_deadline_exceeded() {
    let (shop, mut client) = open(20 * MS, 9, [Answer::Hang]).await;
    let late = client.stock(pears()).await.unwrap_err();
    assert_eq!((late.code(), hint(&late)), (Code::DeadlineExceeded, None));
    assert_eq!(shop.take().len(), 1);
}

#[tokio::test]
async fn the_preset_serves_generated_servers() {
    let settings = ServerSettings::new().rate_limit(Quota::per_minute(1).burst(3)).total_timeout(20 * MS);
    let layer = ServerLayer::new("shop", &settings).unwrap().grpc();
    let handle = layer.handle().clone();
    let shop = ScriptedShop::new([Answer::Pieces(3), Answer::Hang]);
    let (listener, address) = listen().await.unwrap();
    let server = Server::builder().layer(layer).add_service(ShopServer::new(shop.clone()));
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    let mut client = ShopClient::new(channel(&format!("http://{address}")));

    assert_eq!(client.stock(pears()).await.unwrap().into_inner().pieces, 3);
    assert_eq!(client.stock(pears()).await.unwrap_err().code(), Code::DeadlineExceeded);
    let mut counts = client.watch(pears()).await.unwrap().into_inner();
    assert_eq!(counts.message().await.unwrap().unwrap().pieces, STOCK);
    assert_eq!(client.stock(pears()).await.unwrap_err().code(), Code::ResourceExhausted);
    assert_eq!(shop.take().len(), 3);
    assert_eq!(handle.adaptive().unwrap().snapshot().in_flight, 0);
}
