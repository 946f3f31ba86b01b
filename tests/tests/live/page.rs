//! The page follows what happens, and comes back.

use std::{
    convert::Infallible,
    future::ready,
    pin::Pin,
    sync::atomic::{AtomicU32, Ordering},
    task::{Context, Poll},
    time::Duration,
};

use axum::{Router, body::Body, routing::get};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body::Frame;
use metrics::{counter, with_local_recorder};
use resilience_core::{BoxError, CircuitBreaker, ErrorsAreFailures, circuit_breaker::Config};
use resilience_metrics::{Telemetry, live::Live};
use resilience_tower::CircuitBreakerLayer;
use tests::browser::{Browser, Page, Result};
use tower::{Service as _, ServiceBuilder, ServiceExt as _, service_fn};

use super::server::{Server, mounted};

/// Waits until what is at `selector` says `text`.
async fn says(browser: &mut Browser, page: &Page, selector: &str, text: &str) -> Result<()> {
    browser.until(page, &format!("document.querySelector('{selector}')?.textContent === {text:?}")).await
}

const STATE: &str = "article .state .badge";
const BREAKER: &str = ".policies .badge";
const LAST: &str = ".past li > span";

/// The clock of the breaker stands still: it stays in a state until the page has seen it.
#[tokio::test(start_paused = true)]
async fn it_follows_a_breaker_that_opens_and_closes() -> Result<()> {
    let Some(mut browser) = Browser::start()? else { return Ok(()) };
    let live = Live::new();
    let server = Server::start(mounted(&live)).await;
    let telemetry = live.watch(Telemetry::new("payments"));
    let wait = Duration::from_secs(3600);
    let config = Config::new().time_window(None).consecutive_failures(2).open_for(wait, wait).probes(2);
    let breaker = CircuitBreaker::new(config, tests::time::now());
    let observer = telemetry.circuit_breaker("breaker", &breaker);
    let mut service = ServiceBuilder::new()
        .layer(telemetry.operation_layer(ErrorsAreFailures))
        .layer(CircuitBreakerLayer::with_breaker(breaker.clone()).with_observer(observer))
        .service(service_fn(|fine: bool| ready(if fine { Ok(()) } else { Err(BoxError::from("down")) })));
    let mut call = async |fine: bool| service.ready().await?.call(fine).await;

    let page = browser.open(&server.url()).await?;
    says(&mut browser, &page, "h2", "payments").await?;
    says(&mut browser, &page, BREAKER, "closed").await?;
    for _ in 0..2 {
        call(false).await.unwrap_err();
    }
    says(&mut browser, &page, LAST, "breaker: closed \u{2192} open").await?;
    says(&mut browser, &page, STATE, "open").await?;
    says(&mut browser, &page, "#said", "payments, breaker: closed to open").await?;
    says(&mut browser, &page, "#summary a", "payments: open").await?;
    browser.until(&page, "document.querySelector('.state small').textContent.startsWith('tripped ')").await?;
    browser.until(&page, "document.title === '\u{2715} 1 not well \u{2013} resilience'").await?;

    tokio::time::advance(2 * wait).await;
    call(true).await?;
    says(&mut browser, &page, LAST, "breaker: open \u{2192} half-open").await?;
    says(&mut browser, &page, BREAKER, "half-open").await?;
    call(true).await?;
    says(&mut browser, &page, LAST, "breaker: half-open \u{2192} closed").await?;
    says(&mut browser, &page, BREAKER, "closed").await?;
    breaker.force_open(tests::time::now());
    says(&mut browser, &page, BREAKER, "open, by hand").await?;

    // What is being read stays as it is until told otherwise.
    let press = "document.getElementById('pause').click()";
    browser.value(&page, press).await?;
    breaker.release(tests::time::now());
    let event = "new Promise(done => source.addEventListener('message', () => done()))";
    for _ in 0..2 {
        browser.value(&page, event).await?;
    }
    says(&mut browser, &page, BREAKER, "open, by hand").await?;
    says(&mut browser, &page, "#pause[aria-pressed=true]", "Resume").await?;
    browser.value(&page, press).await?;
    says(&mut browser, &page, BREAKER, "closed").await?;
    says(&mut browser, &page, "#pause[aria-pressed=false]", "Pause").await?;
    assert_eq!(browser.complaints(), [""; 0]);
    Ok(())
}

