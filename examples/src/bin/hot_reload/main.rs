//! Changes the settings of a running server and a running client by their file.
//!
//! An axum server on loopback under the server's stack is called through a client's stack, while the file with the settings of both is
//! watched. It is replaced three times: by one that is put in force, by one that is refused and changes nothing, and by one that is
//! put in force again. Nothing is restarted.
//!
//! ```sh
//! cargo run --release -p examples --features reload --bin hot_reload
//! ```
//!
//! It fails if a change is not seen in what the callers get.

mod follow;
mod operator;

use std::{
    env, error::Error as StdError, fs, net::Ipv4Addr, path::Path, process, process::ExitCode, sync::Arc,
    time::Duration,
};

use axum::{Router, routing::get};
use parking_lot::Mutex;
use reqwest::{Method, Request, StatusCode, Url};
use resilience_core::{Error, Rejected};
use resilience_tower::{
    reqwest::ClassifyReqwest,
    stack::{ClientLayer, ServerLayer},
};
use tokio::{net::TcpListener, sync::mpsc::unbounded_channel, task::JoinSet, time::sleep};
use tower::{Layer, Service, ServiceExt};

use self::{
    follow::{Live, Settings, follow, watch},
    operator::{Operator, Seen, file},
};

const CALLERS: u32 = 8;
/// What the server takes for an answer.
const WORK: Duration = Duration::from_millis(100);

type Failure = Box<dyn StdError + Send + Sync>;

/// One caller: calls again and again.
async fn call<S>(mut client: S, url: Url, seen: Arc<Mutex<Seen>>)
where
    S: Service<Request, Response = reqwest::Response, Error = Error<reqwest::Error>>,
{
    loop {
        let outcome = match client.ready().await {
            Ok(client) => client.call(Request::new(Method::GET, url.clone())).await,
            Err(error) => Err(error),
        };
        {
            let mut seen = seen.lock();
            match outcome.map(|response| response.status()) {
                Ok(StatusCode::OK) => seen.answered += 1,
                Ok(StatusCode::TOO_MANY_REQUESTS) => seen.too_many += 1,
                Err(Error::Rejected { rejected: Rejected::AttemptTimeout { .. }, .. }) => seen.timed_out += 1,
                _ => seen.failed += 1,
            }
        }
        sleep(WORK / 4).await;
    }
}

async fn run(directory: &Path) -> Result<(), Failure> {
    let path = directory.join("settings.toml");
    let text = file("50ms", "1000/s");
    fs::write(&path, &text)?;
    let settings: Settings = toml::from_str(&text)?;

    let api = ServerLayer::new("api", &settings.api)?;
    let quotes = ClientLayer::new("quotes", &settings.quotes)?.classify(ClassifyReqwest);
    let live = Live { client: quotes.handle().clone(), server: api.handle().clone() };
    let work = || async {
        sleep(WORK).await;
        "42"
    };
    let app = Router::new().route("/", get(work)).layer(api);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let url: Url = format!("http://{}", listener.local_addr()?).parse()?;

    // Whatever runs here ends with the set.
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { drop(axum::serve(listener, app).await) });
    let client = quotes.layer(reqwest::Client::new());
    let seen = Arc::new(Mutex::new(Seen::default()));
    for _ in 0..CALLERS {
        tasks.spawn(call(client.clone(), url.clone(), Arc::clone(&seen)));
    }
    let (changed, changes) = unbounded_channel();
    let (outcome, outcomes) = unbounded_channel();
    let _watcher = watch(&path, changed)?;
    tasks.spawn(follow(path.clone(), text, changes, live, outcome));
    Operator { path, outcomes, seen }.operate().await
}

#[tokio::main]
async fn main() -> ExitCode {
    let directory = env::temp_dir().join(format!("hot_reload-{}", process::id()));
    let outcome = match fs::create_dir(&directory) {
        Ok(()) => run(&directory).await,
        Err(error) => Err(error.into()),
    };
    let _ = fs::remove_dir_all(&directory);
    match outcome {
        Ok(()) => {
            println!("\nevery change was seen");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
