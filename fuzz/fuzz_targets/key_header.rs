//! Any bytes as the value of an `Idempotency-Key`: no panic, and what is a key is written such that it is read back.

#![no_main]

use libfuzzer_sys::fuzz_target;
use resilience_core::idempotency::{KeyFormat, KeyRules};

fuzz_target!(|header: &[u8]| {
    let _ = KeyRules::new().strict().uuid_only().min_len(16).parse(header);
    let Ok(key) = KeyRules::new().parse(header) else { return };
    assert!((1..=255).contains(&key.as_str().len()));
    let _ = key.created();
    for format in [KeyFormat::Raw, KeyFormat::StructuredString] {
        let written = key.to_header(format);
        assert_eq!(KeyRules::new().parse(written.as_bytes()).as_ref(), Ok(&key));
    }
});
