use http::{Response, StatusCode};
use resilience_core::{Classify, FailureKind, Hint, Verdict, fallback::Cause, retry::GaveUp};

use super::hint;

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
/// The server's hint is the first of these headers that can be read:
///
/// | header | value |
/// |---|---|
/// | `retry-after-ms` | milliseconds, also with a fraction |
/// | `x-amz-retry-after` | milliseconds |
/// | `Retry-After` | seconds or an HTTP date |
///
/// The more precise one comes first, because `Retry-After` beside it is the same wait rounded to seconds. A fraction is rounded
/// up. A date counts from the response's own `Date`, so that the clocks need not agree, or from the clock here if there is none;
/// a date in the past is no wait at all. Of a header that is there several times, or as a list of numbers, the longest wait counts.
/// Negative numbers and anything else that cannot be read are no hint, and a number that is too large is the longest wait there is.
///
/// ```
/// use http::{Response, StatusCode};
/// use resilience_core::{Classify, FailureKind, Hint, Verdict};
/// use resilience_tower::http::ClassifyStatus;
/// use std::time::Duration;
///
/// let mut response = Response::new(());
/// *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
/// response.headers_mut().insert("retry-after", "120".parse()?);
/// let result: Result<_, &()> = Ok(&response);
/// assert_eq!(ClassifyStatus.classify(result), Verdict::Failure(FailureKind::Throttled));
/// assert_eq!(ClassifyStatus.hint(result), Some(Hint::AtLeast(Duration::from_secs(120))));
/// # Ok::<_, http::header::InvalidHeaderValue>(())
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

    /// The status of an answer.
    fn error_type(&self, result: Result<&Response<B>, &E>) -> Option<&'static str> {
        digits(result.ok()?.status())
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

/// The status as text that lives for ever.
pub(crate) fn digits(status: StatusCode) -> Option<&'static str> {
    const FIRST: u16 = 100;
    static DIGITS: [[u8; 3]; 900] = {
        let mut all = [*b"100"; 900];
        let mut place = 1;
        while place < all.len() {
            let mut digits = all[place - 1];
            let mut digit = digits.len() - 1;
            while digits[digit] == b'9' {
                digits[digit] = b'0';
                digit -= 1;
            }
            digits[digit] += 1;
            all[place] = digits;
            place += 1;
        }
        all
    };
    let place = usize::from(status.as_u16().checked_sub(FIRST)?);
    std::str::from_utf8(DIGITS.get(place)?).ok()
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
    fn every_status_has_its_digits() {
        for status in (100..1000).map(|status| StatusCode::from_u16(status).unwrap()) {
            assert_eq!(digits(status), Some(status.as_str()));
        }
    }

    #[test]
    fn a_failed_answer_is_named_by_its_status_and_an_error_by_nobody() {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::BAD_GATEWAY;
        assert_eq!(ClassifyStatus.error_type(Ok::<_, &()>(&response)), Some("502"));
        assert_eq!(ClassifyStatus.error_type(Err::<&Response<()>, _>(&())), None);
    }
}
