//! What an HTTP server said about trying again.

use std::time::{Duration, SystemTime};

use http::{
    HeaderMap,
    header::{DATE, RETRY_AFTER},
};
use resilience_core::Hint;

use crate::time;

/// The longest wait that can be said: what a number that is too large comes to. To ignore it would be to come back at once.
const FOR_EVER: Duration = Duration::MAX;

/// The wait that the headers ask for, if they do. See [`ClassifyStatus`](super::ClassifyStatus) for the rules.
pub(crate) fn hint(headers: &HeaderMap) -> Option<Hint> {
    read(headers, time::wall_now).map(Hint::AtLeast)
}

/// The time of day is asked for only where a date has to be compared with it.
fn read(headers: &HeaderMap, wall_now: impl Fn() -> SystemTime) -> Option<Duration> {
    longest(headers, "retry-after-ms", |value| list(value, milliseconds))
        .or_else(|| longest(headers, "x-amz-retry-after", |value| list(value, whole_milliseconds)))
        .or_else(|| {
            longest(headers, RETRY_AFTER.as_str(), |value| {
                list(value, seconds).or_else(|| date(value, headers, &wall_now))
            })
        })
}

/// Of a header that is there more than once, the longest wait.
fn longest(headers: &HeaderMap, name: &str, parse: impl Fn(&str) -> Option<Duration>) -> Option<Duration> {
    headers.get_all(name).iter().filter_map(|value| parse(value.to_str().ok()?.trim())).max()
}

/// The longest of some numbers with commas between, which is what a proxy makes of a header that was there twice.
fn list(value: &str, parse: impl Fn(&str) -> Option<Duration>) -> Option<Duration> {
    value.split(',').try_fold(Duration::ZERO, |longest, item| Some(longest.max(parse(item.trim())?)))
}

fn seconds(value: &str) -> Option<Duration> {
    digits(value).map(|number| number.map_or(FOR_EVER, Duration::from_secs))
}

fn whole_milliseconds(value: &str) -> Option<Duration> {
    digits(value).map(|number| number.map_or(FOR_EVER, Duration::from_millis))
}

/// Milliseconds, rounded up to a whole one.
fn milliseconds(value: &str) -> Option<Duration> {
    let Some((whole, fraction)) = value.split_once('.') else { return whole_milliseconds(value) };
    let whole = whole_milliseconds(whole)?;
    digits(fraction)?;
    let more = u64::from(fraction.bytes().any(|digit| digit != b'0'));
    Some(whole.saturating_add(Duration::from_millis(more)))
}

/// A number of digits and nothing else; `Some(None)` if it is too large.
pub(super) fn digits(value: &str) -> Option<Option<u64>> {
    let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| value.parse().ok())
}

/// The time until a date, in any of the three formats of RFC 9110, 5.6.7.
///
/// It counts from the `Date` of the response, which the server's same clock has written: cut to seconds, so never too late.
fn date(value: &str, headers: &HeaderMap, wall_now: &impl Fn() -> SystemTime) -> Option<Duration> {
    let at = httpdate::parse_http_date(value).ok()?;
    let sent = headers.get(DATE).and_then(|value| httpdate::parse_http_date(value.to_str().ok()?).ok());
    Some(at.duration_since(sent.unwrap_or_else(wall_now)).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests;
