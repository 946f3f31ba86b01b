//! What the answer to a request with a key says.

use ::http::{Extensions, HeaderMap, Response, StatusCode};
use resilience_core::Refusal;

use crate::http::hint;

/// An answer to a request with a key: those of `http` and `reqwest`.
pub trait KeyedResponse {
    /// Its status.
    fn status(&self) -> StatusCode;

    /// Its headers.
    fn headers(&self) -> &HeaderMap;

    /// Its extensions, to leave a note in.
    fn extensions_mut(&mut self) -> &mut Extensions;
}

impl<B> KeyedResponse for Response<B> {
    fn status(&self) -> StatusCode {
        self.status()
    }

    fn headers(&self) -> &HeaderMap {
        self.headers()
    }

    fn extensions_mut(&mut self) -> &mut Extensions {
        self.extensions_mut()
    }
}

#[cfg(feature = "reqwest")]
#[cfg_attr(docsrs, doc(cfg(feature = "reqwest")))]
impl KeyedResponse for reqwest::Response {
    fn status(&self) -> StatusCode {
        self.status()
    }

    fn headers(&self) -> &HeaderMap {
        self.headers()
    }

    fn extensions_mut(&mut self) -> &mut Extensions {
        self.extensions_mut()
    }
}

/// Whether it is the stored answer of an earlier attempt.
pub(super) fn is_replayed(response: &impl KeyedResponse) -> bool {
    response.headers().get("idempotent-replayed").is_some_and(|value| value.as_bytes() == b"true")
}

/// Whether an earlier attempt still runs. Its problem type says so too, but in a body that nobody has read yet.
pub(super) fn is_in_flight(response: &impl KeyedResponse) -> bool {
    response.status() == StatusCode::CONFLICT && hint(response.headers()).is_some()
}

/// Whether it says what the operation has done, or that it has done nothing for good.
pub(super) fn is_definitive(response: &impl KeyedResponse) -> bool {
    let status = response.status();
    let says_nothing = status.is_server_error()
        || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS)
        || is_in_flight(response);
    is_replayed(response) || !says_nothing
}

/// Whether the operation may have run although it ended with this error.
pub(super) fn may_have_run(error: &impl Refusal) -> bool {
    // The last attempt was refused before it was sent; those before it were not, or there would have been no other.
    let was_tried_before = error.gave_up().is_some_and(|gave_up| gave_up.attempts > 1);
    error.rejected().is_none_or(|rejected| rejected.was_sent() || was_tried_before)
}
