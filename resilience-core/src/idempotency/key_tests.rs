//! Keys, scopes, fingerprints and the hashes made of them.

use std::time::Duration;

use proptest::prelude::*;

use super::{
    Fingerprint, FingerprintSecret, IdempotencyKey, InvalidKey, KeyFormat, KeyRules, OutcomeUnknown,
    RecordKey, Scope, uuid,
};

fn parsed(header: &str) -> Result<String, InvalidKey> {
    KeyRules::new().parse(header.as_bytes()).map(|key| key.as_str().to_owned())
}

fn key(text: &str) -> IdempotencyKey {
    IdempotencyKey::new(text).unwrap()
}

#[test]
fn a_header_is_a_key_bare_or_quoted() {
    for (header, expected) in [
        ("abc", Ok("abc")),
        ("  abc\t ", Ok("abc")),
        ("\"abc\"", Ok("abc")),
        (" \"abc\" ", Ok("abc")),
        (r#""a\"b\\c""#, Ok(r#"a"b\c"#)),
        ("\"a, b; c\"", Ok("a, b; c")),
        (r"a\b", Ok(r"a\b")),
        ("~!", Ok("~!")),
        ("\"abc\";v=1", Ok("abc")),
        ("\"abc\"; v=\"x, \\\" y\"; w", Ok("abc")),
        ("", Err(InvalidKey::Empty)),
        (" \t", Err(InvalidKey::Empty)),
        ("\"\"", Err(InvalidKey::Empty)),
        ("a b", Err(InvalidKey::Character)),
        ("a,b", Err(InvalidKey::Character)),
        ("a;b", Err(InvalidKey::Character)),
        ("a\"b", Err(InvalidKey::Character)),
        ("a\u{7f}", Err(InvalidKey::Character)),
        ("ä", Err(InvalidKey::Character)),
        ("\"ä\"", Err(InvalidKey::Character)),
        ("\"a\u{1f}\"", Err(InvalidKey::Character)),
        ("\"abc", Err(InvalidKey::Quoting)),
        ("\"", Err(InvalidKey::Quoting)),
        ("\"abc\"x", Err(InvalidKey::Quoting)),
        ("\"abc\", \"def\"", Err(InvalidKey::Quoting)),
        ("\"abc\";v=1, \"def\"", Err(InvalidKey::Quoting)),
        ("\"abc\";v=\"x", Err(InvalidKey::Quoting)),
        ("\"abc\";v=\"x\\", Err(InvalidKey::Quoting)),
        ("\"abc\";ä", Err(InvalidKey::Character)),
        ("\"a\\nb\"", Err(InvalidKey::Escape)),
        ("\"a\\", Err(InvalidKey::Escape)),
    ] {
        assert_eq!(parsed(header), expected.map(str::to_owned), "{header:?}");
    }
    assert_eq!(KeyRules::new().parse(b"a\xff").unwrap_err(), InvalidKey::Character);
}

#[test]
fn a_key_has_from_1_to_255_characters_when_it_is_decoded() {
    let text = "k".repeat(255);
    assert_eq!(parsed(&text), Ok(text.clone()));
    assert_eq!(parsed(&format!("{text}k")), Err(InvalidKey::TooLong));
    let escaped = format!("\"{}\"", "\\\\".repeat(255));
    assert_eq!(parsed(&escaped), Ok("\\".repeat(255)));
    assert_eq!(parsed(&format!("\"{text}k\"")), Err(InvalidKey::TooLong));
    assert_eq!(IdempotencyKey::new(format!("{text}k")), Err(InvalidKey::TooLong));
    assert_eq!(IdempotencyKey::new("a\nb"), Err(InvalidKey::Character));
}

#[test]
fn rules_may_ask_for_more() {
    let strict = KeyRules::new().strict();
    assert_eq!(strict.parse(b"abc").unwrap_err(), InvalidKey::Unquoted);
    assert_eq!(strict.parse(b"").unwrap_err(), InvalidKey::Empty);
    assert_eq!(strict.parse(b"\"abc\"").unwrap().as_str(), "abc");

    let long = KeyRules::new().min_len(16);
    assert_eq!(long.parse(b"0123456789abcde").unwrap_err(), InvalidKey::TooShort);
    assert!(long.parse(b"0123456789abcdef").is_ok());

    let uuid = KeyRules::new().uuid_only();
    for (text, good) in [
        ("9b2d6a1e-6f1c-4d2a-8c3b-1a2b3c4d5e6f", true),
        ("9B2D6A1E-6F1C-7D2A-BC3B-1A2B3C4D5E6F", true),
        ("00000000-0000-0000-0000-000000000000", false),
        ("ffffffff-ffff-ffff-ffff-ffffffffffff", false),
        ("9b2d6a1e-6f1c-9d2a-8c3b-1a2b3c4d5e6f", false),
        ("9b2d6a1e-6f1c-4d2a-cc3b-1a2b3c4d5e6f", false),
        ("9b2d6a1e06f1c-4d2a-8c3b-1a2b3c4d5e6f", false),
        ("9b2d6a1e-6f1c-4d2a-8c3b-1a2b3c4d5e6g", false),
        ("9b2d6a1e6f1c4d2a8c3b1a2b3c4d5e6f", false),
        ("9b2d6a1e-6f1c-4d2a-8c3b-1a2b3c4d5e6f0", false),
    ] {
        assert_eq!(uuid.parse(text.as_bytes()).is_ok(), good, "{text}");
    }
}

#[test]
#[should_panic = "min_len is 0, it must be from 1 to 255"]
fn a_shortest_length_of_nothing_is_refused() {
    let _ = KeyRules::new().min_len(0);
}

#[test]
fn nothing_shows_a_key_or_whose_it_is() {
    let secret = FingerprintSecret::new("a secret of sixteen or more");
    let shown = format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        key("opensesame"),
        KeyRules::new().parse(b"open sesame"),
        Scope::new("opensesame"),
        RecordKey::new("opensesame", &Scope::single_tenant(), &key("opensesame")),
        Fingerprint::of_parts().part("opensesame"),
        Fingerprint::of_parts().part("opensesame").finish(),
        secret,
    );
    assert!(!shown.contains("sesame") && !shown.contains(char::is_numeric), "{shown}");
}

