//! Changes the settings of a running server and a running client by their file.
//!
//! An axum server on loopback under the server's stack is called through a client's stack, while the file with the settings of both is
//! watched. It is replaced three times: by one that is put in force, by one that is refused and changes nothing, and by one that is
//! put in force again. State is kept: nothing is restarted, no call is lost.
//!
//! ```sh
//! cargo run --release -p examples --bin hot_reload
//! ```
//!
//! It fails if a change is not seen in what the callers get.

use std::{
    env, error::Error as StdError, fs, net::Ipv4Addr, path::Path, path::PathBuf, process, process::ExitCode,
    sync::Arc, time::Duration,
};

use axum::{Router, routing::get};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use parking_lot::Mutex;
use reqwest::{Method, Request, StatusCode, Url};
use resilience_core::{Error, Rejected};
use resilience_tower::{
    reqwest::ClassifyReqwest,
    stack::{ClientHandle, ClientLayer, ClientSettings, Invalid, ServerHandle, ServerLayer, ServerSettings},
};
use serde::Deserialize;
use tokio::{
    net::TcpListener,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinSet,
    time::{sleep, timeout},
};
use tower::{Layer, Service, ServiceExt};

const CALLERS: u32 = 8;
/// What the server takes for an answer.
const WORK: Duration = Duration::from_millis(100);
/// Over so long it is counted what the callers get.
const LOOK: Duration = Duration::from_millis(600);
/// For a change to be noticed, and for it to be seen in a look.
const PATIENCE: Duration = Duration::from_secs(3);

type Failure = Box<dyn StdError + Send + Sync>;

/// The file: a table for each stack.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    quotes: ClientSettings,
    api: ServerSettings,
}

/// What the callers get is to come from the settings that change, and from no others.
fn file(attempt_timeout: &str, rate: &str) -> String {
    format!(
        r#"[quotes]
attempt_timeout = "{attempt_timeout}"
retry = "off"
throttle = "off"
circuit_breaker = "off"
adaptive = "off"

[api]
adaptive = "off"
rate_limit = "{rate}"
"#
    )
}

/// The stacks that follow the file.
struct Live {
    client: ClientHandle,
    server: ServerHandle,
}

impl Live {
    /// Puts all of it in force, or nothing.
    fn apply(&self, settings: &Settings) -> Result<(), Invalid> {
        let before = self.client.settings();
        self.client.reconfigure(&settings.quotes)?;
        self.server.reconfigure(&settings.api).inspect_err(|_| {
            // They were in force a moment ago.
            let _ = self.client.reconfigure(&before);
        })
    }

    fn read(&self, text: &str) -> Result<(), String> {
        let settings = toml::from_str(text).map_err(|wrong| wrong.to_string())?;
        self.apply(&settings).map_err(|wrong| wrong.to_string())
    }
}

/// Says when something happens in the directory of the file: whoever replaces it as a whole makes another file of that name.
fn watch(path: &Path, changed: UnboundedSender<()>) -> Result<RecommendedWatcher, Failure> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // To read the file is an event too.
        if event.is_ok_and(|event| !event.kind.is_access()) {
            let _ = changed.send(());
        }
    })?;
    watcher.watch(path.parent().ok_or("a file is in a directory")?, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}

/// Puts in force what the file says whenever it says something else, and tells what came of it.
async fn follow(
    path: PathBuf,
    mut last: String,
    mut changes: UnboundedReceiver<()>,
    live: Live,
    outcomes: UnboundedSender<Result<(), String>>,
) {
    while changes.recv().await.is_some() {
        match fs::read_to_string(&path) {
            Ok(text) if text != last => {
                let _ = outcomes.send(live.read(&text));
                last = text;
            }
            // The same, or just being replaced.
            _ => {}
        }
    }
}

/// What the callers got.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    answered: u32,
    timed_out: u32,
    too_many: u32,
    failed: u32,
}

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

/// The running program, as the one sees it who changes the file.
struct Operator {
    path: PathBuf,
    outcomes: UnboundedReceiver<Result<(), String>>,
    seen: Arc<Mutex<Seen>>,
}

impl Operator {
    /// Replaces the file as a whole, so that nobody reads half of it.
    fn write(&self, text: &str) -> Result<(), Failure> {
        let new = self.path.with_extension("new");
        fs::write(&new, text)?;
        Ok(fs::rename(new, &self.path)?)
    }

    /// Replaces the file, and waits until somebody has read it.
    async fn change(&mut self, what: &str, text: &str) -> Result<Result<(), String>, Failure> {
        println!("\n{what}");
        self.write(text)?;
        let outcome = timeout(PATIENCE, self.outcomes.recv())
            .await
            .ok()
            .flatten()
            .ok_or("nobody has noticed the change")?;
        match &outcome {
            Ok(()) => println!("  in force"),
            Err(why) => println!("  refused: {}", why.trim_end().replace('\n', "\n  ")),
        }
        Ok(outcome)
    }

    /// What the callers get for a while.
    async fn look(&self) -> Seen {
        *self.seen.lock() = Seen::default();
        sleep(LOOK).await;
        *self.seen.lock()
    }

    /// Looks until it is as it should be; calls that began under other settings are not done at once.
    async fn expect(&self, is_as_it_should: fn(Seen) -> bool) -> Result<(), Failure> {
        for _ in 0..PATIENCE.as_millis() / LOOK.as_millis() {
            let seen = self.look().await;
            if is_as_it_should(seen) {
                println!("  {seen:?}");
                return Ok(());
            }
        }
        Err(format!("not as it should be: {:?}", self.look().await).into())
    }

    async fn operate(&mut self) -> Result<(), Failure> {
        let all_answered =
            |seen: Seen| seen.answered > 0 && seen.timed_out + seen.too_many + seen.failed == 0;
        println!("as started: an attempt may take 50ms, and an answer takes {WORK:?}");
        self.expect(|seen| seen.answered == 0 && seen.timed_out > 0).await?;

        let good = file("1s", "1000/s");
        self.change("an attempt may take 1s", &good).await?.map_err(|why| format!("refused: {why}"))?;
        self.expect(all_answered).await?;

        let Err(why) = self.change("an attempt may take 6s", &file("6s", "1000/s")).await? else {
            return Err("an attempt that takes longer than the whole operation is in force".into());
        };
        if !why.contains("`attempt_timeout` is 6s and `total_timeout` 5s") {
            return Err(format!("refused for another reason: {why}").into());
        }
        // What was in force still is: there is no call to wait for.
        let seen = self.look().await;
        if !all_answered(seen) {
            return Err(format!("a file that was refused has changed something: {seen:?}").into());
        }
        println!("  {seen:?}");

        let few = self.change("the server answers 10 requests a second", &file("1s", "10/s")).await?;
        few.map_err(|why| format!("refused: {why}"))?;
        self.expect(|seen| seen.too_many > seen.answered && seen.answered > 0 && seen.timed_out == 0).await
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
