//! Prints what the presets cost where they are used: requests over loopback sockets, with a preset and without.
//!
//! A server is `axum` with one handler, asked by eight connections that do nothing else; a client is `reqwest`, and asks a server
//! that does nothing else. Nine runs with the preset are paired with nine without, each one right after the other and in turns the
//! first, and what is compared is the two of a pair: a machine that is busy with something else is so for both of them, more or
//! less. How much less, the spread says. Nothing is asserted but that all requests were answered.

use std::fmt;
use std::io;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use benches::time::now;
use resilience_tower::reqwest::ClassifyReqwest;
use resilience_tower::stack::{self, Destination};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tower::{BoxError, Layer as _, Service, ServiceExt as _};

const PAIRS: usize = 9;
/// How long each run is measured.
const RUN: Duration = Duration::from_millis(400);
/// How long it runs before that.
const WARM_UP: Duration = Duration::from_millis(100);
/// Fewer than the presets' adaptive limits let in at first, which have no time to grow here.
const CONNECTIONS: usize = 8;
const HELLO: &[u8] = b"Hello, World!";
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";
const RESPONSE: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 13\r\n\r\nHello, World!";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), BoxError> {
    // A thread for each side.
    let (servers, clients) = (runtime()?, runtime()?);
    println!(
        "{PAIRS} pairs of {} ms over {CONNECTIONS} connections; median (lowest to highest)\n",
        RUN.as_millis()
    );
    println!("{}", server(&servers, &clients)?);
    println!("{}", client(&servers, &clients)?);
    Ok(())
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(1).enable_all().build()
}

/// `axum`, with and without the server's preset.
fn server(servers: &Runtime, clients: &Runtime) -> Result<Pairs, BoxError> {
    let hello = || Router::new().route("/", get(|| async { "Hello, World!" }));
    let serve = |router: Router| {
        let listener = servers.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr()?;
        servers.spawn(async move { axum::serve(listener, router).await });
        io::Result::Ok(address)
    };
    let (bare, preset) = (serve(hello())?, serve(hello().layer(stack::server("benches")))?);
    let ask = |address| clients.block_on(load(async move || Connection::open(address).await));
    Pairs::measure("axum, server's preset", || ask(bare), || ask(preset))
}

/// `reqwest`, with and without the client's preset for each destination.
fn client(servers: &Runtime, clients: &Runtime) -> Result<Pairs, BoxError> {
    let listener = servers.block_on(TcpListener::bind("127.0.0.1:0"))?;
    let url: reqwest::Url = format!("http://{}/", listener.local_addr()?).parse()?;
    servers.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream));
        }
    });
    let bare = reqwest::Client::builder().no_proxy().build()?;
    let preset = stack::client("benches").per(Destination).classify(ClassifyReqwest).layer(bare.clone());
    Pairs::measure(
        "reqwest, client's preset",
        || clients.block_on(load(async || Ok(Calls { service: bare.clone(), url: url.clone() }))),
        || clients.block_on(load(async || Ok(Calls { service: preset.clone(), url: url.clone() }))),
    )
}

/// Answers whatever comes.
async fn answer(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut request = Vec::with_capacity(1024);
    while stream.read_buf(&mut request).await? > 0 {
        if request.ends_with(b"\r\n\r\n") {
            request.clear();
            stream.write_all(RESPONSE).await?;
        }
    }
    Ok(())
}

/// One of those who ask, one request after the other.
trait Asker: Send + 'static {
    fn ask(&mut self) -> impl Future<Output = Result<(), BoxError>> + Send;
}

/// A connection, and no more of a client than is needed.
struct Connection {
    stream: TcpStream,
    response: Vec<u8>,
}

impl Connection {
    async fn open(address: std::net::SocketAddr) -> Result<Self, BoxError> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, response: Vec::with_capacity(1024) })
    }
}

impl Asker for Connection {
    async fn ask(&mut self) -> Result<(), BoxError> {
        self.response.clear();
        self.stream.write_all(REQUEST).await?;
        while !self.response.ends_with(HELLO) {
            if self.stream.read_buf(&mut self.response).await? == 0 {
                return Err("the server has closed the connection".into());
            }
        }
        if self.response.starts_with(b"HTTP/1.1 200") {
            Ok(())
        } else {
            Err("no answer but a refusal".into())
        }
    }
}

/// Calls through `reqwest`.
struct Calls<S> {
    service: S,
    url: reqwest::Url,
}

