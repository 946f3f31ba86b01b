//! A `tonic` server and client, and calls that answer once.

use resilience_tower::{
    grpc::Methods,
    idempotency::{IdempotencyLayer, Settings, grpc::Grpc},
};
use tests::{
    grpc::channel,
    server::listen,
    shop::{Answer, Article, STOCK, ScriptedShop, ShopClient, ShopServer},
};
use tonic::{
    Code, Request, Status,
    transport::{Channel, Server, server::TcpIncoming},
};

use super::guard;

async fn open(script: impl IntoIterator<Item = Answer>) -> (ScriptedShop, ShopClient<Channel>) {
    let shop = ScriptedShop::new(script);
    let layer = IdempotencyLayer::new(
        guard(Settings::new()),
        Grpc::single_tenant(Methods::from(["shop.Shop/Stock"])),
    );
    let (listener, address) = listen().await.unwrap();
    let server = Server::builder().layer(layer).add_service(ShopServer::new(shop.clone()));
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    (shop, ShopClient::new(channel(&format!("http://{address}"))))
}

fn keyed(key: &'static str, article: &str) -> Request<Article> {
    let mut request = Request::new(Article { name: article.to_owned() });
    request.metadata_mut().insert("idempotency-key", key.parse().unwrap());
    request
}

#[tokio::test]
async fn a_call_is_carried_out_once_and_its_answer_replayed() {
    let (shop, mut client) = open([Answer::Pieces(5)]).await;
    for is_replayed in [false, true] {
        let answer = client.stock(keyed("one", "pears")).await.unwrap();
        assert_eq!(answer.metadata().contains_key("idempotent-replayed"), is_replayed);
        assert_eq!(answer.get_ref().pieces, 5);
    }
    let reused = client.stock(keyed("one", "plums")).await.unwrap_err();
    assert_eq!(reused.code(), Code::InvalidArgument);
    assert_eq!(client.stock(keyed("two", "plums")).await.unwrap().get_ref().pieces, STOCK);
    assert_eq!(shop.take().len(), 2);
}

#[tokio::test]
async fn a_status_is_a_result_or_says_that_nothing_has_happened() {
    let fail = |status| Answer::Fail(status);
    let (shop, mut client) = open([
        fail(Status::unavailable("later")),
        fail(Status::internal("half done")),
        fail(Status::not_found("no pears")),
    ])
    .await;
    for code in [Code::Unavailable, Code::Internal, Code::NotFound, Code::NotFound] {
        assert_eq!(client.stock(keyed("one", "pears")).await.unwrap_err().code(), code);
    }
    assert_eq!(shop.take().len(), 3);
}

#[tokio::test]
async fn streams_pass_by() {
    let (shop, mut client) = open([]).await;
    for _ in 0..2 {
        let mut counts = client.watch(keyed("one", "pears")).await.unwrap().into_inner();
        assert_eq!(counts.message().await.unwrap().unwrap().pieces, STOCK);
    }
    assert_eq!(shop.take().len(), 2);
}
