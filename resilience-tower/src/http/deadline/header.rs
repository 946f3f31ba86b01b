use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::http::hint::digits;

/// The header that says how much time is left, and how it says it.
///
/// Default: whole milliseconds in `x-request-timeout-ms`.
///
/// A value is read only if the header is there once and the value is as described; anything else is as if there was none. A
/// value that is written is never longer than what is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadlineHeader {
    name: HeaderName,
    form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Milliseconds,
    Grpc,
}

impl DeadlineHeader {
    /// Whole milliseconds in a header of this name: ASCII digits and nothing else.
    ///
    /// A number that is too large to be counted is as long as can be. Less than a millisecond is no time.
    ///
    /// ```
    /// use http::HeaderName;
    /// use resilience_tower::http::deadline::DeadlineHeader;
    ///
    /// let header = DeadlineHeader::milliseconds(HeaderName::from_static("x-envoy-expected-rq-timeout-ms"));
    /// # let _ = header;
    /// ```
    #[must_use]
    pub const fn milliseconds(name: HeaderName) -> Self {
        Self { name, form: Form::Milliseconds }
    }

    /// `grpc-timeout`: at most eight digits and one of the units `H`, `M`, `S`, `m`, `u`, `n`
    /// ([gRPC over HTTP/2](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests)).
    ///
    /// It is written in the largest unit that loses nothing, or at most a thousandth.
    #[must_use]
    pub const fn grpc() -> Self {
        Self { name: HeaderName::from_static("grpc-timeout"), form: Form::Grpc }
    }

    pub(crate) const fn name(&self) -> &HeaderName {
        &self.name
    }

    /// The time in the headers, if it is there and makes sense.
    pub(crate) fn read(&self, headers: &HeaderMap) -> Option<Duration> {
        // Most requests have none: to look for one is cheaper than to look for all.
        let value = headers.get(&self.name)?;
        if headers.get_all(&self.name).iter().nth(1).is_some() {
            return None;
        }
        let value = value.to_str().ok()?;
        match self.form {
            Form::Milliseconds => digits(value).map(|ms| ms.map_or(Duration::MAX, Duration::from_millis)),
            Form::Grpc => read_grpc(value),
        }
    }

    /// What says that so much time is left; `None` if it is too little to be said.
    pub(crate) fn write(&self, left: Duration) -> Option<HeaderValue> {
        match self.form {
            Form::Milliseconds => {
                let ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
                (ms > 0).then(|| HeaderValue::from(ms))
            }
            Form::Grpc => write_grpc(left),
        }
    }
}

impl Default for DeadlineHeader {
    fn default() -> Self {
        Self::milliseconds(HeaderName::from_static("x-request-timeout-ms"))
    }
}

/// The units of `grpc-timeout` in nanoseconds, the largest first.
const UNITS: [(char, u64); 6] = [
    ('H', 3_600_000_000_000),
    ('M', 60_000_000_000),
    ('S', 1_000_000_000),
    ('m', 1_000_000),
    ('u', 1_000),
    ('n', 1),
];

/// Eight digits.
const MOST: u64 = 99_999_999;

fn read_grpc(value: &str) -> Option<Duration> {
    let (number, nanos) = UNITS.iter().find_map(|&(unit, nanos)| Some((value.strip_suffix(unit)?, nanos)))?;
    let count = digits(number).filter(|_| number.len() <= 8)??;
    // Eight digits of hours are too many nanoseconds for one word.
    let (seconds, nanos) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    Some(Duration::from_secs(count * seconds) + Duration::from_nanos(count * nanos))
}

fn write_grpc(left: Duration) -> Option<HeaderValue> {
    let left = left.as_nanos();
    let fits = |&(unit, nanos): &(char, u64)| {
        let count = left / u128::from(nanos);
        let is_exact = left % u128::from(nanos) == 0;
        (is_exact || count >= 1000).then_some((unit, count))
    };
    // The last unit is exact.
    let (unit, count) = UNITS.iter().find_map(fits)?;
    let count = u64::try_from(count).map_or(MOST, |count| count.min(MOST));
    if count == 0 {
        return None;
    }
    HeaderValue::try_from(format!("{count}{unit}")).ok()
}

#[cfg(test)]
mod tests;