#[tokio::test]
async fn it_says_that_it_is_stale_and_comes_back() -> Result<()> {
    let Some(mut browser) = Browser::start()? else { return Ok(()) };
    let live = Live::new();
    let count = |live: &Live, pipeline: &'static str, n| {
        with_local_recorder(&live.recorder(), || {
            counter!("resilience_operations_total", "pipeline" => pipeline, "outcome" => "success")
                .increment(n);
        });
    };
    count(&live, "first", 1000);
    let server = Server::start(mounted(&live)).await;
    let page = browser.open(&server.url()).await?;
    says(&mut browser, &page, "h2", "first").await?;
    browser.until(&page, "document.getElementById('banner').hidden").await?;

    let address = server.address;
    drop(server);
    says(&mut browser, &page, "#link", "reconnecting").await?;
    browser.until(&page, "!document.getElementById('banner').hidden").await?;
    assert_eq!(browser.value(&page, "document.body.dataset.link").await?, "stale");
    says(&mut browser, &page, "h2", "first").await?;

    // The same process can be reached again.
    let server = Server::at(address, mounted(&live)).await;
    browser.until(&page, "document.getElementById('banner').hidden").await?;
    says(&mut browser, &page, "#link", "live").await?;
    drop(server);
    browser.until(&page, "!document.getElementById('banner').hidden").await?;

    // Another process: what the first one had counted is forgotten.
    let other = Live::new();
    count(&other, "second", 7);
    let _server = Server::at(address, mounted(&other)).await;
    says(&mut browser, &page, "h2", "second").await?;
    assert_eq!(browser.value(&page, "document.querySelectorAll('article').length").await?, 1);
    says(&mut browser, &page, ".tiles .value", "0").await?;
    Ok(())
}

/// A stream that is refused, after which a browser asks no more; then one that neither ends nor says anything, as after a network
/// that drops packets.
#[tokio::test]
async fn it_asks_again_after_a_refusal_and_after_silence() -> Result<()> {
    struct Silence;

    impl http_body::Body for Silence {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<std::result::Result<Frame<Bytes>, Infallible>>> {
            Poll::Pending
        }
    }

    let Some(mut browser) = Browser::start()? else { return Ok(()) };
    let live = Live::new();
    static ASKED: AtomicU32 = AtomicU32::new(0);
    let router = live.router();
    let ask =
        move |path: &'static str| router.clone().oneshot(Request::get(path).body(Body::empty()).unwrap());
    let events = ask.clone();
    let app = Router::new().route("/live", get(move || ask("/"))).route(
        "/live/events",
        get(async move || {
            let mut response = events("/events").await.unwrap();
            match ASKED.fetch_add(1, Ordering::Relaxed) {
                0 => *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE,
                1 => *response.body_mut() = Body::new(Silence),
                _ => {}
            }
            response
        }),
    );
    let server = Server::start(app).await;
    let page = browser.open(&server.url()).await?;
    says(&mut browser, &page, "[data-link=stale] #link", "reconnecting").await?;
    browser.until(&page, "document.getElementById('link').textContent.startsWith('silent for ')").await?;
    assert_eq!(browser.value(&page, "document.getElementById('banner').hidden").await?, false);
    browser.until(&page, "document.body.dataset.link === 'live'").await?;
    assert_eq!(browser.value(&page, "document.getElementById('banner').hidden").await?, true);
    assert_eq!(browser.value(&page, "document.getElementById('empty').hidden").await?, false);
    Ok(())
}
