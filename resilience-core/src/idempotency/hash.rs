//! How parts become one hash: with their lengths, so that no byte can move from one part to the next unnoticed.

/// Bytes in, 32 bytes out; the name says what for, and in which version.
#[derive(Clone)]
pub(super) struct Parts(blake3::Hasher);

impl Parts {
    pub(super) fn new(name: &str) -> Self {
        Self(blake3::Hasher::new()).named(name)
    }

    /// What only those who have the secret can compute.
    pub(super) fn keyed(secret: &[u8; 32], name: &str) -> Self {
        Self(blake3::Hasher::new_keyed(secret)).named(name)
    }

    fn named(self, name: &str) -> Self {
        self.part(name.as_bytes())
    }

    pub(super) fn part(mut self, bytes: &[u8]) -> Self {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }

    /// A part that is not there, which is not one that is empty: no part has this length.
    pub(super) fn absent(mut self) -> Self {
        self.0.update(&u64::MAX.to_le_bytes());
        self
    }

    pub(super) fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}
