//! Whose keys they are.

use std::fmt;

use super::hash::Parts;

/// Within which a key means something: the tenant, the account, the signed-in user.
///
/// Two callers may choose the same key, by chance or to see the other's response. So every key belongs to a scope, and whoever has
/// one tenant only has to [say so](Self::single_tenant). It must be something that the caller cannot choose freely: what the
/// authentication found out, and no header that anybody can write.
///
/// ```
/// use resilience_core::idempotency::Scope;
///
/// let scope = Scope::new("tenant-17").expect("not empty");
/// assert_ne!(scope, Scope::single_tenant());
/// assert_eq!(Scope::new(""), None);
/// assert_eq!(format!("{scope:?}"), "Scope(..)");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scope([u8; 32]);

impl Scope {
    /// The scope of whoever is known by this name, which is hashed at once. `None` if it is empty: who has no name is nobody.
    #[must_use]
    pub fn new(name: impl AsRef<[u8]>) -> Option<Self> {
        let name = name.as_ref();
        (!name.is_empty()).then(|| Self(parts().part(name).finish()))
    }

    /// The scope of a service whose callers may all see each other's responses. No [name](Self::new) gives the same.
    #[must_use]
    pub fn single_tenant() -> Self {
        Self(parts().absent().finish())
    }

    /// A hash of its name: for a table of what each scope does, not to be shown, because a name can be guessed.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

fn parts() -> Parts {
    Parts::new("resilience idempotency scope 1")
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scope(..)")
    }
}
