//! Bodies that stream, sent again over real connections by the retry layer.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll},
};

use axum::{Router, extract::Request as Received, response::IntoResponse, routing::any};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use resilience_core::{
    Backoff, Error, RetryPolicy,
    retry::{GaveUp, Reason},
};
use resilience_tower::{
    CallLayer, RetryLayer, TransportLayer,
    grpc::{ClassifyGrpc, StatusLayer},
    http::{ReplayBody, ReplayBodyLayer},
    reqwest::ClassifyReqwest,
};
use tests::{
    server::{listen, serve},
    text::Text,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
};
use tonic::{
    Status,
    client::Grpc,
    server::NamedService,
    transport::{Endpoint, Server, server::TcpIncoming},
};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

/// Frames as the test sends them.
struct Upload {
    frames: mpsc::Receiver<&'static str>,
    length: Option<u64>,
}

impl Upload {
    fn new(length: Option<u64>) -> (mpsc::Sender<&'static str>, Self) {
        let (sender, frames) = mpsc::channel(8);
        (sender, Self { frames, length })
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = |text: &'static str| Ok(Frame::data(Bytes::from_static(text.as_bytes())));
        self.frames.poll_recv(cx).map(|text| text.map(frame))
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}

/// Requests that are safe to repeat, retried at once.
fn policy() -> RetryPolicy {
    RetryPolicy::new().backoff(Backoff::none()).assume_idempotent(true)
}

/// A client that streams and retries.
fn client(
    cap: usize,
) -> impl Service<Request<Upload>, Response = reqwest::Response, Error = Error<reqwest::Error>, Future: Send>
{
    let for_reqwest = |request: Request<ReplayBody<Upload>>| {
        reqwest::Request::try_from(request.map(reqwest::Body::wrap)).unwrap()
    };
    ServiceBuilder::new()
        .layer(ReplayBodyLayer::up_to(cap))
        .layer(CallLayer::new())
        .layer(RetryLayer::new(policy()).classify(ClassifyReqwest))
        .layer(TransportLayer::new())
        .map_request(for_reqwest)
        .service(reqwest::Client::builder().no_proxy().build().unwrap())
}

/// A server that answers 503 before it has read the body, or after its first frame, as often as told, and then echoes. It tells
/// of each request that it has got.
async fn server(failures: u32, reads_one: bool) -> (String, mpsc::Receiver<Option<u64>>) {
    let (arrivals, arrived) = mpsc::channel(8);
    let count = Arc::new(AtomicU32::new(0));
    let handle = async move |request: Received| {
        let length = request.headers().get("content-length").map(|length| length.to_str().unwrap().parse());
        let mut body = request.into_body();
        if count.fetch_add(1, Ordering::SeqCst) < failures {
            if reads_one {
                body.frame().await.unwrap().unwrap();
            }
            arrivals.send(length.transpose().unwrap()).await.unwrap();
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
        arrivals.send(length.transpose().unwrap()).await.unwrap();
        body.collect().await.unwrap().to_bytes().into_response()
    };
    let router = Router::new().route("/", any(handle));
    (format!("http://{}/", serve(router).await.unwrap()), arrived)
}

#[tokio::test]
async fn a_stream_that_was_answered_early_is_sent_again_from_its_beginning() {
    for length in [None, Some(11)] {
        let (url, mut arrived) = server(1, true).await;
        let (frames, upload) = Upload::new(length);
        let answer = tokio::spawn(client(100).oneshot(Request::post(url).body(upload).unwrap()));
        frames.send("one").await.unwrap();
        assert_eq!(arrived.recv().await, Some(length));
        assert_eq!(arrived.recv().await, Some(length), "the content length is that of the whole body");
        frames.send("two").await.unwrap();
        frames.send("three").await.unwrap();
        drop(frames);
        let answer = answer.await.unwrap().unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.text().await.unwrap(), "onetwothree");
    }
}

/// Reads until what was received ends like this.
async fn read_until(connection: &mut TcpStream, end: &str) -> String {
    let mut received = String::new();
    while !received.ends_with(end) {
        let mut bytes = [0; 1024];
        let count = connection.read(&mut bytes).await.unwrap();
        assert_ne!(count, 0, "closed after {received:?}");
        received.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
    }
    received
}

/// The server answers and keeps the connection, on which the client would go on to send the body.
#[tokio::test]
async fn a_connection_that_still_holds_the_first_attempt_takes_nothing_from_the_second() {
    let (listener, address) = listen().await.unwrap();
    let (frames, upload) = Upload::new(None);
    let request = Request::post(format!("http://{address}/")).body(upload).unwrap();
    let answer = tokio::spawn(client(100).oneshot(request));

    frames.send("one").await.unwrap();
    let (mut first, _) = listener.accept().await.unwrap();
    read_until(&mut first, "one\r\n").await;
    first.write_all(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n").await.unwrap();

    let (mut second, _) = listener.accept().await.unwrap();
    assert!(read_until(&mut second, "one\r\n").await.contains("transfer-encoding: chunked"));
    frames.send("two").await.unwrap();
    drop(frames);
    read_until(&mut second, "0\r\n\r\n").await;
    second.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    assert_eq!(answer.await.unwrap().unwrap().status(), StatusCode::OK);

    let mut rest = Vec::new();
    // Closed or reset, whichever: it is over.
    let _ = first.read_to_end(&mut rest).await;
    assert_eq!(rest, b"", "an attempt that is over sends no more, and no end either");
}

#[tokio::test]
async fn a_stream_that_was_answered_unread_is_sent_again() {
    let (url, mut arrived) = server(1, false).await;
    let (frames, upload) = Upload::new(None);
    let answer = tokio::spawn(client(100).oneshot(Request::post(url).body(upload).unwrap()));
    for _ in 0..2 {
        assert_eq!(arrived.recv().await, Some(None));
    }
    frames.send("one").await.unwrap();
    drop(frames);
    assert_eq!(answer.await.unwrap().unwrap().text().await.unwrap(), "one");
}

#[tokio::test]
async fn a_stream_over_the_cap_is_sent_once_and_its_answer_says_why() {
    let (url, mut arrived) = server(1, true).await;
    let (frames, upload) = Upload::new(None);
    let answer = tokio::spawn(client(2).oneshot(Request::post(url).body(upload).unwrap()));
    frames.send("one").await.unwrap();
    arrived.recv().await.unwrap();
    let answer = answer.await.unwrap().unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    let gave_up = GaveUp { attempts: 1, reason: Reason::NotReplayable };
    assert_eq!(answer.extensions().get(), Some(&gave_up));
}

/// What a generated server would be, which is not available at first.
#[derive(Clone, Debug)]
struct Greeter {
    failures: Arc<AtomicU32>,
}

impl NamedService for Greeter {
    const NAME: &'static str = "test.Greeter";
}

impl Service<Request<tonic::body::Body>> for Greeter {
    type Response = Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<tonic::body::Body>) -> Self::Future {
        let left = self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        Box::pin(async move {
            let greet = async |name: tonic::Request<String>| {
                Ok::<_, Status>(tonic::Response::new(format!("hello {}", name.get_ref())))
            };
            Ok(match left {
                Ok(_) => Status::unavailable("not yet").into_http(),
                Err(_) => tonic::server::Grpc::new(Text).unary(service_fn(greet), request).await,
            })
        })
    }
}

/// What a generated client does, with the first answers being `UNAVAILABLE`.
async fn say_hello(failures: u32) -> Result<String, Status> {
    let (listener, address) = listen().await.unwrap();
    let greeter = Greeter { failures: Arc::new(AtomicU32::new(failures)) };
    tokio::spawn(Server::builder().add_service(greeter).serve_with_incoming(TcpIncoming::from(listener)));
    let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy();

    let for_tonic = |request: Request<ReplayBody<tonic::body::Body>>| request.map(tonic::body::Body::new);
    let client = ServiceBuilder::new()
        .layer(StatusLayer::new())
        .layer(CallLayer::new())
        .layer(ReplayBodyLayer::new())
        .layer(RetryLayer::new(policy()).classify(ClassifyGrpc))
        .layer(TransportLayer::new())
        .map_request(for_tonic)
        .service(channel);
    let mut grpc = Grpc::new(client);
    grpc.ready().await?;
    let path = "/test.Greeter/Hello".parse().unwrap();
    let answer = grpc.unary(tonic::Request::new("world".to_owned()), path, Text).await?;
    Ok(answer.into_inner())
}

#[tokio::test]
async fn a_unary_grpc_call_is_sent_again_until_the_server_is_there() {
    assert_eq!(say_hello(2).await.unwrap(), "hello world");
    let status = say_hello(3).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (tonic::Code::Unavailable, "not yet"));
}
