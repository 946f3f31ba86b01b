//! The three kinds of UUID that keys need (RFC 9562), as text.

use std::time::Duration;

/// The length of a UUID with its hyphens.
pub(super) const LEN: usize = 36;
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

/// Random, version 4: 122 of the bits are kept.
pub(super) fn v4(random: [u8; 16]) -> String {
    of_version(4, random)
}

/// By time, version 7: the milliseconds since 1970, and 74 random bits.
pub(super) fn v7(since_1970: Duration, random: [u8; 16]) -> String {
    let millis = u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX).min((1 << 48) - 1);
    let mut bytes = random;
    bytes[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
    of_version(7, bytes)
}

/// Of our own making, version 8: 122 bits of a hash.
#[cfg(feature = "idempotency")]
pub(super) fn v8(hash: [u8; 16]) -> String {
    of_version(8, hash)
}

fn of_version(version: u8, mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0x0f | version << 4;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    text(bytes)
}

/// The bytes as a UUID is written.
pub(super) fn text(bytes: [u8; 16]) -> String {
    let mut text = String::with_capacity(LEN);
    for (at, byte) in bytes.into_iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        for digit in [byte >> 4, byte & 0x0f] {
            text.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
        }
    }
    text
}

/// Whether `text` is a UUID with hyphens, of the variant that has versions: so neither all zeros nor all ones.
pub(super) fn is_uuid(text: &[u8]) -> bool {
    text.len() == LEN
        && text
            .iter()
            .enumerate()
            .all(|(at, &byte)| if HYPHENS.contains(&at) { byte == b'-' } else { byte.is_ascii_hexdigit() })
        && matches!(text[14], b'1'..=b'8')
        && matches!(text[19], b'8' | b'9' | b'a' | b'b' | b'A' | b'B')
}

/// The bytes of a UUID that is written as [`text`] does it.
pub(super) fn parse(uuid: &str) -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    let digits = || uuid.bytes().filter(|&byte| byte != b'-').map(|byte| char::from(byte).to_digit(16));
    for (byte, (high, low)) in bytes.iter_mut().zip(digits().step_by(2).zip(digits().skip(1).step_by(2))) {
        *byte = u8::try_from(high? << 4 | low?).ok()?;
    }
    (text(bytes) == uuid).then_some(bytes)
}

/// When a UUID of version 7 says that it was made, since 1970.
pub(super) fn created(text: &str) -> Option<Duration> {
    if !is_uuid(text.as_bytes()) || text.as_bytes()[14] != b'7' {
        return None;
    }
    let digits = |from, to| u64::from_str_radix(&text[from..to], 16).ok();
    Some(Duration::from_millis(digits(0, 8)? << 16 | digits(9, 13)?))
}
