use ::http::{HeaderMap, HeaderName, Response, StatusCode};
use resilience_core::{Classify, Error, FailureKind, Hint, Verdict, fallback::Cause, retry::GaveUp};
use tonic::{Code, ConnectError, Status};

use super::{hint, sources};
use crate::http;

/// Where a server says how the call went.
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// Judges what a `tonic` channel answers by the `grpc-status` in its headers; every error is
/// [transient](FailureKind::Transient).
///
/// | code | verdict |
/// |---|---|
/// | `OK` | success |
/// | `UNAVAILABLE` | `Transient` |
/// | `RESOURCE_EXHAUSTED` | `Throttled` |
/// | `DEADLINE_EXCEEDED` | `Timeout` |
/// | `INTERNAL`, `UNKNOWN`, `DATA_LOSS` | `Fault` |
/// | `CANCELLED` | ignored |
/// | `INVALID_ARGUMENT`, `NOT_FOUND`, `ALREADY_EXISTS`, `PERMISSION_DENIED`, `UNAUTHENTICATED`, `FAILED_PRECONDITION`, `OUT_OF_RANGE`, `UNIMPLEMENTED`, `ABORTED` | `Permanent` |
///
/// A call that fails before its first message has its status in the headers ("trailers-only"), so most failures of unary
/// calls are seen. A status in the trailers, after a body has begun, is not: such an answer is a success here. To judge
/// those too, say of which methods a [`Client`](super::Client) is to read it ([`unary`](super::Client::unary)), or put the layers around
/// the generated client, with [`ClassifyCode`].
///
/// Without the header an HTTP status other than 200 comes from something in between, and counts as the code that
/// [gRPC gives it](https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md).
///
/// The server's hint is `grpc-retry-pushback-ms`, which is exact and forbids another attempt where it is
/// negative or no number ([gRFC A6](https://github.com/grpc/proposal/blob/master/A6-client-retries.md)); else the longest
/// `google.rpc.RetryInfo` in `grpc-status-details-bin`; else, where `grpc-status` is missing, what
/// [`ClassifyStatus`](crate::http::ClassifyStatus) reads. Details that cannot be read are no hint.
///
/// ```
/// use http::Response;
/// use resilience_core::{Classify, FailureKind, Hint, Verdict};
/// use resilience_tower::grpc::ClassifyGrpc;
/// use std::time::Duration;
///
/// let response = Response::builder()
///     .header("grpc-status", "14")
///     .header("grpc-retry-pushback-ms", "250")
///     .body(())?;
/// let result: Result<_, &()> = Ok(&response);
/// assert_eq!(ClassifyGrpc.classify(result), Verdict::Failure(FailureKind::Transient));
/// assert_eq!(ClassifyGrpc.hint(result), Some(Hint::Exactly(Duration::from_millis(250))));
/// # Ok::<_, http::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassifyGrpc;

impl<B, E> Classify<Response<B>, E> for ClassifyGrpc {
    fn classify(&self, result: Result<&Response<B>, &E>) -> Verdict {
        match result {
            Ok(response) => verdict(code(response)),
            Err(_) => Verdict::Failure(FailureKind::Transient),
        }
    }

    fn hint(&self, result: Result<&Response<B>, &E>) -> Option<Hint> {
        let headers = result.ok()?.headers();
        hint::pushback(headers)
            .or_else(|| hint::retry_info_header(headers))
            .or_else(|| in_between(headers).then(|| http::hint(headers)).flatten())
    }

    /// The name of the code of an answer.
    fn error_type(&self, result: Result<&Response<B>, &E>) -> Option<&'static str> {
        Some(name(code(result.ok()?)))
    }

    /// Puts the [`GaveUp`] into the extensions of the response.
    fn annotate(&self, response: &mut Response<B>, gave_up: GaveUp) {
        response.extensions_mut().insert(gave_up);
    }

    /// Puts the [`Cause`] into the extensions of the response.
    fn annotate_fallback(&self, response: &mut Response<B>, cause: Cause) {
        response.extensions_mut().insert(cause);
    }

    fn is_fallback(&self, response: &Response<B>) -> bool {
        response.extensions().get::<Cause>().is_some()
    }
}

