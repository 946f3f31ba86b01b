use std::net::SocketAddr;

use axum::{
    Extension, Router,
    body::Body,
    response::{IntoResponse, Response},
    routing::get,
};
use http::StatusCode;
use reqwest::{Client, Method, Request};
use resilience_core::{Context, Deadline, Error};
use resilience_tower::{
    CallLayer, ErrorLayer, TimeoutLayer, TransportLayer,
    call::{HandOnLayer, InheritLayer},
    http::{
        RespondLayer,
        deadline::{ReadDeadlineLayer, WriteDeadlineLayer},
        response,
    },
};
use tests::{server::serve, time};
use tower::{ServiceBuilder, ServiceExt, util::option_layer};

use super::{AMPLE, LITTLE, MS, Seen, WORK, each_has_seen_less};

/// Whether a server cuts its handler when the time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keeps {
    Time,
    No,
}

/// A server that works for a while and then asks the next one, if there is one.
async fn hop(next: Option<SocketAddr>, keeps: Keeps) -> (SocketAddr, Seen) {
    let seen = Seen::default();
    let log = seen.clone();
    let handler = move |context: Option<Extension<Context>>| {
        let log = log.clone();
        async move {
            let deadline = log.note(context.as_deref());
            match next {
                None => "the end".into_response(),
                Some(next) => {
                    work(deadline, keeps).await;
                    ask_on(next).await
                }
            }
        }
    };
    let timeout = (keeps == Keeps::Time).then(|| TimeoutLayer::total(AMPLE));
    let stack = ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(ReadDeadlineLayer::new())
        .layer(option_layer(timeout))
        .layer(HandOnLayer::new())
        .layer(ErrorLayer::new());
    (serve(Router::new().route("/", get(handler)).layer(stack)).await.unwrap(), seen)
}

/// Works, and where nobody keeps the time, until the deadline is over.
async fn work(deadline: Deadline, keeps: Keeps) {
    let rest = if keeps == Keeps::No { deadline.remaining(time::now()) } else { WORK };
    tokio::time::sleep(rest.max(WORK)).await;
}

/// Nothing is said here of a deadline: it is on the task.
async fn ask_on(next: SocketAddr) -> Response {
    let client = ServiceBuilder::new()
        .layer(CallLayer::new())
        .layer(InheritLayer::new())
        .layer(TimeoutLayer::attempt(AMPLE))
        .layer(WriteDeadlineLayer::new())
        .layer(TransportLayer::new())
        .service(Client::builder().no_proxy().build().unwrap());
    match client.oneshot(request(next)).await {
        Ok(answer) => (answer.status(), answer.text().await.unwrap()).into_response(),
        Err(Error::Rejected { rejected, .. }) => response(&rejected).map(Body::from),
        Err(Error::Inner { error, .. }) => panic!("{error}"),
    }
}

fn request(address: SocketAddr) -> Request {
    Request::new(Method::GET, format!("http://{address}/").parse().unwrap())
}

/// What a foreign caller gets who gives so many milliseconds, in his own words.
async fn ask(address: SocketAddr, ms: Option<&str>) -> (StatusCode, String) {
    let mut request = request(address);
    if let Some(ms) = ms {
        request.headers_mut().insert("x-request-timeout-ms", ms.parse().unwrap());
    }
    let answer = Client::builder().no_proxy().build().unwrap().execute(request).await.unwrap();
    (answer.status(), answer.text().await.unwrap())
}

async fn three(keeps: Keeps) -> (SocketAddr, [Seen; 3]) {
    let (c, seen_c) = hop(None, Keeps::Time).await;
    let (b, seen_b) = hop(Some(c), keeps).await;
    let (a, seen_a) = hop(Some(b), Keeps::Time).await;
    (a, [seen_a, seen_b, seen_c])
}

#[tokio::test]
async fn the_last_server_has_what_the_first_was_given_less_what_has_passed() {
    let (a, hops) = three(Keeps::Time).await;
    assert_eq!(ask(a, Some("20000")).await, (StatusCode::OK, "the end".to_owned()));
    each_has_seen_less(&hops, 20_000 * MS);
    // Without a word from the caller it is A's own limit.
    assert_eq!(ask(a, None).await.0, StatusCode::OK);
    each_has_seen_less(&hops, AMPLE);
}

#[tokio::test]
async fn a_hostile_header_gives_nobody_more_time_and_takes_none_away() {
    let (a, hops) = three(Keeps::Time).await;
    for ms in ["-1", "1e99", "99999999999999999999999", "18446744073709551615", "soon", "1, 2"] {
        assert_eq!(ask(a, Some(ms)).await.0, StatusCode::OK, "{ms}");
        each_has_seen_less(&hops, AMPLE);
    }
    let (status, text) = ask(a, Some("0")).await;
    assert_eq!(status, StatusCode::GATEWAY_TIMEOUT);
    assert!(text.contains("was not carried out"), "{text}");
    assert!(hops[0].take().is_empty(), "the handler was not called");
}

#[tokio::test]
async fn a_server_whose_time_is_over_while_it_works_says_so_and_asks_nobody() {
    let (c, seen_c) = hop(None, Keeps::Time).await;
    let (b, seen_b) = hop(Some(c), Keeps::Time).await;
    let (status, text) = ask(b, Some(&LITTLE.as_millis().to_string())).await;
    assert_eq!(status, StatusCode::GATEWAY_TIMEOUT);
    assert!(text.contains(r#""reason":"deadline_exceeded""#) && text.contains("may have been"), "{text}");
    assert_eq!((seen_b.take().len(), seen_c.take().len()), (1, 0));
}

/// Its own handler would go on, and the call that it makes is refused.
#[tokio::test]
async fn a_call_is_not_sent_when_the_time_is_over() {
    let (c, seen_c) = hop(None, Keeps::Time).await;
    let (b, seen_b) = hop(Some(c), Keeps::No).await;
    let (status, text) = ask(b, Some(&LITTLE.as_millis().to_string())).await;
    assert_eq!(status, StatusCode::GATEWAY_TIMEOUT);
    assert!(text.contains("was not carried out"), "{text}");
    assert_eq!((seen_b.take().len(), seen_c.take().len()), (1, 0));
}

/// B keeps no time and works until its deadline is over: A, which waits for it, answers when its own is.
#[tokio::test]
async fn a_server_in_between_that_is_too_slow_costs_the_first_one_its_deadline_and_no_more() {
    let (a, hops) = three(Keeps::No).await;
    let (status, text) = ask(a, Some(&(10 * WORK).as_millis().to_string())).await;
    assert_eq!(status, StatusCode::GATEWAY_TIMEOUT);
    assert!(text.contains(r#""reason":"deadline_exceeded""#), "{text}");
    let [a, b, c] = hops.map(|hop| hop.take().len());
    assert_eq!((a, b, c), (1, 1, 0));
}
