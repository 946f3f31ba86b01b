//! Clients that go away, and servers that stop.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{Router, routing::post};
use resilience_tower::idempotency::{Execution, IdempotencyLayer, Settings, http::Http};
use tests::server::{listen, serve};
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    sync::oneshot,
    time::{sleep, timeout},
};

use super::{AMPLE, Work, client, guard, is_replayed};

/// A request of a client that then goes away.
async fn send_and_leave(address: SocketAddr, work: &Work) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request =
        "POST /pay HTTP/1.1\r\nhost: here\r\nidempotency-key: one\r\ncontent-length: 8\r\n\r\namount=5";
    stream.write_all(request.as_bytes()).await.unwrap();
    work.begun().await;
    drop(stream);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_whose_client_has_gone_is_done_once_and_replayed() {
    let work = Work::new();
    let handler = work.clone();
    let guard = guard(Settings::new().wait_for(Duration::from_secs(30)));
    let router = Router::new()
        .route("/pay", post(move || handler.clone().run()))
        .layer(IdempotencyLayer::new(guard.clone(), Http::single_tenant()));
    let address = serve(router).await.unwrap();
    send_and_leave(address, &work).await;

    let client = client();
    let again = tokio::spawn(super::post(&client, address, "/pay", "one").body("amount=5").send());
    assert_eq!(guard.in_flight(), 1);
    work.let_end();
    let again = again.await.unwrap().unwrap();
    assert!(is_replayed(&again));
    assert_eq!((again.text().await.unwrap(), work.calls()), ("call 1".to_owned(), 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_line_work_whose_client_has_gone_is_cut_and_is_attempted_again() {
    let work = Work::new();
    let handler = work.clone();
    let guard = guard(Settings::new().execution(Execution::Inline));
    let router = Router::new()
        .route("/pay", post(move || handler.clone().run()))
        .layer(IdempotencyLayer::new(guard.clone(), Http::single_tenant()));
    let address = serve(router).await.unwrap();
    send_and_leave(address, &work).await;
    let gone = async {
        while guard.in_flight() > 0 {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(AMPLE, gone).await.unwrap();

    work.let_end();
    let again = super::post(&client(), address, "/pay", "one").body("amount=5").send().await.unwrap();
    assert!(!is_replayed(&again));
    assert_eq!((again.text().await.unwrap(), work.calls()), ("call 2".to_owned(), 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_waits_for_the_work_of_clients_that_have_gone() {
    let work = Work::new();
    let handler = work.clone();
    let guard = guard(Settings::new());
    let router = Router::new()
        .route("/pay", post(move || handler.clone().run()))
        .layer(IdempotencyLayer::new(guard.clone(), Http::single_tenant()));
    let (listener, address) = listen().await.unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = axum::serve(listener, router).with_graceful_shutdown(async {
        let _ = stopped.await;
    });
    let server = tokio::spawn(async move { server.await });
    send_and_leave(address, &work).await;

    stop.send(()).unwrap();
    timeout(AMPLE, server).await.unwrap().unwrap().unwrap();
    assert_eq!(guard.in_flight(), 1, "the listener and its connections are gone, the work is not");
    let drained = guard.drain(AMPLE);
    work.let_end();
    assert_eq!(drained.await.left, 0);
    assert_eq!((guard.store().snapshot().entries, guard.store().snapshot().pending), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_that_give_up_and_come_again_have_it_done_once() {
    let calls = Arc::<AtomicU32>::default();
    let counted = Arc::clone(&calls);
    let handler = async move || {
        counted.fetch_add(1, Ordering::SeqCst);
        sleep(Duration::from_millis(300)).await;
        "done"
    };
    let router = Router::new()
        .route("/pay", post(handler))
        .layer(IdempotencyLayer::new(guard(Settings::new()), Http::single_tenant()));
    let address = serve(router).await.unwrap();
    let impatient = reqwest::Client::builder().no_proxy().timeout(Duration::from_millis(50)).build().unwrap();
    let give_up_and_again = async {
        loop {
            match super::post(&impatient, address, "/pay", "one").send().await {
                Ok(response) if response.status() == 200 => return is_replayed(&response),
                _ => sleep(Duration::from_millis(10)).await,
            }
        }
    };
    assert!(timeout(AMPLE, give_up_and_again).await.unwrap());
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}