/// Whether this error, or one of its sources, says that no connection could be made, so that nothing was sent.
///
/// [`ClassifyCode`] asks it. For [`ClassifyGrpc`], which takes any error, put them together:
///
/// ```
/// use resilience_core::{Error, UnsentIf};
/// use resilience_tower::grpc::{ClassifyGrpc, never_connected};
///
/// let classify = UnsentIf::new(ClassifyGrpc, |error: &Error<tonic::ConnectError>| never_connected(error));
/// # use resilience_core::Classify;
/// # let refused = Error::inner(tonic::ConnectError("refused".into()));
/// # assert!(!classify.was_sent(Err::<&http::Response<()>, _>(&refused)));
/// ```
#[must_use]
pub fn never_connected(error: &(dyn std::error::Error + 'static)) -> bool {
    sources(error).any(|error| error.is::<ConnectError>())
}

/// Judges a [`Status`], bare or under [`Error`], by its code; every `Ok` is a success.
///
/// For layers around a generated client, where a failure is an `Err` wherever the server has put it. The verdicts are those
/// of [`ClassifyGrpc`], and so are the hints, which are read from the metadata and the details of the status.
///
/// ```
/// use resilience_core::{Classify, FailureKind, Verdict};
/// use resilience_tower::grpc::ClassifyCode;
/// use tonic::Status;
///
/// let result: Result<&(), _> = Err(&Status::resource_exhausted("later"));
/// assert_eq!(ClassifyCode.classify(result), Verdict::Failure(FailureKind::Throttled));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassifyCode;

impl<T> Classify<T, Status> for ClassifyCode {
    fn classify(&self, result: Result<&T, &Status>) -> Verdict {
        result.err().map_or(Verdict::Success, |status| verdict(status.code()))
    }

    fn hint(&self, result: Result<&T, &Status>) -> Option<Hint> {
        status_hint(result.err()?)
    }

    fn was_sent(&self, result: Result<&T, &Status>) -> bool {
        !result.is_err_and(|status| never_connected(status))
    }

    fn error_type(&self, result: Result<&T, &Status>) -> Option<&'static str> {
        Some(name(result.err()?.code()))
    }
}

/// A refusal has its [own verdict](resilience_core::Rejected::verdict).
impl<T> Classify<T, Error<Status>> for ClassifyCode {
    fn classify(&self, result: Result<&T, &Error<Status>>) -> Verdict {
        match result {
            Ok(_) => Verdict::Success,
            Err(Error::Inner { error, .. }) => verdict(error.code()),
            Err(Error::Rejected { rejected, .. }) => rejected.verdict(),
        }
    }

    fn hint(&self, result: Result<&T, &Error<Status>>) -> Option<Hint> {
        match result.err()? {
            Error::Inner { error, .. } => status_hint(error),
            Error::Rejected { .. } => None,
        }
    }

    fn was_sent(&self, result: Result<&T, &Error<Status>>) -> bool {
        !matches!(result, Err(Error::Inner { error, .. }) if never_connected(error))
    }

    fn error_type(&self, result: Result<&T, &Error<Status>>) -> Option<&'static str> {
        match result.err()? {
            Error::Inner { error, .. } => Some(name(error.code())),
            Error::Rejected { .. } => None,
        }
    }
}

fn status_hint(status: &Status) -> Option<Hint> {
    hint::pushback(status.metadata().as_ref()).or_else(|| hint::retry_info(status.details()))
}

/// The code of a response whose body is not looked at.
fn code<B>(response: &Response<B>) -> Code {
    match response.headers().get(GRPC_STATUS) {
        Some(code) => Code::from_bytes(code.as_bytes()),
        None => code_in_between(response.status()),
    }
}

/// Whether a bad answer is none of a gRPC server.
fn in_between(headers: &HeaderMap) -> bool {
    !headers.contains_key(GRPC_STATUS)
}

/// gRPC's own table for answers without a `grpc-status`, but for 200: there the status is still to come.
fn code_in_between(status: StatusCode) -> Code {
    match status.as_u16() {
        200 => Code::Ok,
        400 | 431 => Code::Internal,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::Unimplemented,
        429 | 502..=504 => Code::Unavailable,
        _ => Code::Unknown,
    }
}

fn verdict(code: Code) -> Verdict {
    Verdict::Failure(match code {
        Code::Ok => return Verdict::Success,
        Code::Cancelled => return Verdict::Ignored,
        Code::Unavailable => FailureKind::Transient,
        Code::ResourceExhausted => FailureKind::Throttled,
        Code::DeadlineExceeded => FailureKind::Timeout,
        Code::Internal | Code::Unknown | Code::DataLoss => FailureKind::Fault,
        Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::Unauthenticated
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::Aborted => FailureKind::Permanent,
    })
}

/// As gRPC writes it.
pub(super) const fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests;
