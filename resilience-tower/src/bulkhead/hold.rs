//! How long a call holds its permit.

use std::task::Poll;

use resilience_core::bulkhead::Permit;

/// How long a call holds its permit: [`UntilAnswer`], or, with the feature `http`, `UntilBodyEnd`. There can be no others.
pub trait Hold<Res>: sealed::Sealed {
    /// What becomes of the response.
    type Response;

    #[doc(hidden)]
    fn hold<E>(polled: Poll<Result<Res, E>>, permit: &mut Option<Permit>) -> Poll<Result<Self::Response, E>>;
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

    /// The answer goes on as it was written: to move it costs more than the permit.
    #[inline]
    fn hold<E>(polled: Poll<Result<Res, E>>, permit: &mut Option<Permit>) -> Poll<Result<Res, E>> {
        if polled.is_ready() {
            *permit = None;
        }
        polled
    }
}
