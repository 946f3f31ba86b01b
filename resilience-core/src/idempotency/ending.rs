//! What became of a request that a layer for idempotency keys has seen.

/// What became of a request, as metrics count it: one for each request.
///
/// ```
/// use resilience_core::idempotency::Ending;
///
/// assert_eq!(Ending::Replayed.as_str(), "replayed");
/// assert_eq!(Ending::ALL[Ending::Replayed as usize], Ending::Replayed);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Ending {
    /// It ran, and its response was stored.
    Stored,
    /// It got the response of an earlier one.
    Replayed,
    /// An earlier one still runs.
    InFlight,
    /// Its key was used for something else.
    Mismatch,
    /// It has no key and needs one.
    MissingKey,
    /// Its key is not one that may be used: malformed, or too old.
    InvalidKey,
    /// It ran without effect, so the key is as good as new.
    Released,
    /// It ran, and what it has done is unknown; the next one may run.
    Abandoned,
    /// An earlier one ended without a result, and it must not run again.
    OutcomeUnknown,
    /// It ran, and another had taken over in the meantime.
    Superseded,
    /// An earlier one was answered, but that response is not kept.
    NotRetained,
    /// It has no key and needs none, or is of a kind for which keys mean nothing.
    Bypassed,
    /// It ran without protection, because the store failed.
    Unprotected,
    /// The store failed: it was refused, or it ran and its response could not be stored.
    StoreError,
}

impl Ending {
    /// All endings, in the order of their discriminants.
    pub const ALL: [Self; 14] = [
        Self::Stored,
        Self::Replayed,
        Self::InFlight,
        Self::Mismatch,
        Self::MissingKey,
        Self::InvalidKey,
        Self::Released,
        Self::Abandoned,
        Self::OutcomeUnknown,
        Self::Superseded,
        Self::NotRetained,
        Self::Bypassed,
        Self::Unprotected,
        Self::StoreError,
    ];

    /// The value of the `result` label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Replayed => "replayed",
            Self::InFlight => "in_flight",
            Self::Mismatch => "mismatch",
            Self::MissingKey => "missing_key",
            Self::InvalidKey => "invalid_key",
            Self::Released => "released",
            Self::Abandoned => "abandoned",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::Superseded => "superseded",
            Self::NotRetained => "not_retained",
            Self::Bypassed => "bypassed",
            Self::Unprotected => "unprotected",
            Self::StoreError => "store_error",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Ending;

    #[test]
    fn all_are_listed_in_order_under_names_of_their_own() {
        for (at, ending) in Ending::ALL.into_iter().enumerate() {
            assert_eq!(ending as usize, at);
        }
        let names: std::collections::BTreeSet<_> = Ending::ALL.map(Ending::as_str).into();
        assert_eq!(names.len(), Ending::ALL.len());
    }
}
