//! A status that comes after the message.

use std::net::SocketAddr;

use resilience_core::{Context, circuit_breaker::State};
use resilience_tower::grpc::Methods;
use tests::{
    server::listen,
    shop::{Answer, STOCK, ScriptedShop, ShopClient, ShopServer},
    time,
};
use tonic::{
    Code, Request, Status,
    body::Body,
    transport::{Server, server::TcpIncoming},
};
use tower::util::MapRequestLayer;

use super::{
    MS,
    breaker::{quick, refusal},
    guarded, pears, settings, shop, stock,
};

const AGAIN: Context = Context::new().assume_idempotent();

/// A shop whose `Stock` is answered as `Watch` is: head and message, and then the status.
pub(super) async fn late_status(script: impl IntoIterator<Item = Answer>) -> (ScriptedShop, SocketAddr) {
    let shop = ScriptedShop::new(script);
    let watch = MapRequestLayer::new(|mut request: http::Request<Body>| {
        *request.uri_mut() = "/shop.Shop/Watch".parse().unwrap();
        request
    });
    let (listener, address) = listen().await.unwrap();
    let server = Server::builder().layer(watch).add_service(ShopServer::new(shop.clone()));
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    (shop, address)
}

fn closing() -> Answer {
    let mut status = Status::with_details(Code::Unavailable, "closing", "details".into());
    status.metadata_mut().insert("x-till", "nine".parse().unwrap());
    Answer::ThenFail(3, status)
}

fn is_closing(status: &Status) {
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "closing"));
    assert_eq!(
        (status.details(), status.metadata().get("x-till")),
        (&b"details"[..], Some(&"nine".parse().unwrap()))
    );
}

#[tokio::test]
async fn it_is_seen_by_all_policies_where_the_method_is_known_to_answer_once() {
    let settings = settings().circuit_breaker(quick());
    for unary in [Methods::all(), Methods::from(["shop.Shop/Stock"])] {
        let (shop, address) = late_status([closing(), Answer::Pieces(2), closing(), closing()]).await;
        let channel = guarded(&settings, address).unary(unary);
        let (answer, trail) = stock(&channel, AGAIN).await;
        assert_eq!((answer.unwrap(), trail.attempts()), (2, 2));

        for _ in 0..2 {
            is_closing(&stock(&channel, Context::new()).await.0.unwrap_err());
        }
        assert_eq!(channel.handle().policies("").circuit_breaker().unwrap().state(time::now()), State::Open);
        assert!(refusal(&stock(&channel, AGAIN).await.0.unwrap_err()).is_some());
        assert_eq!(shop.take().len(), 4);
    }
}

#[tokio::test]
async fn it_is_seen_of_every_attempt() {
    let (shop, address) = late_status([closing(), closing(), Answer::Pieces(2)]).await;
    let channel = guarded(&settings(), address).unary(Methods::all());
    let (answer, trail) = stock(&channel, AGAIN).await;
    assert_eq!((answer.unwrap(), trail.attempts(), shop.take().len()), (2, 3, 3));
}

/// The limit of what can be done without being told: a stream looks the same.
#[tokio::test]
async fn it_is_seen_by_the_caller_alone_where_not() {
    let settings = settings().circuit_breaker(quick());
    for (unary, streaming) in [(Methods::none(), Methods::none()), (Methods::all(), Methods::all())] {
        let (shop, address) = late_status([closing(), closing(), closing()]).await;
        let channel = guarded(&settings, address).unary(unary).streaming(streaming);
        for _ in 0..3 {
            is_closing(&stock(&channel, AGAIN).await.0.unwrap_err());
        }
        assert_eq!(
            channel.handle().policies("").circuit_breaker().unwrap().state(time::now()),
            State::Closed
        );
        assert_eq!(shop.take().len(), 3);
    }
}

#[tokio::test]
async fn the_caller_reads_the_same_message_and_trailers() {
    let (_shop, address) = late_status([]).await;
    let channel = guarded(&settings(), address);
    for channel in [channel.clone(), channel.unary(Methods::all())] {
        let answer = ShopClient::new(channel).stock(pears()).await.unwrap();
        assert_eq!(answer.metadata().get("grpc-status").unwrap(), "0");
        assert_eq!(answer.into_inner().pieces, STOCK);
    }
}

#[tokio::test]
async fn the_limits_on_time_hold_up_to_it() {
    let settings = settings().attempt_timeout(100 * MS);
    let (shop, address) = late_status([Answer::ThenHang(3)]).await;
    let (answer, trail) = stock(&guarded(&settings, address).unary(Methods::all()), AGAIN).await;
    assert_eq!((answer.unwrap(), trail.attempts(), shop.take().len()), (STOCK, 2, 2));
}

/// What streams goes on as it comes, whatever was said of the others.
#[tokio::test]
async fn a_stream_is_not_held_back() {
    let (_shop, channel) = shop(&settings(), [Answer::ThenHang(3)]).await;
    let channel = channel.unary(Methods::all()).streaming(["shop.Shop/Watch"]);
    let mut counts = ShopClient::new(channel).watch(Request::new(pears())).await.unwrap().into_inner();
    assert_eq!(counts.message().await.unwrap().unwrap().pieces, 3);
}
