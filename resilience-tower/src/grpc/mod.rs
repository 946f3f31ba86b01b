//! gRPC over `tonic`: a guarded channel for generated clients, what its codes mean, requests that can be sent again, and
//! refusals as responses of a server and as the [`Status`](tonic::Status) of a client.
//!
//! [`client`] puts the [client's stack](crate::stack) around a channel, and generated code takes the result for one:
//!
//! ```
//! use resilience_tower::grpc;
//! use tonic::transport::{Channel, Endpoint};
//! # mod shop {
//! #     use tonic::{Status, body::Body, client::GrpcService};
//! #     #[derive(Debug)]
//! #     pub struct Article { pub name: String }
//! #     #[derive(Clone)]
//! #     pub struct ShopClient<T>(T);
//! #     impl<T: GrpcService<Body>> ShopClient<T> {
//! #         pub fn new(channel: T) -> Self { Self(channel) }
//! #         pub async fn stock(&mut self, _: Article) -> Result<(), Status> {
//! #             std::future::poll_fn(|cx| self.0.poll_ready(cx)).await.map_err(|e| Status::from_error(e.into()))?;
//! #             let call = http::Request::post("/shop.Shop/Stock").body(Body::empty()).unwrap();
//! #             self.0.call(call).await.map_err(|e| Status::from_error(e.into())).map(drop)
//! #         }
//! #     }
//! # }
//! use shop::{Article, ShopClient};
//!
//! struct App {
//!     shop: ShopClient<grpc::Guarded<Channel>>,
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let channel = Endpoint::from_static("http://127.0.0.1:1").connect_lazy();
//! let channel = grpc::client("shop", channel)
//!     .idempotent(["shop.Shop/Stock"]) // may be made again
//!     .unary(["shop.Shop"])            // all answer with one message
//!     .streaming(["shop.Shop/Watch"]); // but for this one
//! let mut app = App { shop: ShopClient::new(channel) };
//!
//! let status = app.shop.stock(Article { name: "pears".into() }).await.unwrap_err();
//! assert_eq!(status.code(), tonic::Code::Unavailable);
//! # }
//! ```
//!
//! Settings come with [`client_with`]; a key, a classifier, an observer and layers in the slots with [`Client::with_layer`].
//!
//! # What is sent again
//!
//! To HTTP every gRPC call is a `POST`, which nobody may repeat unasked.
//!
//! | call | made again |
//! |---|---|
//! | any, if no connection could be made | yes: nothing was sent |
//! | of a method that is [`idempotent`](Client::idempotent) | yes |
//! | with [`Context::assume_idempotent`](resilience_core::Context::assume_idempotent) in its extensions | yes |
//! | any other | no, unless [`RetryPolicy::assume_idempotent`](resilience_core::RetryPolicy::assume_idempotent) says so |
//! | whose request is a stream | no: it is sent once, and what is left of it nobody can say |
//! | whose answer is a stream | until it has begun; then what breaks off is the caller's |
//!
//! Of these `UNAVAILABLE`, `DEADLINE_EXCEEDED` and, more slowly, `RESOURCE_EXHAUSTED` are made again by default, and what broke before
//! there was an answer; after the pause that the server asks for, if it does, and not at all if it says so (see [`ClassifyGrpc`]).
//! A context goes into a request by itself, with limits for this call if need be:
//!
//! ```
//! use resilience_core::Context;
//! use std::time::Duration;
//! use tonic::Request;
//!
//! let mut request = Request::new("pears");
//! request.extensions_mut().insert(Context::new().assume_idempotent().with_attempt_timeout(Duration::from_millis(300)));
//! ```
//!
//! # What the policies see
//!
//! A call that fails before its first message has its status at once ("trailers-only"): that is what most servers make of an error, and
//! all policies see it. **A status after a message** they see where the answer is read up to it, which [`Client::unary`] is for. On
//! the wire nothing tells a method that answers once from one whose answer is a stream, so without it such an answer is a success, and
//! limits on time end at its beginning.
//!
//! A channel is one destination, with one breaker, throttle, adaptive limit and retry budget, as many machines as may be behind it. Its
//! policies are those of `""`; where a generated client is given an origin, they are those of its host and port. To have them per
//! method or service, give [`per`](crate::stack::ClientLayer::per) a function of the call.
//!
//! Permits are given back when an answer begins, also that of a stream.
//!
//! # Time
//!
//! `grpc-timeout` is written for each attempt: its limit, or what is left of the whole, if that is less. What the caller has
//! written ([`Request::set_timeout`](tonic::Request::set_timeout)) is the deadline of the whole; so is one in the
//! [`Context`](resilience_core::Context), as a server hands it on. Servers of other languages hold the header against a whole
//! answer, so a stream has none unless the caller brings a deadline: a stream of requests is seen to be one, one of answers has to be
//! [listed](Client::streaming).
//!
//! `tonic` holds the header against a call as well, the channel and the server, and says `CANCELLED`. Here that is
//! `DEADLINE_EXCEEDED`, and comes from the timeout that was meant, so that observers hear of it.
//!
//! # Errors
//!
//! The caller gets a [`Status`](tonic::Status). That of a refusal has it as its source:
//!
//! ```
//! use std::error::Error;
//! use resilience_core::Rejected;
//!
//! fn is_open(status: &tonic::Status) -> bool {
//!     let refusal = status.source().and_then(|source| source.downcast_ref());
//!     matches!(refusal, Some(Rejected::CircuitOpen { .. }))
//! }
//! # assert!(!is_open(&tonic::Status::unavailable("")));
//! ```
//!
//! # Interceptors
//!
//! One around the guarded channel (`ShopClient::with_interceptor(channel, f)`) sees each call once; one inside
//! (`grpc::client("shop", InterceptedService::new(channel, f))`) sees each attempt, and can give each a token that is fresh.
//!
//! # Servers
//!
//! ```no_run
//! use resilience_tower::stack;
//! use tonic::transport::Server;
//!
//! # async fn serve(address: std::net::SocketAddr, routes: tonic::service::Routes) -> Result<(), tonic::transport::Error> {
//! let layer = stack::server("shop").grpc();
//! Server::builder().layer(layer).add_routes(routes).serve(address).await
//! # }
//! ```
//!
//! For a stack of one's own [`RespondLayer`] turns refusals into answers.

mod classify;
mod client;
mod hint;
mod replay;
mod respond;
mod status;

pub use self::{
    classify::{ClassifyCode, ClassifyGrpc, never_connected},
    client::{ClassifyChannel, Client, Guarded, Methods, RequestBody, Wire, WireFuture, client, client_with},
    respond::{RespondLayer, response},
    status::{IntoStatus, StatusFuture, StatusLayer, status},
};
#[cfg(feature = "idempotency")]
pub(crate) use self::{
    hint::retry_info_details,
    respond::{PUSHBACK, whole_milliseconds},
};

/// The error and what has caused it, one after the other.
fn sources<'e>(
    error: &'e (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'e (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}
