//! The layers that are no policies: they must not get in the way.

use resilience_core::Error;
#[cfg(feature = "grpc")]
use resilience_tower::grpc::StatusLayer;
#[cfg(all(feature = "idempotency", feature = "http"))]
use resilience_tower::idempotency::client::IdempotencyKeyLayer;
use resilience_tower::{
    CallLayer, ErrorLayer, TransportLayer,
    call::{HandOnLayer, InheritLayer},
};
use tower::{Layer, layer::util::Stack, util::MapErrLayer};
#[cfg(feature = "http")]
use {
    crate::subjects::now,
    http_body_util::Empty,
    resilience_core::{Call, Context, Deadline},
    resilience_tower::http::{
        ReplayBody, ReplayBodyLayer, RespondBody, RespondLayer,
        correlation::{self, CorrelationLayer},
        deadline::{ReadDeadlineLayer, WriteDeadlineLayer},
    },
    std::time::Duration,
    tower::util::{MapRequestLayer, MapResponseLayer},
};

use crate::{
    inner::{Clonable, InnerError, Strict},
    subjects::{Limited, Subject, around, around_clones},
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
type Answer = http::Response<RespondBody<u32>>;

/// Around numbers as bodies, and back again.
#[cfg(feature = "http")]
type AroundBodies<L> = Stack<
    MapResponseLayer<fn(u32) -> Body>,
    Stack<L, Stack<MapResponseLayer<fn(Answer) -> u32>, Flat<&'static str>>>,
>;

#[cfg(feature = "http")]
fn around_bodies<L>(layer: L) -> AroundBodies<L> {
    let number = |answer: Answer| answer.into_body().into_inner().unwrap();
    let outside = Stack::new(
        MapResponseLayer::new(number as fn(Answer) -> u32),
        MapErrLayer::new(Error::inner as fn(&'static str) -> InnerError),
    );
    Stack::new(MapResponseLayer::new(Body::new as fn(u32) -> Body), Stack::new(layer, outside))
}

#[cfg(feature = "http")]
impl Subject for Responding {
    around!(AroundBodies<RespondLayer>);

    fn layer() -> Self::Layer {
        around_bodies(RespondLayer::new())
    }
}

#[cfg(feature = "grpc")]
pub(crate) struct RespondingOverGrpc;

#[cfg(feature = "grpc")]
impl Subject for RespondingOverGrpc {
    around!(AroundBodies<resilience_tower::grpc::RespondLayer>);

    fn layer() -> Self::Layer {
        around_bodies(resilience_tower::grpc::RespondLayer::new())
    }
}

/// On requests that carry a number beside.
#[cfg(feature = "http")]
type AroundNumbers<L> = Stack<
    MapRequestLayer<fn(CallWith<()>) -> Call<u32>>,
    Stack<L, MapRequestLayer<fn(Call<u32>) -> CallWith<()>>>,
>;

#[cfg(feature = "http")]
fn around_numbers<L>(layer: L, with_number: fn(Call<u32>) -> CallWith<()>) -> AroundNumbers<L> {
    Stack::new(
        MapRequestLayer::new(without::<()> as fn(CallWith<()>) -> Call<u32>),
        Stack::new(layer, MapRequestLayer::new(with_number)),
    )
}

#[cfg(feature = "http")]
fn with<B: Default>(call: Call<u32>) -> CallWith<B> {
    let (number, context) = call.into_parts();
    let mut request = http::Request::new(B::default());
    request.extensions_mut().insert(number);
    Call::with_context(request, context)
}

#[cfg(feature = "http")]
fn without<B>(call: CallWith<B>) -> Call<u32> {
    let (mut request, context) = call.into_parts();
    Call::with_context(request.extensions_mut().remove().unwrap(), context)
}

/// The deadline from a header.
#[cfg(feature = "http")]
pub(crate) struct ReadingDeadline;

#[cfg(feature = "http")]
fn with_header(call: Call<u32>, ms: u64) -> CallWith<()> {
    let mut call = with(call);
    call.request_mut().headers_mut().insert("x-request-timeout-ms", ms.into());
    call
}

#[cfg(feature = "http")]
impl Subject for ReadingDeadline {
    around!(AroundNumbers<ReadDeadlineLayer>);

    fn layer() -> Self::Layer {
        around_numbers(ReadDeadlineLayer::new(), |call| with_header(call, 60_000))
    }

    fn refusing() -> Option<(Self::Layer, Call<u32>)> {
        Some((around_numbers(ReadDeadlineLayer::new(), |call| with_header(call, 0)), Call::new(7)))
    }
}

/// The deadline into a header.
#[cfg(feature = "http")]
pub(crate) struct WritingDeadline;

#[cfg(feature = "http")]
impl Subject for WritingDeadline {
    around!(AroundNumbers<WriteDeadlineLayer>);

    fn layer() -> Self::Layer {
        around_numbers(WriteDeadlineLayer::new(), with)
    }

    fn refusing() -> Option<(Self::Layer, Call<u32>)> {
        let over = Context::new().with_deadline(Deadline::after(now(), Duration::ZERO));
        Some((Self::layer(), Call::with_context(7, over)))
    }
}

/// The deadline from a task to the calls that are made on it.
pub(crate) struct HandedOn;

impl Subject for HandedOn {
    around!(Stack<InheritLayer, HandOnLayer>);

    fn layer() -> Self::Layer {
        Stack::new(InheritLayer::new(), HandOnLayer::new())
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
        Stack::new(
            MapRequestLayer::new(without as fn(CallWith<ReplayBody<NoBody>>) -> Call<u32>),
            Stack::new(
                ReplayBodyLayer::new(),
                MapRequestLayer::new(with as fn(Call<u32>) -> CallWith<NoBody>),
            ),
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
                    Stack<correlation::InheritLayer, CorrelationLayer>,
                    Stack<MapResponseLayer<fn(Body) -> u32>, MapRequestLayer<fn(Call<u32>) -> Page>>,
                >,
            >,
        >
    );

    fn layer() -> Self::Layer {
        let outside = Stack::new(
            MapResponseLayer::new(Body::into_body as fn(Body) -> u32),
            MapRequestLayer::new(with as fn(Call<u32>) -> Page),
        );
        Stack::new(
            MapRequestLayer::new(without as fn(Page) -> Call<u32>),
            Stack::new(
                MapResponseLayer::new(Body::new as fn(u32) -> Body),
                Stack::new(
                    Stack::new(correlation::InheritLayer::new(), CorrelationLayer::new().answered(true)),
                    outside,
                ),
            ),
        )
    }
}

/// Idempotency keys on requests that carry a number beside, and have one as body in their response.
#[cfg(all(feature = "idempotency", feature = "http"))]
pub(crate) struct SendingKeys;

#[cfg(all(feature = "idempotency", feature = "http"))]
impl Subject for SendingKeys {
    around!(
        Stack<
            MapRequestLayer<fn(Page) -> Call<u32>>,
            Stack<
                MapResponseLayer<fn(u32) -> Body>,
                Stack<
                    IdempotencyKeyLayer,
                    Stack<MapResponseLayer<fn(Body) -> u32>, MapRequestLayer<fn(Call<u32>) -> Page>>,
                >,
            >,
        >
    );

    fn layer() -> Self::Layer {
        let post = |call: Call<u32>| -> Page {
            let mut call = with(call);
            *call.request_mut().method_mut() = http::Method::POST;
            call
        };
        let outside = Stack::new(
            MapResponseLayer::new(Body::into_body as fn(Body) -> u32),
            MapRequestLayer::new(post as fn(Call<u32>) -> Page),
        );
        Stack::new(
            MapRequestLayer::new(without as fn(Page) -> Call<u32>),
            Stack::new(
                MapResponseLayer::new(Body::new as fn(u32) -> Body),
                Stack::new(IdempotencyKeyLayer::new().server_honours_keys(), outside),
            ),
        )
    }
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

/// Requests that are not guarded by an idempotency key. Of those that are the engine's own tests tell: they run in a task of their own.
#[cfg(feature = "idempotency")]
pub(crate) struct WithoutKey;

#[cfg(feature = "idempotency")]
impl Subject for WithoutKey {
    around_clones!(keyless::Layer);

    fn layer() -> keyless::Layer {
        keyless::layer()
    }
}

/// A protocol of numbers, none of which has a key.
#[cfg(feature = "idempotency")]
mod keyless {
    use std::{future::ready, time::Instant};

    use bytes::Bytes;
    use resilience_core::{
        Call,
        idempotency::{MemoryStore, memory::Config},
    };
    use resilience_tower::idempotency::{
        Asked, Guard, IdempotencyContext, IdempotencyLayer, ReadRequest, Rejection, Sorted, Worked,
        WriteAnswer, memory_store,
    };

    pub(crate) type Layer = IdempotencyLayer<Keyless, MemoryStore>;

    pub(crate) fn layer() -> Layer {
        IdempotencyLayer::new(Guard::new(memory_store(Config::new())), Keyless)
    }

    pub(crate) struct Keyless;

    impl ReadRequest<Call<u32>> for Keyless {
        type Request = Call<u32>;

        fn sort(&self, request: Call<u32>) -> Sorted<Call<u32>, Call<u32>> {
            Sorted::Pass(request)
        }

        fn read(&self, _: Call<u32>) -> impl Future<Output = Result<Asked<Call<u32>>, Rejection>> + Send {
            ready(Err(Rejection::MissingKey))
        }

        fn attach(&self, _: &mut Call<u32>, _: IdempotencyContext, _: Instant) {}
    }

    impl WriteAnswer<u32> for Keyless {
        type Answer = u32;

        fn pass(response: u32) -> u32 {
            response
        }

        fn keep(&self, response: u32) -> impl Future<Output = Worked<u32>> + Send {
            ready(Worked::release(response))
        }

        fn replay(&self, _: Bytes) -> Result<u32, Rejection> {
            Err(Rejection::corrupt())
        }

        fn unprotected(&self, answer: u32) -> u32 {
            answer
        }

        fn reject(&self, _: &Rejection) -> u32 {
            0
        }
    }
}
