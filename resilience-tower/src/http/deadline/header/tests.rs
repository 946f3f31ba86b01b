use proptest::prelude::*;

use super::*;

const MS: Duration = Duration::from_millis(1);

fn read(header: &DeadlineHeader, value: &str) -> Option<Duration> {
    let mut headers = HeaderMap::new();
    headers.insert(header.name(), HeaderValue::from_str(value).unwrap());
    header.read(&headers)
}

fn write(header: &DeadlineHeader, left: Duration) -> Option<String> {
    header.write(left).map(|value| value.to_str().unwrap().to_owned())
}

#[test]
fn milliseconds_are_digits_and_nothing_else() {
    let header = DeadlineHeader::default();
    assert_eq!(header.name(), "x-request-timeout-ms");
    for (value, left) in [
        ("0", Some(Duration::ZERO)),
        ("1", Some(MS)),
        ("007", Some(7 * MS)),
        ("18446744073709551615", Some(Duration::from_millis(u64::MAX))),
        ("18446744073709551616", Some(Duration::MAX)),
        (&"9".repeat(5000), Some(Duration::MAX)),
        ("", None),
        ("-1", None),
        ("+1", None),
        ("1.5", None),
        ("1e3", None),
        ("100, 200", None),
        ("100ms", None),
        ("0x10", None),
        ("١", None),
        ("NaN", None),
    ] {
        assert_eq!(read(&header, value), left, "{value:?}");
    }
}

#[test]
fn grpc_timeouts_are_up_to_eight_digits_and_a_unit() {
    let header = DeadlineHeader::grpc();
    assert_eq!(header.name(), "grpc-timeout");
    for (value, left) in [
        ("99999999H", Some(Duration::from_secs(99_999_999 * 3600))),
        ("2M", Some(Duration::from_secs(120))),
        ("3S", Some(Duration::from_secs(3))),
        ("00000004m", Some(4 * MS)),
        ("5u", Some(Duration::from_micros(5))),
        ("6n", Some(Duration::from_nanos(6))),
        ("0n", Some(Duration::ZERO)),
        ("100000000n", None),
        ("000000001S", None),
        ("7", None),
        ("S", None),
        ("", None),
        ("-1S", None),
        ("+1S", None),
        ("1 S", None),
        ("1s", None),
        ("1SS", None),
        ("1.5S", None),
        ("99999999999999999999999S", None),
    ] {
        assert_eq!(read(&header, value), left, "{value:?}");
    }
}

#[test]
fn a_header_that_is_repeated_or_no_text_says_nothing() {
    for (header, value) in [(DeadlineHeader::default(), "100"), (DeadlineHeader::grpc(), "100m")] {
        let mut headers = HeaderMap::new();
        assert_eq!(header.read(&headers), None);
        headers.append(header.name(), HeaderValue::from_static(value));
        assert_eq!(header.read(&headers), Some(100 * MS));
        headers.append(header.name(), HeaderValue::from_static(value));
        assert_eq!(header.read(&headers), None);
        headers.insert(header.name(), HeaderValue::from_bytes(b"\xff100m").unwrap());
        assert_eq!(header.read(&headers), None);
    }
}

#[test]
fn what_is_left_is_written_in_whole_milliseconds_and_never_rounded_up() {
    let write = |nanos| write(&DeadlineHeader::default(), Duration::from_nanos(nanos));
    assert_eq!(write(0), None);
    assert_eq!(write(999_999), None);
    assert_eq!(write(1_000_000).as_deref(), Some("1"));
    assert_eq!(write(1_999_999).as_deref(), Some("1"));
    let longest = super::DeadlineHeader::default().write(Duration::MAX).unwrap();
    assert_eq!(longest, u64::MAX.to_string());
}

#[test]
fn a_grpc_timeout_is_written_in_the_largest_unit_that_loses_no_more_than_a_thousandth() {
    let header = DeadlineHeader::grpc();
    for (left, text) in [
        (Duration::ZERO, None),
        (Duration::from_nanos(1), Some("1n")),
        (Duration::from_nanos(999_999), Some("999999n")),
        (Duration::from_nanos(1_000_999), Some("1000u")),
        (Duration::from_nanos(1001), Some("1001n")),
        (MS, Some("1m")),
        (Duration::from_micros(1500), Some("1500u")),
        (Duration::from_nanos(4_999_876_543), Some("4999m")),
        (Duration::from_secs(5), Some("5S")),
        (Duration::from_secs(120), Some("2M")),
        (Duration::from_secs(7200), Some("2H")),
        (Duration::from_millis(1_000_500), Some("1000S")),
        (Duration::from_millis(999_500), Some("999500m")),
        (Duration::MAX, Some("99999999H")),
    ] {
        assert_eq!(write(&header, left).as_deref(), text, "{left:?}");
    }
}

/// Of every size, not only of the largest.
fn durations() -> impl Strategy<Value = Duration> {
    (0_u32..63, any::<u64>()).prop_map(|(shift, bits)| Duration::from_nanos(bits >> shift))
}

proptest! {
    #[test]
    fn what_was_written_is_read_and_is_no_longer_than_what_was_left(left in durations()) {
        for (header, least) in [
            (DeadlineHeader::default(), left.saturating_sub(MS)),
            (DeadlineHeader::grpc(), left.saturating_sub(left / 1000)),
        ] {
            match write(&header, left) {
                Some(text) => {
                    let seen = read(&header, &text).unwrap();
                    prop_assert!(least <= seen && seen <= left, "{left:?} became {text}");
                    prop_assert!(!seen.is_zero());
                }
                None => prop_assert!(least.is_zero()),
            }
        }
    }

    /// A naive reader, with wider numbers.
    #[test]
    fn a_grpc_timeout_is_what_a_naive_reader_says(number in "[0-9]{0,9}", unit in "[HMSmunx]") {
        let nanos: Option<u128> = match unit.as_str() {
            "H" => Some(3_600_000_000_000),
            "M" => Some(60_000_000_000),
            "S" => Some(1_000_000_000),
            "m" => Some(1_000_000),
            "u" => Some(1_000),
            "n" => Some(1),
            _ => None,
        };
        let expected = nanos
            .filter(|_| (1..=8).contains(&number.len()))
            .map(|nanos| nanos * number.parse::<u128>().unwrap());
        let seen = read(&DeadlineHeader::grpc(), &format!("{number}{unit}"));
        prop_assert_eq!(seen.map(|seen| seen.as_nanos()), expected);
    }

    #[test]
    fn no_value_makes_a_reader_panic(value in any::<Vec<u8>>()) {
        if let Ok(value) = HeaderValue::from_bytes(&value) {
            for header in [DeadlineHeader::default(), DeadlineHeader::grpc()] {
                let mut headers = HeaderMap::new();
                headers.insert(header.name(), value.clone());
                let _ = header.read(&headers);
            }
        }
    }
}
