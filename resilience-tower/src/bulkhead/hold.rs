//! How long a call holds its permit.

use resilience_core::bulkhead::Permit;

/// How long a call holds its permit: [`UntilAnswer`], or, with the feature `http`, `UntilBodyEnd`. There can be no others.
pub trait Hold<Res>: sealed::Sealed {
    /// What becomes of the response.
    type Response;

    #[doc(hidden)]
    fn hold(response: Res, permit: Option<Permit>) -> Self::Response;
}

pub(crate) mod sealed {
    #[expect(unnameable_types, reason = "that is what seals it")]
    pub trait Sealed {}
}

/// Until the answer is there.
#[derive(Clone, Copy, Debug, Default)]
pub struct UntilAnswer(());

impl sealed::Sealed for UntilAnswer {}

impl<Res> Hold<Res> for UntilAnswer {
    type Response = Res;

    #[inline]
    fn hold(response: Res, permit: Option<Permit>) -> Res {
        drop(permit);
        response
    }
}
