//! Idempotency keys of gRPC calls that answer once.
//!
//! The key is in the metadata `idempotency-key`. Refusals are a status without a message:
//!
//! | | `grpc-status` |
//! |---|---|
//! | no key, or none that may be used; the key was used for another call | `INVALID_ARGUMENT` |
//! | an earlier call with the key still runs | `ABORTED`, with `RetryInfo` and `grpc-retry-pushback-ms` |
//! | an earlier one ended without a result; its response was not kept; the key is too old | `FAILED_PRECONDITION` |
//! | the request is too long | `RESOURCE_EXHAUSTED` |
//! | the store cannot be asked; too much runs already, or the guard drains | `UNAVAILABLE`, with pushback |
//! | nobody knows whose key it is; the handler has panicked | `INTERNAL` |
//!
//! # What becomes of a response
//!
//! | status | |
//! |---|---|
//! | `OK`, `INVALID_ARGUMENT`, `NOT_FOUND`, `ALREADY_EXISTS`, `FAILED_PRECONDITION`, `OUT_OF_RANGE`, `UNIMPLEMENTED` | kept: it is the result |
//! | `UNAVAILABLE`, `RESOURCE_EXHAUSTED`, `UNAUTHENTICATED`, `PERMISSION_DENIED`, `ABORTED` | released: nothing has happened |
//! | `UNKNOWN`, `INTERNAL`, `DEADLINE_EXCEEDED`, `CANCELLED`, `DATA_LOSS`, or none | abandoned: nobody knows what has happened |
//!
//! A handler says otherwise with a [`Disposition`] in the extensions of its response.

use std::{fmt, time::Instant};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, header::CONTENT_TYPE, request::Parts,
};
use http_body::Body;
use resilience_core::idempotency::KeptResponse;
use tonic::{Code, Status};

use super::{
    Asked, Disposition, IdempotencyContext, ReadRequest, Refused, Rejection, Sorted, Worked, WriteAnswer,
    http::{Collected, IdempotentBody, Keep, Problem, collect, fields, mark_unprotected, restore},
    naming::{self, MAX_REQUEST_BODY, MAX_STORED_RESPONSE, Naming, naming_setters},
};
use crate::grpc::{Methods, PUSHBACK, retry_info_details, whole_milliseconds};

const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// gRPC as the protocol of an [`IdempotencyLayer`](super::IdempotencyLayer), and its settings.
///
/// It guards calls of the methods that it is told, all of which answer once. What streams must not be among them: of a
/// request only the first message would be waited for.
///
/// ```no_run
/// use resilience_core::idempotency::memory::Config;
/// use resilience_tower::{grpc::Methods, idempotency::{Guard, IdempotencyLayer, grpc::Grpc, memory_store}};
/// use tonic::transport::Server;
///
/// # async fn serve(address: std::net::SocketAddr, routes: tonic::service::Routes) -> Result<(), tonic::transport::Error> {
/// let methods = Methods::from(["shop.Orders/Create", "shop.Payments"]);
/// let layer = IdempotencyLayer::new(Guard::new(memory_store(Config::new())), Grpc::single_tenant(methods));
/// Server::builder().layer(layer).add_routes(routes).serve(address).await
/// # }
/// ```
///
/// # Clone
///
/// A clone has the same settings, and shares its functions.
#[derive(Clone)]
pub struct Grpc {
    naming: Naming,
    methods: Methods,
    max_request_body: usize,
    max_stored_response: usize,
}

impl Grpc {
    /// Guards `methods`. Keys belong to whoever `scope` names: the account, the tenant, the signed-in user.
    ///
    /// A call for which it names nobody, or somebody without a name, is refused.
    #[must_use]
    pub fn scoped_by<F, T>(methods: Methods, scope: F) -> Self
    where
        F: Fn(&Parts) -> Option<T> + Send + Sync + 'static,
        T: AsRef<[u8]>,
    {
        Self::with_naming(methods, Naming::scoped_by(scope))
    }

