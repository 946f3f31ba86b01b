//! Stops a server under load without losing a call that it has admitted.
//!
//! An axum server on loopback is called by 16 clients. After a second it drains: it admits no more calls, and tells those who come
//! to try again elsewhere, while those that run go on to their end. Then it closes its connections and is gone.
//!
//! ```sh
//! cargo run --release -p examples --bin graceful_shutdown
//! ```
//!
//! It fails if a call that was admitted has not been answered.

use std::{
    error::Error,
    net::Ipv4Addr,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use resilience_core::Drain;
use resilience_tower::{
    DrainLayer, ErrorLayer,
    drain::{Drained, Stopped},
    http::RespondLayer,
};
use tokio::{
    net::TcpListener,
    sync::oneshot,
    task::JoinSet,
    time::{sleep, timeout},
};
use tower::ServiceBuilder;

const CLIENTS: u64 = 16;
/// The longest call; a total timeout would bound it in a real server.
const LONGEST: Duration = Duration::from_millis(400);
/// For the drain. Whoever stops the process should leave it a few seconds more.
const PATIENCE: Duration = Duration::from_secs(5);

type Failure = Box<dyn Error + Send + Sync>;

/// What the callers have seen.
#[derive(Debug, Default)]
struct Seen {
    answered: AtomicU64,
    refused: AtomicU64,
    /// Refused without a hint when to try again.
    unhinted: AtomicU64,
    failed: AtomicU64,
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<bool, Failure> {
    // A runtime of its own for the server: it dies with whatever still runs there, as a process does.
    let servers = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let clients = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let listener = servers.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
    let url = format!("http://{}", listener.local_addr()?);

    let drain = DrainLayer::new();
    let handle = drain.handle();
    let admitted = Arc::new(AtomicU64::new(0));
    let app = app(drain, &admitted);
    let (close, closing) = oneshot::channel::<()>();
    let server = servers.spawn(async move {
        let closing = async {
            let _ = closing.await;
        };
        axum::serve(listener, app).with_graceful_shutdown(closing).await
    });

    let seen = Arc::new(Seen::default());
    let stop = Arc::new(AtomicBool::new(false));
    let (drained, running, ready) = clients.block_on(async {
        let mut load = JoinSet::new();
        for _ in 0..CLIENTS {
            load.spawn(call(url.clone(), Arc::clone(&seen), Arc::clone(&stop)));
        }
        let ready_before = status(&format!("{url}/ready")).await?;
        sleep(Duration::from_secs(1)).await;

        // What a handler of SIGTERM does: drain, close, go.
        let draining = handle.drain(PATIENCE);
        let running = handle.snapshot().running;
        let ready_while = status(&format!("{url}/ready")).await?;
        let drained = draining.await;
        let _ = close.send(());
        stop.store(true, Ordering::SeqCst);
        while let Some(joined) = load.join_next().await {
            joined?;
        }
        timeout(2 * LONGEST, server).await???;
        Ok::<_, Failure>((drained, running, (ready_before, ready_while)))
    })?;
    servers.shutdown_background();
    let admitted = admitted.load(Ordering::SeqCst);
    Ok(report(drained, (admitted, running), ready, &seen))
}

fn app(drain: DrainLayer, admitted: &Arc<AtomicU64>) -> Router {
    let for_probe = drain.drain().clone();
    Router::new()
        .route("/", get(work))
        .layer(
            ServiceBuilder::new()
                .layer(RespondLayer::new())
                .layer(drain.until_body_end())
                .layer(ErrorLayer::new()),
        )
        .with_state(Arc::clone(admitted))
        // Outside of the drain, which it tells of.
        .merge(Router::new().route("/ready", get(ready)).with_state(for_probe))
}

/// Takes a while, and not always the same.
async fn work(State(admitted): State<Arc<AtomicU64>>) -> &'static str {
    let number = admitted.fetch_add(1, Ordering::SeqCst);
    let quarters = u32::try_from(number % 4).unwrap_or_default() + 1;
    sleep(LONGEST * quarters / 4).await;
    "done"
}

async fn ready(State(drain): State<Drain>) -> StatusCode {
    if drain.is_draining() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
}

async fn status(url: &str) -> Result<u16, Failure> {
    Ok(reqwest::get(url).await?.status().as_u16())
}

/// One client: calls again and again, over a connection of its own.
async fn call(url: String, seen: Arc<Seen>, stop: Arc<AtomicBool>) {
    let Ok(client) = reqwest::Client::builder().timeout(2 * LONGEST).build() else { return };
    while !stop.load(Ordering::SeqCst) {
        let outcome = match client.get(&url).send().await {
            Ok(response) if response.status() == StatusCode::SERVICE_UNAVAILABLE => {
                if !response.headers().contains_key("retry-after") {
                    seen.unhinted.fetch_add(1, Ordering::SeqCst);
                }
                &seen.refused
            }
            Ok(response) => match response.text().await.as_deref() {
                Ok("done") => &seen.answered,
                _ => &seen.failed,
            },
            Err(_) => &seen.failed,
        };
        outcome.fetch_add(1, Ordering::SeqCst);
        // Impatient: a caller that heeds `Retry-After` would go elsewhere.
        sleep(Duration::from_millis(10)).await;
    }
}

/// Prints what has happened; whether it is what should.
fn report(drained: Drained, (admitted, running): (u64, u64), ready: (u16, u16), seen: &Seen) -> bool {
    let [answered, refused, unhinted, failed] = [&seen.answered, &seen.refused, &seen.unhinted, &seen.failed]
        .map(|count| count.load(Ordering::SeqCst));
    let lost = admitted.saturating_sub(answered);
    println!("ready                        {} before the drain, {} during it", ready.0, ready.1);
    println!("admitted                     {admitted}");
    println!("running when the drain began {running}");
    println!("refused with 503             {refused}");
    println!("answered                     {answered}");
    println!("lost                         {lost}");
    println!("left when the drain ended    {}", drained.left);
    if failed > 0 {
        println!("failed                       {failed}, of those that found the server gone");
    }
    let is_as_it_should = lost == 0
        && drained == Drained { left: 0, stopped: Stopped::Idle }
        && ready == (200, 503)
        && (running > 0 && refused > 0 && unhinted == 0);
    println!("{}", if is_as_it_should { "no call was lost" } else { "not as it should be" });
    is_as_it_should
}
