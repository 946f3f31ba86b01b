//! How long a call holds its permit, whatever policy the permit is of.

#[cfg(feature = "http")]
mod body;
mod future;

use std::task::Poll;

#[cfg(feature = "http")]
pub use self::body::{HeldBody, UntilBodyEnd};
pub use self::future::HeldFuture;

/// How long a call holds its permit: [`UntilAnswer`], or, with the feature `http`, `UntilBodyEnd`. There can be no others.
pub trait Hold<Res, P>: sealed::Sealed {
    /// What becomes of the response.
    type Response;

    #[doc(hidden)]
    fn hold<E>(polled: Poll<Result<Res, E>>, permit: &mut Option<P>) -> Poll<Result<Self::Response, E>>;
}

pub(crate) mod sealed {
    #[expect(unnameable_types, reason = "that is what seals it")]
    pub trait Sealed {}
}

/// Until the answer is there.
#[derive(Clone, Copy, Debug, Default)]
pub struct UntilAnswer(());

impl sealed::Sealed for UntilAnswer {}

impl<Res, P> Hold<Res, P> for UntilAnswer {
    type Response = Res;

    /// The answer goes on as it was written: to move it costs more than the permit.
    #[inline]
    fn hold<E>(polled: Poll<Result<Res, E>>, permit: &mut Option<P>) -> Poll<Result<Res, E>> {
        if polled.is_ready() {
            *permit = None;
        }
        polled
    }
}
