//! A generated `tonic` client over the client's stack, against generated servers on real sockets.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod breaker;
mod broken;
mod deadline;
mod retry;
mod server;
mod status;

use std::{net::SocketAddr, time::Duration};

use resilience_core::{Backoff, Context, RetryPolicy, circuit_breaker::Config, retry::Trail};
use resilience_tower::{
    grpc::{Guarded, client_with},
    stack::ClientSettings,
};
use tests::{
    grpc::channel,
    shop::{Answer, Article, ScriptedShop, ShopClient},
};
use tonic::{Request, Status, body::Body, client::GrpcService, transport::Channel};

const MS: Duration = Duration::from_millis(1);
/// Never reached on a machine that is merely busy.
const AMPLE: Duration = Duration::from_secs(60);

/// Limits that nobody reaches, and no more pause between attempts than need be.
fn settings() -> ClientSettings {
    ClientSettings::new()
        .total_timeout(AMPLE)
        .attempt_timeout(AMPLE)
        .circuit_breaker(Config::new().time_window(AMPLE))
        .retry(policy())
}

fn policy() -> RetryPolicy {
    RetryPolicy::new().backoff(Backoff::constant(MS))
}

fn guarded(settings: &ClientSettings, address: SocketAddr) -> Guarded<Channel> {
    client_with("shop", settings, channel(&format!("http://{address}"))).unwrap()
}

/// A shop with this script, and a client of it.
async fn shop(
    settings: &ClientSettings,
    script: impl IntoIterator<Item = Answer>,
) -> (ScriptedShop, Guarded<Channel>) {
    let shop = ScriptedShop::new(script);
    let address = shop.open().await.unwrap();
    (shop, guarded(settings, address))
}

fn unavailable() -> Answer {
    Answer::Fail(Status::unavailable("closed for a moment"))
}

fn pears() -> Article {
    Article { name: "pears".to_owned() }
}

/// A request with this context.
fn request<T>(message: T, context: Context) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(context);
    request
}

/// What there is of pears, and how that went.
async fn stock<C>(channel: &C, context: Context) -> (Result<u32, Status>, Trail)
where
    C: GrpcService<Body, ResponseBody = Body> + Clone,
{
    let trail = Trail::new();
    let request = request(pears(), context.with_trail(trail.clone()));
    let answer = ShopClient::new(channel.clone()).stock(request).await;
    (answer.map(|count| count.into_inner().pieces), trail)
}
