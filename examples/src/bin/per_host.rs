//! One host that is down does not hurt the other: each host and port has policies of its own.
//!
//! ```sh
//! cargo run -p examples --bin per_host
//! ```

use std::time::Duration;

use axum::{Router, routing::get};
use resilience_core::{BoxError, Error, Rejected};
use resilience_tower::{reqwest::Client, stack::ClientSettings};
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let well = well().await?;
    // A host that hangs: it takes connections and never answers.
    let hanging = TcpListener::bind("127.0.0.1:0").await?;
    let down = hanging.local_addr()?.to_string();

    let settings = ClientSettings::new().attempt_timeout(Duration::from_millis(200));
    let client = Client::with_settings("hosts", &settings, reqwest::Client::builder().no_proxy().build()?)?;

    let (mut to_well, mut to_down) = (Seen::default(), Seen::default());
    for _ in 0..60 {
        let (one, other) = tokio::join!(ask(&client, &well), ask(&client, &down));
        to_well.add(&one);
        to_down.add(&other);
    }

    println!("60 calls each        answered  timed out  refused at once");
    for (name, seen) in [("that is well", &to_well), ("that hangs", &to_down)] {
        println!("host {name:14}{:10}{:11}{:17}", seen.answered, seen.timed_out, seen.refused);
    }
    if to_well.answered < 60 || to_down.refused == 0 {
        return Err("the hosts were not told apart".into());
    }
    Ok(())
}

/// What the caller saw of a host.
#[derive(Default)]
struct Seen {
    answered: u32,
    timed_out: u32,
    refused: u32,
}

impl Seen {
    fn add(&mut self, answer: &Result<reqwest::Response, Error<reqwest::Error>>) {
        match answer {
            Ok(_) => self.answered += 1,
            Err(Error::Rejected {
                rejected: Rejected::AttemptTimeout { .. } | Rejected::DeadlineExceeded { .. },
                ..
            }) => self.timed_out += 1,
            Err(_) => self.refused += 1,
        }
    }
}

async fn ask(client: &Client, host: &str) -> Result<reqwest::Response, Error<reqwest::Error>> {
    client.get(format!("http://{host}/")).send().await
}

/// A host that answers.
async fn well() -> Result<String, BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let host = listener.local_addr()?.to_string();
    let router = Router::new().route("/", get(async || "hello"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(host)
}
