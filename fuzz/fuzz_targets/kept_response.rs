//! Any bytes as a stored response: no panic, and what is one is written as it was read.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use resilience_core::idempotency::KeptResponse;

fuzz_target!(|stored: &[u8]| {
    let stored = Bytes::copy_from_slice(stored);
    if let Ok(response) = KeptResponse::decode(&stored) {
        assert_eq!(response.encode(), stored);
    }
});