    /// Guards `methods`. All callers may see each other's responses: there is one tenant.
    #[must_use]
    pub fn single_tenant(methods: Methods) -> Self {
        Self::with_naming(methods, Naming::single_tenant())
    }

    const fn with_naming(methods: Methods, naming: Naming) -> Self {
        Self { naming, methods, max_request_body: MAX_REQUEST_BODY, max_stored_response: MAX_STORED_RESPONSE }
    }

    naming_setters!();
}

impl<B> ReadRequest<Request<B>> for Grpc
where
    B: Body + Send + 'static,
    B::Data: From<Bytes> + Send,
{
    type Request = Request<IdempotentBody<B>>;

    fn sort(&self, request: Request<B>) -> Sorted<Request<B>, Self::Request> {
        let applies = request.method() == Method::POST && self.methods.contains(request.uri().path());
        self.naming.sort(request, applies)
    }

    async fn read(&self, request: Request<B>) -> Result<Asked<Self::Request>, Rejection> {
        let (parts, body) = request.into_parts();
        let key = self.naming.record(&parts)?;
        let limit = self.max_request_body;
        let (bytes, trailers) = match collect(body, limit).await {
            Collected::Whole { bytes, trailers } => (bytes, trailers),
            Collected::TooLarge { .. } => return Err(Rejection::TooLarge { limit }),
            Collected::Failed => return Err(Rejection::Unreadable),
        };
        let fingerprint = self.naming.fingerprint().part("grpc").part(parts.uri.path()).part(&bytes).finish();
        let request = Request::from_parts(parts, IdempotentBody::whole(bytes, trailers));
        Ok(Asked { key, fingerprint, request })
    }

    fn attach(&self, request: &mut Self::Request, context: IdempotencyContext, since: Instant) {
        naming::attach(request, context, since);
    }
}

impl<B> WriteAnswer<Response<B>> for Grpc
where
    B: Body + Send + 'static,
    B::Data: From<Bytes> + Send,
{
    type Answer = Response<IdempotentBody<B>>;

    fn pass(response: Response<B>) -> Self::Answer {
        response.map(IdempotentBody::inner)
    }

    /// The status is behind the message, so the body is read whatever it says of its length.
    async fn keep(&self, response: Response<B>) -> Worked<Self::Answer> {
        let (parts, body) = response.into_parts();
        let mut kept = KeptResponse::new(parts.status.as_u16());
        kept.headers = Keep::default().fields(&parts.headers);
        kept.body = None;
        let said = parts.extensions.get::<Disposition>().copied();
        let (bytes, trailers) = match collect(body, self.max_stored_response).await {
            Collected::Whole { bytes, trailers } => (bytes, trailers),
            Collected::TooLarge { head, rest } => {
                let answer = Response::from_parts(parts, IdempotentBody::begun(head, rest));
                return with(said.unwrap_or(Disposition::Store), answer, &kept);
            }
            Collected::Failed => return Worked::abandon(refusal(&Rejection::Refused(Refused::Panicked))),
        };
        let code = code(&parts.headers, trailers.as_ref());
        kept.trailers = trailers.as_ref().map(fields).unwrap_or_default();
        kept.body = Some(bytes.clone());
        let answer = Response::from_parts(parts, IdempotentBody::whole(bytes, trailers));
        with(said.unwrap_or_else(|| by_code(code)), answer, &kept)
    }

    fn replay(&self, bytes: Bytes) -> Result<Self::Answer, Rejection> {
        restore(&bytes, &IDEMPOTENT_REPLAYED)
    }

    fn unprotected(&self, answer: Self::Answer) -> Self::Answer {
        mark_unprotected(answer)
    }

    fn reject(&self, rejection: &Rejection) -> Self::Answer {
        refusal(rejection)
    }
}

