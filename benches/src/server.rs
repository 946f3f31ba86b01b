//! The service behind the policies that are asked over HTTP, and the requests it gets.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::ConnectInfo;
use http::{Extensions, Request, Response, StatusCode};
use tower::{Service, ServiceBuilder};

use crate::subject::Subject;
use crate::upstream::{Answer, Fault};

/// Answers every request at once with an empty body.
#[derive(Clone, Copy, Debug)]
pub struct Server;

impl Service<Request<()>> for Server {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    #[inline]
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, _: Request<()>) -> Self::Future {
        ready(Ok(Response::default()))
    }
}

/// A stack that is asked by one client after the other. A refusal is a response with status 429.
///
/// Each call makes its request, as a server does, and each row pays for that alike, the bare one too.
pub fn subject<S, B>(
    name: &'static str,
    stack: S,
    client: impl Fn(u64) -> u32 + Clone + Send + 'static,
) -> Subject
where
    S: Service<Request<()>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    B: 'static,
{
    let service =
        ServiceBuilder::new().map_result(answer).map_request(move |n| request(client(n))).service(stack);
    Subject::service(name, service)
}

/// A request as `axum` hands it on: it says who the peer is.
fn request(client: u32) -> Request<()> {
    let mut request = Request::new(());
    let peer = SocketAddr::from((Ipv4Addr::from_bits(client), 443));
    request.extensions_mut().insert(ConnectInfo(peer));
    request
}

/// The address of the client that made the request.
#[must_use]
pub fn peer(extensions: &Extensions) -> Option<IpAddr> {
    extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip())
}

/// # Panics
///
/// If the status is neither that of an answer nor that of a refusal.
fn answer<B>(response: Result<Response<B>, Infallible>) -> Answer {
    let Ok(response) = response;
    match response.status() {
        StatusCode::OK => Ok(0),
        StatusCode::TOO_MANY_REQUESTS => Err(Fault),
        status => panic!("no stack answers with {status}"),
    }
}