#[test]
fn random_keys_are_uuids_of_version_4_and_differ() {
    let (one, other) = (IdempotencyKey::random(), IdempotencyKey::random());
    assert_ne!(one, other);
    for key in [one, other] {
        assert!(uuid::is_uuid(key.as_str().as_bytes()));
        assert_eq!(&key.as_str()[14..15], "4");
    }
    assert_eq!(uuid::v4([0xff; 16]), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    assert_eq!(uuid::v8([0; 16]), "00000000-0000-8000-8000-000000000000");
}

#[test]
fn a_key_by_time_says_its_time() {
    // The example of RFC 9562, A.6.
    assert_eq!(
        uuid::v7(Duration::from_millis(0x017F_22E2_79B0), [0; 16]),
        "017f22e2-79b0-7000-8000-000000000000"
    );
    assert_eq!(
        key("017F22E2-79B0-7CC3-98C4-DC0C0C07398F").created(),
        Some(Duration::from_millis(0x017F_22E2_79B0))
    );
    for (time, kept) in [(Duration::ZERO, 0), (Duration::MAX, (1 << 48) - 1)] {
        assert_eq!(IdempotencyKey::uuid_v7(time).created(), Some(Duration::from_millis(kept)));
    }
    assert_ne!(IdempotencyKey::uuid_v7(Duration::ZERO), IdempotencyKey::uuid_v7(Duration::ZERO));
    for other in ["017F22E2-79B0-4CC3-98C4-DC0C0C07398F", "017F22E2-79B0-7CC3-C8C4-DC0C0C07398F", "7"] {
        assert_eq!(key(other).created(), None);
    }
}

#[test]
fn an_unknown_outcome_has_the_key_if_it_is_a_uuid_as_we_write_them() {
    let back = |key: &IdempotencyKey| OutcomeUnknown::of(key).key();
    let since_1970 = Duration::from_millis(0x017F_22E2_79B0);
    for ours in [IdempotencyKey::random(), IdempotencyKey::uuid_v7(since_1970)] {
        assert_eq!(back(&ours), Some(ours));
    }
    for theirs in [
        "order-7",
        "",
        "017F22E2-79B0-7CC3-98C4-DC0C0C07398F",
        "017f22e279b07cc398c4dc0c0c07398f",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398f0",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398",
        "017f22e2-79b0-7cc3-98c4-dc0c0c0739zz",
    ] {
        if let Ok(theirs) = IdempotencyKey::new(theirs) {
            assert_eq!(back(&theirs), None);
        }
    }
}

#[test]
fn records_are_told_apart_by_namespace_scope_and_key() {
    let scope = |name| Scope::new(name).unwrap();
    let record = |namespace, scope, text| RecordKey::new(namespace, &scope, &key(text));
    let all = [
        record("a", scope("b"), "c"),
        record("", scope("ab"), "c"),
        record("ab", scope("c"), "c"),
        record("a", scope("bc"), "c"),
        record("a", scope("b"), "cc"),
        record("a", Scope::single_tenant(), "c"),
        record("a", scope("b"), "c").narrowed(""),
        record("a", scope("b"), "c").narrowed("r"),
    ];
    for (at, one) in all.iter().enumerate() {
        assert_eq!(all.iter().position(|other| one == other), Some(at));
    }
    assert_eq!(record("a", scope("b"), "c"), record("a", scope("b"), "c"));
}

/// What is in a store must be found again by the next version: these change only with the version in the name of a hash.
#[test]
fn hashes_stay_as_they_are() {
    let hex = |bytes: &[u8; 32]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let record = RecordKey::new("payments", &Scope::new("tenant").unwrap(), &key("key"));
    let fingerprint = Fingerprint::of_parts().part("POST").part_if_any(None::<&str>).part("body").finish();
    let secret = FingerprintSecret::new("a secret of sixteen or more");
    let keyed = Fingerprint::of_parts_keyed(&secret).part("POST").finish();
    assert_eq!(
        [record.as_bytes(), record.narrowed("route").as_bytes(), fingerprint.as_bytes(), keyed.as_bytes()]
            .map(hex),
        [
            "d9a2e4b6abd41d56060e1c9363fc2f505bb74d35be3dea53d849415b55fbbe2a",
            "ddd41ad57e3848472e26cf2cac0a4ff2398610bd19087760421842534ff7a503",
            "33a744da4861149c226781f3ef07c06ad9ab41207e48edc073473196bcba1719",
            "442e55b426d0cd03a2f6561893c2490cdc7458b16f5dd550933adaf7d41d7384",
        ]
    );
    assert_eq!(record.derived_key("charge").as_str(), "971644f4-a6ac-81c5-a1e1-a072fce16258");
}

#[test]
fn a_derived_key_is_a_uuid_of_one_step_of_one_record() {
    let record = |text| RecordKey::new("", &Scope::single_tenant(), &key(text));
    let charge = record("a").derived_key("charge");
    assert!(uuid::is_uuid(charge.as_str().as_bytes()));
    assert_ne!(charge, record("a").derived_key("refund"));
    assert_ne!(charge, record("b").derived_key("charge"));
}

#[test]
#[should_panic = "secret is of 15 bytes, it must be of at least 16"]
fn a_short_secret_is_refused() {
    let _ = FingerprintSecret::new([0; 15]);
}

#[test]
fn a_secret_makes_fingerprints_its_own() {
    let of = |secret: &str| {
        Fingerprint::of_parts_keyed(&FingerprintSecret::new(secret)).part("4111111111111111").finish()
    };
    assert_eq!(of("a secret of sixteen or more"), of("a secret of sixteen or more"));
    assert_ne!(of("a secret of sixteen or more"), of("another one, as long as this"));
}

#[test]
fn trap_36_parts_of_a_fingerprint_have_their_limits() {
    let of = |parts: &[&str]| {
        parts.iter().fold(Fingerprint::of_parts(), |so_far, part| so_far.part(part)).finish()
    };
    let all: &[&[&str]] = &[
        &["POST", "/a?b=1", "", "body"],
        &["POST", "/a", "?b=1", "body"],
        &["POST", "/a?b=1", "body", ""],
        &["POST", "/a?b=1", "", "bod", "y"],
        &["POST/a?b=1body"],
        &[],
        &[""],
        &["", ""],
    ];
    for (at, one) in all.iter().enumerate() {
        assert_eq!(all.iter().position(|other| of(one) == of(other)), Some(at), "{one:?}");
    }
}

proptest! {
    #[test]
    fn a_key_comes_back_as_it_was_sent(text in "[ -~]{1,255}") {
        let key = key(&text);
        for format in [KeyFormat::Raw, KeyFormat::StructuredString] {
            let header = key.to_header(format);
            prop_assert_eq!(&KeyRules::new().parse(header.as_bytes()), &Ok(key.clone()), "{}", header);
        }
        let quoted = key.to_header(KeyFormat::StructuredString);
        prop_assert_eq!(KeyRules::new().strict().parse(quoted.as_bytes()), Ok(key));
    }

    #[test]
    fn no_bytes_make_the_rules_panic(header in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(key) = KeyRules::new().parse(&header) {
            prop_assert!((1..=255).contains(&key.as_str().len()));
            prop_assert!(key.as_str().bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        }
    }

    #[test]
    fn trap_36_different_parts_have_different_fingerprints(
        one in prop::collection::vec(prop::option::of("[ab]{0,3}"), 0..4),
        other in prop::collection::vec(prop::option::of("[ab]{0,3}"), 0..4),
    ) {
        let of = |parts: &[Option<String>]| {
            parts.iter().fold(Fingerprint::of_parts(), |so_far, part| so_far.part_if_any(part.as_ref())).finish()
        };
        prop_assert_eq!(one == other, of(&one) == of(&other));
    }
}
