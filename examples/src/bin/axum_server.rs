//! A whole server under one layer: tenants, overload, and what clients see of it.
//!
//! An axum server on loopback has two workers, each of which takes 40 ms for an order: 50 orders a second, and no more. Its router
//! has one layer, the server's stack. Clients call it in three phases: as they should, one of them far more often than it may, and
//! more of them than the server can bear. Then it drains, and stops.
//!
//! ```sh
//! cargo run --release -p examples --bin axum_server
//! ```
//!
//! It fails if a client sees anything else than an answer or a refusal that says what to do, or if the drain leaves a request behind.

use std::{
    collections::BTreeMap,
    error::Error,
    net::Ipv4Addr,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{Request, State},
    http::HeaderName,
    routing::get,
};
use resilience_core::{Call, Quota};
use resilience_tower::{
    drain::{Drained, Stopped},
    http::rate_limit::HeaderKey,
    stack::{ServerHandle, ServerLayer, ServerSettings},
};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, oneshot},
    task::JoinSet,
    time::{interval, sleep},
};

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const WORKERS: usize = 2;
const ORDER: Duration = Duration::from_millis(40);
const PHASE: Duration = Duration::from_secs(3);
/// Who calls, and how often in a second. Each may 15 times.
const PHASES: [(&str, &[(&str, u32)]); 3] = [
    ("as they should", &[("ada", 10), ("bob", 10)]),
    ("eve asks for more than she may", &[("ada", 10), ("bob", 10), ("eve", 60)]),
    (
        "more than the server can bear",
        &[
            ("ada", 10),
            ("bob", 10),
            ("cy", 14),
            ("dan", 14),
            ("eve", 14),
            ("fay", 14),
            ("gus", 14),
            ("hal", 14),
            ("ivy", 14),
            ("jo", 14),
        ],
    ),
];

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<bool, Failure> {
    let (app, stack) = app()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let url = format!("http://{}/order", listener.local_addr()?);
    let (close, closing) = oneshot::channel::<()>();
    let server = tokio::spawn(async move {
        let closing = async {
            let _ = closing.await;
        };
        axum::serve(listener, app).with_graceful_shutdown(closing).await
    });

    let mut all = Seen::default();
    for (phase, tenants) in PHASES {
        println!("\n{phase}\n{:>12} {:>9} {:>9} {:>5} {:>5}", "", "answered", "p90 ms", "429", "503");
        for (tenant, seen) in load(&url, tenants).await? {
            println!("{tenant:>12} {seen}");
            all.add(seen);
        }
        let limit = stack.adaptive().map_or(0, |limit| limit.snapshot().limit);
        println!("{:>12} {limit}", "the limit");
    }
    for (status, refusal) in &all.refusals {
        println!("\nwhat a client sees with a {status}\n{refusal}");
    }

    // What a handler of SIGTERM does: drain, close, go.
    let last = tokio::spawn(reqwest::get(url));
    let drained = stack.drain().drain(Duration::from_secs(5)).await;
    println!("\nleft when the drain ended: {}", drained.left);
    let _ = close.send(());
    server.await??;
    // It came before the drain, after it, or after the end.
    drop(last.await?);

    let is_as_it_should = all.answered() > 0
        && all.strange == 0
        && all.refusals.keys().eq(&[429, 503])
        && drained == Drained { left: 0, stopped: Stopped::Idle };
    println!("{}", if is_as_it_should { "every client knew what to do" } else { "not as it should be" });
    Ok(is_as_it_should)
}

/// A router and its one layer.
fn app() -> Result<(Router, ServerHandle), Failure> {
    let tenants = HeaderKey::new(API_KEY);
    let settings = ServerSettings::new()
        .total_timeout(Duration::from_secs(2))
        .rate_limit(Quota::per_second(15).burst(15));
    let stack = ServerLayer::new("orders", &settings)?
        .per(move |call: &Call<Request>| tenants.of(call.request().headers()));
    let handle = stack.handle().clone();
    let workers = Arc::new(Semaphore::new(WORKERS));
    let app = Router::new().route("/order", get(order)).with_state(workers).layer(stack);
    Ok((app, handle))
}

/// Waits for a worker, and then for it to finish.
async fn order(State(workers): State<Arc<Semaphore>>) -> &'static str {
    let _worker = workers.acquire().await;
    sleep(ORDER).await;
    "done"
}

/// What the clients of a tenant have seen.
#[derive(Debug, Default)]
struct Seen {
    took: Vec<Duration>,
    limited: u32,
    unavailable: u32,
    /// Neither an answer nor a refusal.
    strange: u32,
    /// One of each status, as it was.
    refusals: BTreeMap<u16, String>,
}

impl Seen {
    fn answered(&self) -> usize {
        self.took.len()
    }

    fn add(&mut self, mut other: Self) {
        self.took.append(&mut other.took);
        self.limited += other.limited;
        self.unavailable += other.unavailable;
        self.strange += other.strange;
        for (status, refusal) in other.refusals {
            self.refusals.entry(status).or_insert(refusal);
        }
    }
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut took = self.took.clone();
        took.sort();
        let p90 = took.get(took.len() * 9 / 10).map_or(0, Duration::as_millis);
        let Self { limited, unavailable, .. } = self;
        write!(f, "{:>9} {p90:>9} {limited:>5} {unavailable:>5}", self.answered())
    }
}

/// All tenants call at their pace for as long as a phase takes.
async fn load(url: &str, tenants: &[(&'static str, u32)]) -> Result<BTreeMap<&'static str, Seen>, Failure> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let mut running = JoinSet::new();
    for &(tenant, per_second) in tenants {
        let (url, client) = (url.to_owned(), client.clone());
        running.spawn(async move {
            let mut pace = interval(Duration::from_secs(1) / per_second);
            let mut calls = JoinSet::new();
            // They do not wait for answers: those who come do not know of each other.
            for _ in 0..PHASE.as_secs() * u64::from(per_second) {
                pace.tick().await;
                calls.spawn(call(client.clone(), url.clone(), tenant));
            }
            let mut seen = Seen::default();
            for one in calls.join_all().await {
                seen.add(one);
            }
            (tenant, seen)
        });
    }
    Ok(running.join_all().await.into_iter().collect())
}

async fn call(client: reqwest::Client, url: String, tenant: &'static str) -> Seen {
    let begun = now();
    let mut seen = Seen::default();
    let Ok(response) = client.get(url).header(API_KEY, tenant).send().await else {
        seen.strange = 1;
        return seen;
    };
    match response.status().as_u16() {
        200 => seen.took.push(now() - begun),
        status @ (429 | 503) => {
            *if status == 429 { &mut seen.limited } else { &mut seen.unavailable } = 1;
            let mut text = String::new();
            for name in ["content-type", "retry-after", "x-correlation-id"] {
                if let Some(value) = response.headers().get(name) {
                    text += &format!("  {name}: {}\n", String::from_utf8_lossy(value.as_bytes()));
                }
            }
            text += &format!("  {}", response.text().await.unwrap_or_default());
            seen.refusals.insert(status, text);
        }
        _ => seen.strange = 1,
    }
    seen
}

#[expect(clippy::disallowed_methods, reason = "a client looks at its own clock")]
fn now() -> Instant {
    Instant::now()
}