fn with<T>(disposition: Disposition, answer: T, kept: &KeptResponse) -> Worked<T> {
    match disposition {
        Disposition::Store => Worked::store(answer, kept.encode()),
        Disposition::Release => Worked::release(answer),
        Disposition::Abandon => Worked::abandon(answer),
    }
}

/// A status without a message, in the headers.
fn refusal<B>(rejection: &Rejection) -> Response<IdempotentBody<B>> {
    let (code, detail) = (code_of(rejection), Problem::of(rejection).detail);
    let mut response = Response::new(IdempotentBody::default());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(Status::GRPC_STATUS, HeaderValue::from(code as i32));
    headers.insert(Status::GRPC_MESSAGE, HeaderValue::from_static(detail));
    if let Some(wait) = rejection.retry_after() {
        headers.insert(PUSHBACK, HeaderValue::from(whole_milliseconds(wait)));
        let details = retry_info_details(code as i32, detail, wait);
        headers.extend(details.map(|details| (Status::GRPC_STATUS_DETAILS, details)));
    }
    response
}

/// What the response says, behind its message or without one.
fn code(headers: &HeaderMap, trailers: Option<&HeaderMap>) -> Code {
    let status = trailers.and_then(|trailers| trailers.get(Status::GRPC_STATUS));
    match status.or_else(|| headers.get(Status::GRPC_STATUS)) {
        Some(status) => Code::from_bytes(status.as_bytes()),
        None => Code::Unknown,
    }
}

const fn by_code(code: Code) -> Disposition {
    match code {
        Code::Ok
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::Unimplemented => Disposition::Store,
        Code::Unavailable
        | Code::ResourceExhausted
        | Code::Unauthenticated
        | Code::PermissionDenied
        | Code::Aborted => Disposition::Release,
        Code::Unknown | Code::Internal | Code::DeadlineExceeded | Code::Cancelled | Code::DataLoss => {
            Disposition::Abandon
        }
    }
}

const fn code_of(rejection: &Rejection) -> Code {
    match rejection {
        Rejection::MissingKey
        | Rejection::InvalidKey(_)
        | Rejection::Unreadable
        | Rejection::Refused(Refused::KeyReused) => Code::InvalidArgument,
        Rejection::KeyExpired
        | Rejection::NotRetained { .. }
        | Rejection::Refused(Refused::OutcomeUnknown { .. }) => Code::FailedPrecondition,
        Rejection::TooLarge { .. } => Code::ResourceExhausted,
        Rejection::Refused(Refused::InFlight { .. }) => Code::Aborted,
        Rejection::Refused(Refused::Store(_) | Refused::Rejected(_)) => Code::Unavailable,
        Rejection::NoScope | Rejection::Refused(Refused::Panicked) => Code::Internal,
    }
}

impl fmt::Debug for Grpc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grpc")
            .field("methods", &self.methods)
            .field("require_key", &self.naming.require_key)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_is_kept_released_or_abandoned() {
        for number in 0..17 {
            let expected = match number {
                0 | 3 | 5 | 6 | 9 | 11 | 12 => Disposition::Store,
                7 | 8 | 10 | 14 | 16 => Disposition::Release,
                _ => Disposition::Abandon,
            };
            assert_eq!(by_code(Code::from_i32(number)), expected, "{number}");
        }
    }

    #[test]
    fn the_status_behind_the_message_counts_before_one_in_front() {
        let of = |code: &'static str| {
            HeaderMap::from_iter([(Status::GRPC_STATUS, HeaderValue::from_static(code))])
        };
        assert_eq!(code(&of("0"), Some(&of("13"))), Code::Internal);
        assert_eq!(code(&of("5"), Some(&HeaderMap::new())), Code::NotFound);
        assert_eq!(code(&of("5"), None), Code::NotFound);
        assert_eq!(code(&HeaderMap::new(), None), Code::Unknown);
    }
}