impl<S> Asker for Calls<S>
where
    S: Service<reqwest::Request, Response = reqwest::Response, Future: Send> + Send + 'static,
    S::Error: Into<BoxError> + Send,
{
    async fn ask(&mut self) -> Result<(), BoxError> {
        let request = reqwest::Request::new(reqwest::Method::GET, self.url.clone());
        let response = self.service.ready().await.map_err(Into::into)?.call(request).await;
        let body = response.map_err(Into::into)?.error_for_status()?.bytes().await?;
        if body == HELLO { Ok(()) } else { Err("another answer".into()) }
    }
}

/// What one run has come to.
#[derive(Clone, Copy, Debug)]
struct Run {
    per_second: f64,
    p50_us: f64,
}

/// Has all of them ask for as long as a run lasts.
async fn load<A: Asker>(open: impl AsyncFn() -> Result<A, BoxError>) -> Result<Run, BoxError> {
    let begin = now() + WARM_UP;
    let mut askers = JoinSet::new();
    for _ in 0..CONNECTIONS {
        askers.spawn(ask(open().await?, begin));
    }
    let mut took = Vec::new();
    while let Some(asker) = askers.join_next().await {
        took.extend(asker??);
    }
    took.sort_unstable();
    let p50 = took.get(took.len() / 2).ok_or("not one request")?;
    Ok(Run { per_second: took.len() as f64 / RUN.as_secs_f64(), p50_us: p50.as_secs_f64() * 1e6 })
}

/// How long each request took that ended within the run.
async fn ask(mut asker: impl Asker, begin: Instant) -> Result<Vec<Duration>, BoxError> {
    let mut took = Vec::new();
    loop {
        let asked = now();
        asker.ask().await?;
        let answered = now();
        if answered >= begin + RUN {
            return Ok(took);
        }
        if answered >= begin {
            took.push(answered - asked);
        }
    }
}

/// The runs of one comparison.
struct Pairs {
    name: &'static str,
    bare: Vec<Run>,
    preset: Vec<Run>,
}

impl Pairs {
    fn measure(
        name: &'static str,
        bare: impl Fn() -> Result<Run, BoxError>,
        preset: impl Fn() -> Result<Run, BoxError>,
    ) -> Result<Self, BoxError> {
        let mut pairs = Self { name, bare: Vec::new(), preset: Vec::new() };
        for pair in 0..PAIRS {
            if pair % 2 == 0 {
                pairs.bare.push(bare()?);
                pairs.preset.push(preset()?);
            } else {
                pairs.preset.push(preset()?);
                pairs.bare.push(bare()?);
            }
        }
        Ok(pairs)
    }

    fn row(&self, f: &mut fmt::Formatter<'_>, what: &str, figure: fn(&Run) -> f64) -> fmt::Result {
        let figures = |runs: &[Run]| runs.iter().map(figure).collect::<Vec<_>>();
        let (bare, preset) = (figures(&self.bare), figures(&self.preset));
        let ratios = preset.iter().zip(&bare).map(|(preset, bare)| preset / bare).collect();
        let [bare, preset, ratio] = [bare, preset, ratios].map(spread);
        write!(f, "\n  {what:<12} {:>9.0} bare {:>9.0} with it", bare[1], preset[1])?;
        write!(f, "   ratio {:.3} ({:.3} to {:.3})", ratio[1], ratio[0], ratio[2])
    }
}

impl fmt::Display for Pairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        self.row(f, "requests/s", |run| run.per_second)?;
        self.row(f, "p50 us", |run| run.p50_us)
    }
}

/// The lowest, the median and the highest.
fn spread(mut figures: Vec<f64>) -> [f64; 3] {
    figures.sort_by(f64::total_cmp);
    [figures[0], figures[figures.len() / 2], figures[figures.len() - 1]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_of_pairs() {
        let run = |per_second| Run { per_second, p50_us: 1e6 / per_second };
        let bare = [100.0, 10.0, 50.0].map(run).to_vec();
        let preset = [90.0, 8.0, 50.0].map(run).to_vec();
        let text = Pairs { name: "pairs", bare, preset }.to_string();
        assert!(text.contains("50 bare        50 with it   ratio 0.900 (0.800 to 1.000)"), "{text}");
        assert!(text.contains("ratio 1.111 (1.000 to 1.250)"), "{text}");
    }
}
