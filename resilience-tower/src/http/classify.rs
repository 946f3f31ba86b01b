use std::time::Duration;

use http::{HeaderMap, Response, StatusCode, header::RETRY_AFTER};
use resilience_core::{Classify, FailureKind, Hint, Verdict, retry::GaveUp};

/// Judges HTTP responses by their status; every error is [transient](FailureKind::Transient).
///
/// | status | verdict |
/// |---|---|
/// | below 400 | success |
/// | 408, 500, 502, 504 | `Transient` |
/// | 429 | `Throttled` |
/// | 503 | `PeerOverloaded` |
/// | 501, 505, other 4xx | `Permanent` |
/// | other 5xx | `Fault` |
///
/// `Retry-After` in seconds is passed on as the server's hint.
///
/// ```
/// use http::{Response, StatusCode};
/// use resilience_core::{Classify, FailureKind, Hint, Verdict, retry::GaveUp};
/// use resilience_tower::http::ClassifyStatus;
///
/// let mut response = Response::new(());
/// *response.status_mut() = StatusCode::BAD_GATEWAY;
/// let result: Result<_, &()> = Ok(&response);
/// assert_eq!(ClassifyStatus.classify(result), Verdict::Failure(FailureKind::Transient));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassifyStatus;

impl<B, E> Classify<Response<B>, E> for ClassifyStatus {
    fn classify(&self, result: Result<&Response<B>, &E>) -> Verdict {
        match result {
            Ok(response) => verdict(response.status()),
            Err(_) => Verdict::Failure(FailureKind::Transient),
        }
    }

    fn hint(&self, result: Result<&Response<B>, &E>) -> Option<Hint> {
        hint(result.ok()?.headers())
    }

    /// Puts the [`GaveUp`] into the extensions of the response.
    fn annotate(&self, response: &mut Response<B>, gave_up: GaveUp) {
        response.extensions_mut().insert(gave_up);
    }
}

pub(crate) fn verdict(status: StatusCode) -> Verdict {
    Verdict::Failure(match status.as_u16() {
        ..400 => return Verdict::Success,
        408 | 500 | 502 | 504 => FailureKind::Transient,
        429 => FailureKind::Throttled,
        503 => FailureKind::PeerOverloaded,
        400..500 | 501 | 505 => FailureKind::Permanent,
        506.. => FailureKind::Fault,
    })
}

/// The seconds of `Retry-After`; anything else there is ignored.
pub(crate) fn hint(headers: &HeaderMap) -> Option<Hint> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Hint::AtLeast(Duration::from_secs(seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_is_judged_by_the_table() {
        let expect = |status: u16| match status {
            100..400 => Verdict::Success,
            408 | 500 | 502 | 504 => Verdict::Failure(FailureKind::Transient),
            429 => Verdict::Failure(FailureKind::Throttled),
            503 => Verdict::Failure(FailureKind::PeerOverloaded),
            501 | 505 => Verdict::Failure(FailureKind::Permanent),
            status if status < 500 => Verdict::Failure(FailureKind::Permanent),
            _ => Verdict::Failure(FailureKind::Fault),
        };
        for status in 100..1000 {
            assert_eq!(verdict(StatusCode::from_u16(status).unwrap()), expect(status), "{status}");
        }
    }

    #[test]
    fn retry_after_in_seconds_is_a_hint_and_garbage_is_none() {
        let parsed = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, value.parse().unwrap());
            hint(&headers)
        };
        assert_eq!(parsed("7"), Some(Hint::AtLeast(Duration::from_secs(7))));
        assert_eq!(parsed(" 0 "), Some(Hint::AtLeast(Duration::ZERO)));
        for garbage in ["-1", "soon", "", "1.5", "99999999999999999999999"] {
            assert_eq!(parsed(garbage), None, "{garbage:?}");
        }
        assert_eq!(hint(&HeaderMap::new()), None);
    }
}
