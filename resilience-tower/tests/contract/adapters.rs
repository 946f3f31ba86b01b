//! The layers that are no policies: they must not get in the way.

#[cfg(feature = "http")]
use resilience_core::Call;
use resilience_core::Error;
#[cfg(feature = "grpc")]
use resilience_tower::grpc::StatusLayer;
use resilience_tower::{CallLayer, ErrorLayer, TransportLayer};
use tower::{Layer, layer::util::Stack, util::MapErrLayer};
#[cfg(feature = "http")]
use {
    http_body_util::Empty,
    resilience_tower::http::{ReplayBody, ReplayBodyLayer, RespondLayer, correlation::CorrelationLayer},
    tower::util::{MapRequestLayer, MapResponseLayer},
};

use crate::{
    inner::{InnerError, Strict},
    subjects::{Limited, Subject, around},
};

/// What an adapter's error becomes again, so that the cases can compare it.
type Flat<E> = MapErrLayer<fn(E) -> InnerError>;

/// The layers that put a call's context on and take it off.
pub(crate) struct ContextOnAndOff;

impl Subject for ContextOnAndOff {
    around!(Stack<TransportLayer, Stack<CallLayer, Flat<Error<InnerError>>>>);

    fn layer() -> Self::Layer {
        let flat = MapErrLayer::new(flat as fn(Error<InnerError>) -> InnerError);
        Stack::new(TransportLayer::new(), Stack::new(CallLayer::new(), flat))
    }
}

pub(crate) struct MappedError;

impl Subject for MappedError {
    around!(Stack<ErrorLayer, Flat<Error<InnerError>>>);

    fn layer() -> Self::Layer {
        Stack::new(ErrorLayer::new(), MapErrLayer::new(flat as fn(Error<InnerError>) -> InnerError))
    }
}

fn flat(error: Error<InnerError>) -> InnerError {
    match error {
        Error::Rejected { rejected, .. } => rejected.into(),
        Error::Inner { error, .. } => error,
    }
}

/// Refusals as responses, around numbers as bodies.
#[cfg(feature = "http")]
pub(crate) struct Responding;

#[cfg(feature = "http")]
type Body = http::Response<u32>;

#[cfg(feature = "http")]
impl Subject for Responding {
    around!(
        Stack<
            MapResponseLayer<fn(u32) -> Body>,
            Stack<RespondLayer, Stack<MapResponseLayer<fn(Body) -> u32>, Flat<&'static str>>>,
        >
    );

    fn layer() -> Self::Layer {
        let outside = Stack::new(
            MapResponseLayer::new(Body::into_body as fn(Body) -> u32),
            MapErrLayer::new(Error::inner as fn(&'static str) -> InnerError),
        );
        Stack::new(
            MapResponseLayer::new(Body::new as fn(u32) -> Body),
            Stack::new(RespondLayer::new(), outside),
        )
    }
}

/// Bodies that can be sent again, on requests that carry a number beside.
#[cfg(feature = "http")]
pub(crate) struct ReplayableBodies;

#[cfg(feature = "http")]
type CallWith<B> = Call<http::Request<B>>;

#[cfg(feature = "http")]
type NoBody = Empty<bytes::Bytes>;

#[cfg(feature = "http")]
impl Subject for ReplayableBodies {
    around!(
        Stack<
            MapRequestLayer<fn(CallWith<ReplayBody<NoBody>>) -> Call<u32>>,
            Stack<ReplayBodyLayer, MapRequestLayer<fn(Call<u32>) -> CallWith<NoBody>>>,
        >
    );

    fn layer() -> Self::Layer {
        let without = |call: CallWith<ReplayBody<NoBody>>| {
            let (mut request, context) = call.into_parts();
            Call::with_context(request.extensions_mut().remove().unwrap(), context)
        };
        Stack::new(
            MapRequestLayer::new(without as fn(CallWith<ReplayBody<NoBody>>) -> Call<u32>),
            Stack::new(ReplayBodyLayer::new(), MapRequestLayer::new(with_headers as fn(Call<u32>) -> Page)),
        )
    }
}

/// Ids in headers, on requests that carry a number beside and responses with a number as body.
#[cfg(feature = "http")]
pub(crate) struct Correlated;

#[cfg(feature = "http")]
type Page = CallWith<NoBody>;

#[cfg(feature = "http")]
impl Subject for Correlated {
    around!(
        Stack<
            MapRequestLayer<fn(Page) -> Call<u32>>,
            Stack<
                MapResponseLayer<fn(u32) -> Body>,
                Stack<
                    CorrelationLayer,
                    Stack<MapResponseLayer<fn(Body) -> u32>, MapRequestLayer<fn(Call<u32>) -> Page>>,
                >,
            >,
        >
    );

    fn layer() -> Self::Layer {
        let outside = Stack::new(
            MapResponseLayer::new(Body::into_body as fn(Body) -> u32),
            MapRequestLayer::new(with_headers as fn(Call<u32>) -> Page),
        );
        Stack::new(
            MapRequestLayer::new(without_headers as fn(Page) -> Call<u32>),
            Stack::new(
                MapResponseLayer::new(Body::new as fn(u32) -> Body),
                Stack::new(CorrelationLayer::new().answered(true), outside),
            ),
        )
    }
}

#[cfg(feature = "http")]
fn with_headers(call: Call<u32>) -> Page {
    let (number, context) = call.into_parts();
    let mut request = http::Request::new(NoBody::new());
    request.extensions_mut().insert(number);
    Call::with_context(request, context)
}

#[cfg(feature = "http")]
fn without_headers(call: Page) -> Call<u32> {
    let (mut request, context) = call.into_parts();
    Call::with_context(request.extensions_mut().remove().unwrap(), context)
}

/// Refusals as a gRPC status.
#[cfg(feature = "grpc")]
pub(crate) struct Status;

#[cfg(feature = "grpc")]
impl Subject for Status {
    around!(Stack<StatusLayer, Flat<tonic::Status>>);

    fn layer() -> Self::Layer {
        let text = |status: tonic::Status| match status.message() {
            "failed" => Error::inner("failed"),
            "not ready" => Error::inner("not ready"),
            other => panic!("{other}"),
        };
        Stack::new(StatusLayer::new(), MapErrLayer::new(text as fn(tonic::Status) -> InnerError))
    }
}
