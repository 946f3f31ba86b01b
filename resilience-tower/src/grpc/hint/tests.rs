use proptest::prelude::*;

use super::*;

fn retry_delay(seconds: i64, nanos: i32) -> Any {
    let value = RetryInfo { retry_delay: Some(Delay { seconds, nanos }) }.encode_to_vec();
    Any { type_url: b"type.googleapis.com/google.rpc.RetryInfo".into(), value }
}

fn read(details: &[Any]) -> Option<Hint> {
    retry_info(&RpcStatus { details: details.to_vec() }.encode_to_vec())
}

fn pushed_back(value: &[u8]) -> Option<Hint> {
    let mut metadata = HeaderMap::new();
    metadata.insert("grpc-retry-pushback-ms", http::HeaderValue::from_bytes(value).unwrap());
    pushback(&metadata)
}

#[test]
fn a_pushback_is_exact_and_a_bad_one_is_never() {
    assert_eq!(pushed_back(b"1500"), Some(Hint::Exactly(Duration::from_millis(1500))));
    assert_eq!(pushed_back(b"0"), Some(Hint::Exactly(Duration::ZERO)));
    for bad in [&b"-1"[..], b"", b"soon", b"1.5", b"99999999999999999999999", b"\xff"] {
        assert_eq!(pushed_back(bad), Some(Hint::Never), "{bad:?}");
    }
    assert_eq!(pushback(&HeaderMap::new()), None);
}

#[test]
fn retry_info_is_a_wait_at_least() {
    let wait = Duration::new(3, 500_000_001);
    assert_eq!(read(&[retry_delay(3, 500_000_001)]), Some(Hint::AtLeast(wait)));
    assert_eq!(read(&[retry_delay(0, 1)]), Some(Hint::AtLeast(Duration::from_nanos(1))));
    let most = retry_delay(315_576_000_000, 999_999_999);
    assert_eq!(read(&[most]), Some(Hint::AtLeast(Duration::new(MAX_SECONDS, 999_999_999))));
}

/// The bytes as another implementation writes them, with a code and a message before the details.
#[test]
fn bytes_from_elsewhere_are_read() {
    let mut details = b"\x08\x0e\x12\x04busy".to_vec();
    details.extend(b"\x1a\x30\x0a\x28type.googleapis.com/google.rpc.RetryInfo\x12\x04\x0a\x02\x08\x07");
    assert_eq!(retry_info(&details), Some(Hint::AtLeast(Duration::from_secs(7))));
}

#[test]
fn the_right_detail_is_found_and_the_longest_counts() {
    let other = Any { type_url: b"type.googleapis.com/google.rpc.ErrorInfo".into(), ..retry_delay(9, 0) };
    let details = [other.clone(), retry_delay(1, 0), retry_delay(2, 0), retry_delay(-9, 0)];
    assert_eq!(read(&details), Some(Hint::AtLeast(Duration::from_secs(2))));
    assert_eq!(read(&[other]), None);
    assert_eq!(read(&[Any { value: Vec::new(), ..retry_delay(1, 0) }]), None, "no delay in it");
}

#[test]
fn durations_that_are_none_are_no_hint() {
    let bad = [
        (-1, 0),
        (0, -1),
        (1, -1),
        (0, 1_000_000_000),
        (0, i32::MAX),
        (0, i32::MIN),
        (315_576_000_001, 0),
        (i64::MAX, 0),
        (i64::MIN, 0),
    ];
    for (seconds, nanos) in bad {
        assert_eq!(read(&[retry_delay(seconds, nanos)]), None, "{seconds} s {nanos} ns");
    }
}

#[test]
fn the_header_is_read_with_padding_and_without() {
    let details = RpcStatus { details: vec![retry_delay(7, 0)] }.encode_to_vec();
    let padded = BASE64.encode(&details);
    assert!(padded.ends_with('='), "so that there is a difference");
    for value in [padded.as_str(), padded.trim_end_matches('=')] {
        let mut headers = HeaderMap::new();
        headers.insert("grpc-status-details-bin", value.parse().unwrap());
        assert_eq!(retry_info_header(&headers), Some(Hint::AtLeast(Duration::from_secs(7))), "{value}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        retry_info(&bytes);
        let corrupt = Any { value: bytes.clone(), ..retry_delay(0, 0) };
        read(&[corrupt]);
        if let Ok(value) = http::HeaderValue::from_bytes(&bytes) {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-status-details-bin", value);
            retry_info_header(&headers);
        }
    }

    /// One byte changed, or the end cut off: the wait changes or is not read, and nothing panics.
    #[test]
    fn corrupt_details_never_panic(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let mut details = RpcStatus { details: vec![retry_delay(7, 5)] }.encode_to_vec();
        let at = at.index(details.len());
        details[at] = byte;
        details.truncate(cut.index(details.len()) + 1);
        retry_info(&details);
    }

    #[test]
    fn any_duration_agrees_with_the_rules(seconds in any::<i64>(), nanos in any::<i32>(), small in 0_i64..1000) {
        for seconds in [seconds, small, -small] {
            let valid = (0..=315_576_000_000).contains(&seconds) && (0..1_000_000_000).contains(&nanos);
            prop_assert_eq!(read(&[retry_delay(seconds, nanos)]).is_some(), valid);
        }
    }
}
