//! A guarded `tonic` channel under a generated client, a generated server under the policies of a server, and what the caller sees
//! while the server fails, is too busy, and recovers.
//!
//! ```sh
//! cargo run -p examples --features grpc --bin tonic_client_and_server
//! ```

/// What `tonic::include_proto!("shop")` would be, generated beforehand.
#[expect(unreachable_pub, reason = "generated")]
mod shop {
    include!("../../../tests/proto/shop.rs");
}

use std::{
    error::Error as _,
    future::pending,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use resilience_core::{BoxError, Context, Quota, Rejected, circuit_breaker, retry::Trail};
use resilience_tower::{
    grpc::{self, Guarded},
    stack::{ClientSettings, ServerLayer, ServerSettings},
};
use shop::{Article, Count, shop_client::ShopClient, shop_server};
use tokio::net::TcpListener;
use tonic::{
    Request, Response, Status, Streaming,
    codegen::tokio_stream::{self, Iter},
    transport::{Channel, Endpoint, Server, server::TcpIncoming},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let shop = Shop::default();
    let channel = Endpoint::from_shared(shop.open(Quota::per_second(1000)).await?)?.connect_lazy();

    // `grpc::client("shop", channel)` has the defaults, which are for outages of minutes. This one is over in a second.
    let settings = ClientSettings::new()
        .attempt_timeout(Duration::from_millis(200))
        .circuit_breaker(quick_breaker())
        .throttle(None);
    let channel = grpc::client_with("shop", &settings, channel)?
        .idempotent(["shop.Shop/Stock", "shop.Shop/Watch"])
        .unary(["shop.Shop/Stock"])
        .streaming(["shop.Shop/Watch"]);
    let client = ShopClient::new(channel);

    println!("all is well");
    ask(&client, &shop).await;
    let mut counts = client.clone().watch(pears()).await?.into_inner();
    while let Some(count) = counts.message().await? {
        println!("  a stream says {}", count.pieces);
    }

    println!("\nthe server fails every second call");
    shop.mood(Mood::EverySecondFails);
    for _ in 0..3 {
        ask(&client, &shop).await;
    }

    println!("\nthe server hangs");
    shop.mood(Mood::Hangs);
    ask(&client, &shop).await;

    println!("\nthe server fails");
    shop.mood(Mood::Fails);
    for _ in 0..6 {
        ask(&client, &shop).await;
    }

    println!("\nthe server is well again, and soon it is asked again");
    shop.mood(Mood::Well);
    let mut is_back = false;
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        is_back = ask(&client, &shop).await;
        if is_back {
            break;
        }
    }

    println!("\na server that takes one call a minute");
    let small = Shop::default();
    let channel = Endpoint::from_shared(small.open(Quota::per_minute(1)).await?)?.connect_lazy();
    let client = ShopClient::new(grpc::client("small shop", channel));
    ask(&client, &small).await;
    ask(&client, &small).await;
    if is_back { Ok(()) } else { Err("the client has not come back".into()) }
}

/// Asks what there is of pears, and says what the caller sees.
async fn ask(client: &ShopClient<Guarded<Channel>>, shop: &Shop) -> bool {
    let trail = Trail::new();
    let mut request = Request::new(pears());
    request.extensions_mut().insert(Context::new().with_trail(trail.clone()));
    let answer = client.clone().stock(request).await;
    let seen = match &answer {
        Ok(count) => format!("{} pieces", count.get_ref().pieces),
        Err(status) => match status.source().and_then(|source| source.downcast_ref::<Rejected>()) {
            Some(rejected) => format!("{:?}, refused here: {rejected}", status.code()),
            None => format!("{:?}: {}", status.code(), status.message()),
        },
    };
    let why = trail.gave_up().map_or(String::new(), |gave_up| format!(" ({})", gave_up.reason));
    println!("  {} arrived  {seen}{why}", shop.asked.swap(0, Ordering::SeqCst));
    answer.is_ok()
}

fn pears() -> Article {
    Article { name: "pears".to_owned() }
}

/// Opens after ten failures in a row, for as long as an example may take.
fn quick_breaker() -> circuit_breaker::Config {
    const WAIT: Duration = Duration::from_millis(400);
    circuit_breaker::Config::new().consecutive_failures(10).open_for(WAIT, WAIT)
}

/// A server that does as its mood is.
#[derive(Clone, Debug, Default)]
struct Shop {
    mood: Arc<Mutex<Mood>>,
    asked: Arc<AtomicU32>,
}

#[derive(Clone, Copy, Debug, Default)]
enum Mood {
    #[default]
    Well,
    EverySecondFails,
    Hangs,
    Fails,
}

impl Shop {
    fn mood(&self, mood: Mood) {
        *self.mood.lock().unwrap_or_else(PoisonError::into_inner) = mood;
    }

    /// Serves under the server's stack, and says where.
    async fn open(&self, quota: Quota) -> Result<String, BoxError> {
        // `stack::server("shop").grpc()` has the defaults: an adaptive limit, the caller's deadline, a total timeout.
        let layer = ServerLayer::new("shop", &ServerSettings::new().rate_limit(quota))?.grpc();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let server = Server::builder().layer(layer).add_service(shop_server::ShopServer::new(self.clone()));
        tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
        Ok(url)
    }
}

#[tonic::async_trait]
impl shop_server::Shop for Shop {
    type WatchStream = Iter<std::vec::IntoIter<Result<Count, Status>>>;
    type EachStream = Self::WatchStream;

    async fn stock(&self, _: Request<Article>) -> Result<Response<Count>, Status> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst);
        let mood = *self.mood.lock().unwrap_or_else(PoisonError::into_inner);
        match mood {
            Mood::Hangs => pending().await,
            Mood::EverySecondFails if number.is_multiple_of(2) => {
                Err(Status::unavailable("closed for a moment"))
            }
            Mood::Fails => Err(Status::unavailable("closed")),
            Mood::Well | Mood::EverySecondFails => Ok(Response::new(Count { pieces: 17 })),
        }
    }

    async fn watch(&self, _: Request<Article>) -> Result<Response<Self::WatchStream>, Status> {
        let counts = [17, 16, 15].map(|pieces| Ok(Count { pieces }));
        Ok(Response::new(tokio_stream::iter(counts.to_vec())))
    }

    async fn sum(&self, _: Request<Streaming<Article>>) -> Result<Response<Count>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn each(&self, _: Request<Streaming<Article>>) -> Result<Response<Self::EachStream>, Status> {
        Err(Status::unimplemented("not here"))
    }
}
