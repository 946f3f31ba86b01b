use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use resilience_core::{BoxError, Deadline};
use tonic::{Status, body::Body};
use tower_service::Service;

use super::{
    future::{Sent, WireFuture},
    request::{Answer, RequestBody},
};
use crate::{grpc::status::read, http::deadline::DeadlineHeader, time};

/// The innermost part of a [`Client`](super::Client), around the channel: errors become a [`Status`], as the generated client would
/// make of them, and the answer of a [unary](super::Client::unary) method is read up to its status.
///
/// `tonic` holds `grpc-timeout` against a call, too. It waits then for the timeout of the stack that the header comes from.
#[derive(Clone, Debug)]
pub struct Wire<T> {
    channel: T,
}

impl<T> Wire<T> {
    pub(super) const fn new(channel: T) -> Self {
        Self { channel }
    }
}

impl<T, B> Service<Request<RequestBody>> for Wire<T>
where
    T: Service<Request<Body>, Response = Response<B>>,
    T::Error: Into<BoxError>,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = Status;
    type Future = WireFuture<T::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.channel.poll_ready(cx).map_err(|error| read(error.into()))
    }

    fn call(&mut self, mut request: Request<RequestBody>) -> Self::Future {
        let answer = request.body().answer;
        if let Answer::Stream(deadline) = answer {
            limit(request.headers_mut(), deadline);
        }
        let left = DeadlineHeader::grpc().read(request.headers());
        let until = left.map(|left| Deadline::after(time::now(), left));
        let sent = Sent { to_the_status: answer == Answer::Message, until };
        WireFuture::new(self.channel.call(request.map(Body::from)), sent)
    }
}

/// Writes what is left until the deadline, in place of the limits for the beginning of an answer.
fn limit(headers: &mut HeaderMap, deadline: Option<Deadline>) {
    let header = DeadlineHeader::grpc();
    let left = deadline.map(|deadline| deadline.remaining(time::now()));
    match left.and_then(|left| header.write(left)) {
        Some(value) => drop(headers.insert(header.name(), value)),
        None => drop(headers.remove(header.name())),
    }
}
