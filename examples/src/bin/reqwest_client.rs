//! A guarded `reqwest` client in three lines, and what its caller sees while a server fails and recovers.
//!
//! ```sh
//! cargo run -p examples --bin reqwest_client
//! ```

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{Router, http::StatusCode, routing::get};
use resilience_core::{BoxError, Error, circuit_breaker, retry::Trail};
use resilience_tower::{reqwest::Client, stack::ClientSettings};
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let server = Server::start().await?;

    // `Client::new("balances", inner)` has the defaults, which are for outages of minutes. This one is over in a second.
    let settings = ClientSettings::new().circuit_breaker(quick_breaker()).throttle(None);
    let client =
        Client::with_settings("balances", &settings, reqwest::Client::builder().no_proxy().build()?)?;

    println!("the server answers every second request with 502");
    server.fails.store(2, Ordering::SeqCst);
    for _ in 0..3 {
        call(&client, &server).await;
    }

    println!("\nthe server fails");
    server.fails.store(1, Ordering::SeqCst);
    for _ in 0..8 {
        call(&client, &server).await;
    }

    println!("\nthe server is well again, and soon it is asked again");
    server.fails.store(u32::MAX, Ordering::SeqCst);
    for _ in 0..8 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if call(&client, &server).await {
            return Ok(());
        }
    }
    Err("the client has not come back".into())
}

/// Asks for the balance, and says what the caller sees.
async fn call(client: &Client, server: &Server) -> bool {
    let (trail, before) = (Trail::new(), server.asked.load(Ordering::SeqCst));
    let answer = client.get(&server.url).trail(trail.clone()).send().await;
    let seen = match &answer {
        Ok(response) => response.status().to_string(),
        Err(Error::Rejected { rejected, .. }) => format!("refused: {rejected}"),
        Err(Error::Inner { error, .. }) => format!("failed: {error}"),
    };
    let arrived = server.asked.load(Ordering::SeqCst) - before;
    let why = trail.gave_up().map_or(String::new(), |gave_up| format!(", {}", gave_up.reason));
    println!("  {arrived} arrived  {seen}{why}");
    answer.is_ok_and(|response| response.status().is_success())
}

/// Opens after ten failures in a row, for as long as an example may take.
fn quick_breaker() -> circuit_breaker::Config {
    const WAIT: Duration = Duration::from_millis(400);
    circuit_breaker::Config::new().consecutive_failures(10).open_for(WAIT, WAIT)
}

/// A server that fails as told.
struct Server {
    url: String,
    asked: Arc<AtomicU32>,
    /// One of so many requests.
    fails: Arc<AtomicU32>,
}

impl Server {
    async fn start() -> Result<Self, BoxError> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/balance", listener.local_addr()?);
        let server = Self { url, asked: Arc::default(), fails: Arc::new(AtomicU32::new(u32::MAX)) };
        let (asked, fails) = (Arc::clone(&server.asked), Arc::clone(&server.fails));
        let balance = async move || {
            let is_bad = asked.fetch_add(1, Ordering::SeqCst) % fails.load(Ordering::SeqCst) == 0;
            if is_bad { Err(StatusCode::BAD_GATEWAY) } else { Ok("17") }
        };
        let router = Router::new().route("/balance", get(balance));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(server)
    }
}
