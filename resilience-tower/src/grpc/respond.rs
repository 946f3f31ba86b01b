use std::time::Duration;

use ::http::{HeaderName, HeaderValue, Response, header::CONTENT_TYPE};
use bytes::Bytes;
use resilience_core::Rejected;
use tonic::Status;
use tower_layer::Layer;

use super::status;
use crate::http::{Problem, Respond};

pub(crate) const PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

/// Turns refusals into gRPC responses. Outermost on a server: what it wraps fails with [`Error<E>`](resilience_core::Error), it
/// with `E`.
///
/// ```no_run
/// use resilience_tower::{ErrorLayer, TimeoutLayer, grpc::RespondLayer, http::deadline::{DeadlineHeader, ReadDeadlineLayer}};
/// use std::time::Duration;
/// use tonic::transport::Server;
/// use tower::ServiceBuilder;
///
/// # async fn serve(address: std::net::SocketAddr, routes: tonic::service::Routes) -> Result<(), tonic::transport::Error> {
/// let stack = ServiceBuilder::new()
///     .layer(RespondLayer::new())
///     .layer(ReadDeadlineLayer::new().header(DeadlineHeader::grpc()))
///     .layer(TimeoutLayer::total(Duration::from_secs(30)))
///     .layer(ErrorLayer::new());
/// Server::builder().layer(stack).add_routes(routes).serve(address).await
/// # }
/// ```
///
/// See [`response`] for which response it is. Errors that are no refusals pass through, as with
/// [`http::RespondLayer`](crate::http::RespondLayer), whose service this layer makes; what is served by `tonic` has none.
#[derive(Clone, Copy, Debug, Default)]
pub struct RespondLayer(());

impl RespondLayer {
    /// The layer; it has no settings. To answer with something else give
    /// [`http::RespondLayer::response`](crate::http::RespondLayer::response) a function of your own.
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }
}

impl<S> Layer<S> for RespondLayer {
    type Service = Respond<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Respond::new(inner, response)
    }
}

/// The response to a refused call: HTTP 200 without a body, and the status in its headers ("trailers-only").
///
/// | refusal | `grpc-status` |
/// |---|---|
/// | `AttemptTimeout`, `DeadlineExceeded` | `DEADLINE_EXCEEDED` |
/// | `RateLimited`, `CostAboveBurst` | `RESOURCE_EXHAUSTED` |
/// | any other | `UNAVAILABLE` |
///
/// `grpc-message` says what to do, in the words of [`http::response`](fn@crate::http::response), and nothing of the inside.
/// `grpc-retry-pushback-ms` ([gRFC A6](https://github.com/grpc/proposal/blob/master/A6-client-retries.md)) is the wait in
/// milliseconds, rounded up, where it is known, and -1, for never, where another attempt cannot do better (`CostAboveBurst`).
///
/// ```
/// use std::time::Duration;
/// use resilience_core::Rejected;
/// use resilience_tower::grpc::response;
///
/// let response = response(&Rejected::RateLimited { retry_after: Duration::from_micros(1200) });
/// assert_eq!(response.status(), 200);
/// assert_eq!(response.headers()["grpc-status"], "8");
/// assert_eq!(response.headers()["grpc-retry-pushback-ms"], "2");
/// ```
#[must_use]
pub fn response(rejected: &Rejected) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(Status::GRPC_STATUS, HeaderValue::from(status::code(rejected) as i32));
    headers.insert(Status::GRPC_MESSAGE, HeaderValue::from_static(Problem::of(rejected).detail));
    if let Some(pushback) = pushback(rejected) {
        headers.insert(PUSHBACK, pushback);
    }
    response
}

fn pushback(rejected: &Rejected) -> Option<HeaderValue> {
    if matches!(rejected, Rejected::CostAboveBurst { .. }) {
        return Some(HeaderValue::from_static("-1"));
    }
    rejected.retry_after().map(|wait| HeaderValue::from(whole_milliseconds(wait)))
}

/// Rounded up. What is too long for the number, which is 32 bits wide in some clients, is as long as it can be.
pub(crate) fn whole_milliseconds(wait: Duration) -> i32 {
    i32::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    fn read(rejected: Rejected) -> (Code, Option<String>) {
        let response = response(&rejected);
        assert_eq!((response.status().as_u16(), response.body().len()), (200, 0));
        assert_eq!(response.headers()[CONTENT_TYPE], "application/grpc");
        let status = Status::from_header_map(response.headers()).unwrap();
        assert_eq!(status.message(), Problem::of(&rejected).detail, "tonic reads the message");
        let pushback = response.headers().get(PUSHBACK).map(|value| value.to_str().unwrap().to_owned());
        (status.code(), pushback)
    }

    #[test]
    fn a_client_reads_the_code_the_message_and_the_wait_in_milliseconds_rounded_up() {
        for (nanos, ms) in [(0, "0"), (1, "1"), (1_000_000, "1"), (1_000_001, "2")] {
            let open = Rejected::CircuitOpen { retry_after: Some(Duration::from_nanos(nanos)) };
            assert_eq!(read(open), (Code::Unavailable, Some(ms.to_owned())));
        }
        let (limit, elapsed) = (Duration::MAX, Duration::MAX);
        let late = Rejected::DeadlineExceeded { limit, elapsed, called: true };
        assert_eq!(read(late), (Code::DeadlineExceeded, None));
        let endless = Rejected::RateLimited { retry_after: Duration::MAX };
        assert_eq!(read(endless), (Code::ResourceExhausted, Some(i32::MAX.to_string())));
    }

    #[test]
    fn what_can_never_pass_asks_not_to_be_sent_again() {
        let larger = Rejected::CostAboveBurst { cost: 7, burst: 5 };
        assert_eq!(read(larger), (Code::ResourceExhausted, Some("-1".to_owned())));
    }
}
