//! Servers that are not there, or go away.

use std::{net::SocketAddr, sync::Arc};

use resilience_core::{
    Backoff, Context,
    circuit_breaker::State,
    retry::{Reason, Trail},
};
use resilience_tower::grpc::{Methods, client_with};
use tests::{
    grpc::channel,
    server::listen,
    shop::{Answer, STOCK, ScriptedShop, ShopClient},
    time,
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpSocket, TcpStream},
    sync::Notify,
    task::yield_now,
};
use tonic::{Code, body::Body};
use tower::{Layer, util::MapResponseLayer};

use super::{
    breaker::{quick, refusal},
    guarded, pears, policy, request, settings, status, stock,
};

const AGAIN: Context = Context::new().assume_idempotent();

/// A port where nobody listens yet.
fn closed() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// Nothing was sent, so nobody has to say that it may be sent again.
#[tokio::test]
async fn a_closed_port_is_tried_again_and_opens_the_breaker() {
    let (_socket, address) = closed();
    let channel = guarded(&settings().circuit_breaker(quick()), address);
    let (answer, trail) = stock(&channel, Context::new()).await;
    let status = answer.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    // The second failure opens it, and it refuses the third attempt.
    assert_eq!(trail.gave_up().unwrap().attempts, 3);
    assert!(refusal(&status).is_some());
    assert_eq!(channel.handle().policies("").circuit_breaker().unwrap().state(time::now()), State::Open);
}

#[tokio::test]
async fn the_status_of_a_closed_port_is_that_of_the_bare_channel() {
    let (_socket, address) = closed();
    let bare = channel(&format!("http://{address}"));
    let bare = ShopClient::new(bare).stock(pears()).await.unwrap_err();
    let status = stock(&guarded(&settings().retry(None), address), AGAIN).await.0.unwrap_err();
    assert_eq!((status.code(), status.message()), (bare.code(), bare.message()));
    assert_eq!(status.code(), Code::Unavailable);
}

#[tokio::test]
async fn a_server_that_comes_up_meanwhile_is_found() {
    let (socket, address) = closed();
    let persistent = policy().max_attempts(u32::MAX).backoff(Backoff::none());
    let settings = settings().retry(persistent).without_retry_budget().circuit_breaker(None).throttle(None);
    let channel = guarded(&settings, address);
    let (shop, trail) = (ScriptedShop::default(), Trail::new());
    let call = request(pears(), Context::new().with_trail(trail.clone()));
    let mut client = ShopClient::new(channel);
    let comes_up = async {
        while trail.attempts() < 3 {
            yield_now().await;
        }
        shop.open_at(socket.listen(16).unwrap());
    };
    let (answer, ()) = tokio::join!(client.stock(call), comes_up);
    assert_eq!(answer.unwrap().into_inner().pieces, STOCK);
    assert_eq!(shop.take().len(), 1);
}

/// Stands before `server`, and resets the connections when it is told to.
async fn breakable(server: SocketAddr) -> (SocketAddr, Arc<Notify>) {
    let (listener, address) = listen().await.unwrap();
    let reset = Arc::new(Notify::new());
    let told = Arc::clone(&reset);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let told = Arc::clone(&told);
            tokio::spawn(async move {
                let mut server = TcpStream::connect(server).await.unwrap();
                tokio::select! {
                    _ = copy_bidirectional(&mut client, &mut server) => {}
                    () = told.notified() => client.set_zero_linger().unwrap(),
                }
            });
        }
    });
    (address, reset)
}

#[tokio::test]
async fn a_connection_that_is_reset_while_the_server_works() {
    for (context, attempts) in [(AGAIN, 2_u32), (Context::new(), 1)] {
        let shop = ScriptedShop::new([Answer::Hang]);
        let (address, reset) = breakable(shop.open().await.unwrap()).await;
        let channel = guarded(&settings(), address);
        let breaks = async {
            shop.wait_for_a_call().await;
            reset.notify_waiters();
        };
        let ((answer, trail), ()) = tokio::join!(stock(&channel, context), breaks);
        assert_eq!((answer.is_ok(), trail.attempts()), (attempts == 2, attempts));
        assert_eq!(shop.take().len() == 2, attempts == 2);
        let reason = trail.gave_up().map(|gave_up| gave_up.reason);
        assert_eq!(reason, (attempts == 1).then_some(Reason::Unsafe));
    }
}

/// Seen by the policies where the answer is read up to its status.
#[tokio::test]
async fn a_connection_that_is_reset_in_the_middle_of_an_answer() {
    for (unary, attempts) in [(Methods::all(), 2), (Methods::none(), 1)] {
        let (_shop, address) = status::late_status([Answer::ThenHang(3)]).await;
        let (address, reset) = breakable(address).await;
        let begun = Arc::new(Notify::new());
        let begins = Arc::clone(&begun);
        let bare = MapResponseLayer::new(move |answer: http::Response<Body>| {
            begins.notify_one();
            answer
        })
        .layer(channel(&format!("http://{address}")));
        let channel = client_with("shop", &settings(), bare).unwrap().unary(unary);
        let breaks = async {
            begun.notified().await;
            reset.notify_waiters();
        };
        let ((answer, trail), ()) = tokio::join!(stock(&channel, AGAIN), breaks);
        assert_eq!((answer.ok(), trail.attempts()), ((attempts == 2).then_some(STOCK), attempts));
    }
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_the_callers() {
    let shop = ScriptedShop::new([Answer::ThenHang(3)]);
    let (address, reset) = breakable(shop.open().await.unwrap()).await;
    let channel = guarded(&settings(), address);
    let mut counts = ShopClient::new(channel).watch(request(pears(), AGAIN)).await.unwrap().into_inner();
    assert_eq!(counts.message().await.unwrap().unwrap().pieces, 3);
    reset.notify_waiters();
    assert!(counts.message().await.is_err());
    assert_eq!(shop.take().len(), 1);
}
