use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

/// 1994-11-06 08:49:37, the moment of the examples in RFC 9110.
fn moment() -> SystemTime {
    SystemTime::UNIX_EPOCH + 784_111_777 * SECOND
}

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    lines.iter().map(|&(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
}

/// What is read when the clock here is two and a half seconds before `moment`.
fn wait(lines: &[(&'static str, &str)]) -> Option<Duration> {
    read(&headers(lines), || moment() - 2500 * MS)
}

fn retry_after(value: &str) -> Option<Duration> {
    wait(&[("retry-after", value)])
}

#[test]
fn trap_18_retry_after_is_never_cut_to_zero() {
    assert_eq!(retry_after("1"), Some(SECOND));
    assert_eq!(retry_after("120"), Some(120 * SECOND));
    assert_eq!(wait(&[("retry-after-ms", "1")]), Some(MS));
    assert_eq!(wait(&[("retry-after-ms", "0.001")]), Some(MS), "up");
    assert_eq!(wait(&[("x-amz-retry-after", "1")]), Some(MS));
    let half_a_second = headers(&[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")]);
    assert_eq!(read(&half_a_second, || moment() - 500 * MS), Some(500 * MS));
    let hint = hint(&headers(&[("retry-after", "1")]));
    assert_eq!(hint, Some(Hint::AtLeast(SECOND)));
}

#[test]
fn seconds_are_seconds() {
    for (value, seconds) in [("0", 0), (" 7 ", 7), ("007", 7), ("86400", 86_400)] {
        assert_eq!(retry_after(value), Some(seconds * SECOND), "{value:?}");
    }
}

#[test]
fn milliseconds_are_milliseconds_and_a_fraction_is_rounded_up() {
    for (value, expected) in [
        ("0", 0),
        ("1500", 1500),
        ("1500.0", 1500),
        ("1500.5", 1501),
        ("1500.000000000000000000000000000001", 1501),
        ("0.99999999999999999999999999999999", 1),
    ] {
        assert_eq!(wait(&[("retry-after-ms", value)]), Some(expected * MS), "{value:?}");
    }
    assert_eq!(wait(&[("x-amz-retry-after", "250")]), Some(250 * MS));
    assert_eq!(wait(&[("x-amz-retry-after", "250.5")]), None, "whole ones only");
}

#[test]
fn all_three_formats_of_a_date_are_read() {
    for value in
        ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
    {
        assert_eq!(retry_after(value), Some(2500 * MS), "{value:?}: until then by the clock here");
        let dated = [("retry-after", value), ("date", "Sun, 06 Nov 1994 08:48:37 GMT")];
        assert_eq!(wait(&dated), Some(60 * SECOND), "{value:?}: since the response's own date");
    }
}

#[test]
fn a_date_in_the_past_is_no_wait() {
    assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:34 GMT"), Some(Duration::ZERO));
    assert_eq!(retry_after("Thu, 01 Jan 1970 00:00:00 GMT"), Some(Duration::ZERO));
    let dated = [("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"), ("date", "Sun, 06 Nov 1994 08:49:38 GMT")];
    assert_eq!(wait(&dated), Some(Duration::ZERO), "and not two and a half seconds by the clock here");
}

#[test]
fn a_bad_date_of_the_response_leaves_the_clock_here() {
    let dated = [("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"), ("date", "yesterday")];
    assert_eq!(wait(&dated), Some(2500 * MS));
}

#[test]
fn the_clock_is_read_for_dates_only() {
    for value in ["7", "soon"] {
        read(&headers(&[("retry-after", value)]), || panic!("read for {value:?}"));
    }
    let dated = [("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"), ("date", "Sun, 06 Nov 1994 08:49:36 GMT")];
    assert_eq!(read(&headers(&dated), || panic!("there is a date")), Some(SECOND));
}

#[test]
fn the_more_precise_header_comes_first() {
    let (ms, aws, plain) = (("retry-after-ms", "1"), ("x-amz-retry-after", "2"), ("retry-after", "3"));
    assert_eq!(wait(&[plain, aws, ms]), Some(MS));
    assert_eq!(wait(&[plain, aws]), Some(2 * MS));
    assert_eq!(wait(&[plain, aws, ("retry-after-ms", "soon")]), Some(2 * MS), "if it can be read");
    assert_eq!(wait(&[plain, ("x-amz-retry-after", "-1")]), Some(3 * SECOND));
}

#[test]
fn of_several_the_longest_wait_counts() {
    let twice = [("retry-after", "2"), ("retry-after", "5"), ("retry-after", "soon")];
    assert_eq!(wait(&twice), Some(5 * SECOND));
    assert_eq!(retry_after("2, 5,3"), Some(5 * SECOND));
    assert_eq!(wait(&[("retry-after-ms", "2,0.5")]), Some(2 * MS));
    assert_eq!(retry_after("5, soon"), None, "what is no list of numbers is none");
}

#[test]
fn garbage_and_negative_numbers_are_no_hint() {
    for garbage in [
        "",
        " ",
        ",",
        "-1",
        "-0",
        "+1",
        "soon",
        "1e3",
        "0x10",
        "1 s",
        "1_000",
        "inf",
        "NaN",
        ".5",
        "1.",
        "1.5.5",
        "1.-5",
        "٣",
        "Sun, 06",
        "Mon, 06 Nov 1994 08:49:37 GMT", // it was a Sunday
        "Sun, 32 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 CET",
    ] {
        assert_eq!(retry_after(garbage), None, "{garbage:?}");
        assert_eq!(wait(&[("retry-after-ms", garbage)]), None, "{garbage:?}");
        assert_eq!(wait(&[("x-amz-retry-after", garbage)]), None, "{garbage:?}");
    }
    assert_eq!(retry_after("1.5"), None, "a fraction only of milliseconds");
    assert_eq!(wait(&[]), None);
}

#[test]
fn a_number_too_large_is_the_longest_wait() {
    let large = "99999999999999999999999";
    assert_eq!(retry_after(large), Some(FOR_EVER));
    assert_eq!(wait(&[("retry-after-ms", large)]), Some(FOR_EVER));
    assert_eq!(wait(&[("retry-after-ms", &format!("{large}.5"))]), Some(FOR_EVER));
    assert_eq!(wait(&[("x-amz-retry-after", large)]), Some(FOR_EVER));
    assert_eq!(retry_after(&u64::MAX.to_string()), Some(Duration::from_secs(u64::MAX)));
    assert_eq!(
        retry_after("Fri, 31 Dec 9999 23:59:59 GMT").map(|wait| wait > 7000 * 86_400 * SECOND),
        Some(true)
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_a_server_sends_panics(
        name in prop::sample::select(vec!["retry-after", "retry-after-ms", "x-amz-retry-after", "date"]),
        value in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40),
            "[0-9]{1,30}(\\.[0-9]{0,30})?".prop_map(String::into_bytes),
            "[A-Z][a-z]{2}, [0-9]{2} (Jan|Feb|Dec) [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT".prop_map(String::into_bytes),
        ],
    ) {
        let mut map = headers(&[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")]);
        if let Ok(value) = http::HeaderValue::from_bytes(&value) {
            map.insert(name, value);
            read(&map, moment);
        }
    }

    #[test]
    fn whole_and_fractional_milliseconds_agree_with_arithmetic(whole in 0_u64..1 << 40, thousandths in 0_u64..1000) {
        let value = format!("{whole}.{thousandths:03}");
        let expected = (whole * 1000 + thousandths).div_ceil(1000);
        prop_assert_eq!(wait(&[("retry-after-ms", &value)]), Some(Duration::from_millis(expected)));
    }
}
