//! What answers in place of a failed operation, as far as it answers at once.

use std::{
    fmt,
    future::{Future, Ready, ready},
};

use resilience_core::{
    Rejected,
    fallback::Ending,
    striped::{Lease, StripedArc},
};

/// What answers in place of a failed operation: [`Value`], [`Function`], [`ByRequest`] or [`Substitute`](super::Substitute). There
/// can be no others; a fallback of another kind is a service.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand in for answers `Result<{Res}, {Err}>` to requests `{Req}`",
    label = "no fallback for this service",
    note = "a value must be of the response's type and `Clone`; a function must be `Clone` and take and return `Result<{Res}, {Err}>`",
    note = "a service must be `Clone`, have the same response, and the request must implement `Replay` and `CarryContext`"
)]
pub trait StandIn<Req, Res, Err>: sealed::Sealed {
    /// What a call takes along.
    #[doc(hidden)]
    type Prepared: Prepared<Res, Err>;

    #[doc(hidden)]
    fn prepare(&self, request: &Req) -> Self::Prepared;
}

pub(super) mod sealed {
    #[expect(unnameable_types, reason = "that is what seals it")]
    pub trait Sealed {}
}

/// A stand-in that is ready to answer for one call.
#[expect(unnameable_types, reason = "it is of no use outside")]
pub trait Prepared<Res, Err> {
    type Answer: Future<Output = Offer<Res, Err>>;

    /// The call has failed with `original`, and was perhaps received.
    fn begin(self, original: Result<Res, Err>, was_sent: bool) -> Self::Answer;

    /// The call is pending.
    #[inline]
    fn pending(&mut self) {}
}

/// What a stand-in has to offer.
#[derive(Debug)]
#[expect(unnameable_types, reason = "it is of no use outside")]
pub enum Offer<Res, Err> {
    /// This is the answer, good or bad.
    Decision(Result<Res, Err>),
    /// This is the answer if it is good; what it was to replace if not.
    Proposal { answer: Res, original: Result<Res, Err> },
    /// Nothing.
    Nothing { original: Result<Res, Err>, ending: Ending },
    /// Nothing, because the bulkhead refused.
    Full { original: Result<Res, Err>, rejected: Rejected },
}

/// A value: each failed call gets a clone.
pub struct Value<V>(StripedArc<V>);

impl<V> Value<V> {
    pub(super) fn new(value: V) -> Self {
        Self(StripedArc::new(value))
    }
}

impl<V> Clone for Value<V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<V> sealed::Sealed for Value<V> {}

impl<V: Clone, Req, Err> StandIn<Req, V, Err> for Value<V> {
    type Prepared = Leased<V>;

    #[inline]
    fn prepare(&self, _: &Req) -> Leased<V> {
        Leased(self.0.lease())
    }
}

/// A value for the length of a call.
#[expect(unnameable_types, reason = "it is of no use outside")]
pub struct Leased<V>(Lease<V>);

impl<V: Clone, Err> Prepared<V, Err> for Leased<V> {
    type Answer = Ready<Offer<V, Err>>;

    fn begin(self, _: Result<V, Err>, _: bool) -> Self::Answer {
        ready(Offer::Decision(Ok(V::clone(&self.0))))
    }
}

/// A function of the failed answer.
#[derive(Clone, Copy)]
pub struct Function<F>(pub(super) F);

impl<F> sealed::Sealed for Function<F> {}

impl<F, Req, Res, Err> StandIn<Req, Res, Err> for Function<F>
where
    F: Fn(Result<Res, Err>) -> Result<Res, Err> + Clone,
{
    type Prepared = Self;

    #[inline]
    fn prepare(&self, _: &Req) -> Self {
        self.clone()
    }
}

impl<F, Res, Err> Prepared<Res, Err> for Function<F>
where
    F: Fn(Result<Res, Err>) -> Result<Res, Err>,
{
    type Answer = Ready<Offer<Res, Err>>;

    fn begin(self, original: Result<Res, Err>, _: bool) -> Self::Answer {
        ready(Offer::Decision((self.0)(original)))
    }
}

/// A function of what is kept of the request, and of the failed answer.
#[derive(Clone, Copy)]
pub struct ByRequest<G, F> {
    pub(super) keep: G,
    pub(super) function: F,
}

impl<G, F> sealed::Sealed for ByRequest<G, F> {}

impl<G, F, K, Req, Res, Err> StandIn<Req, Res, Err> for ByRequest<G, F>
where
    G: Fn(&Req) -> K,
    F: Fn(K, Result<Res, Err>) -> Result<Res, Err> + Clone,
{
    type Prepared = Keeping<K, F>;

    #[inline]
    fn prepare(&self, request: &Req) -> Keeping<K, F> {
        Keeping { kept: (self.keep)(request), function: self.function.clone() }
    }
}

/// A function, and what was kept of a request for it.
#[expect(unnameable_types, reason = "it is of no use outside")]
pub struct Keeping<K, F> {
    kept: K,
    function: F,
}

impl<K, F, Res, Err> Prepared<Res, Err> for Keeping<K, F>
where
    F: Fn(K, Result<Res, Err>) -> Result<Res, Err>,
{
    type Answer = Ready<Offer<Res, Err>>;

    fn begin(self, original: Result<Res, Err>, _: bool) -> Self::Answer {
        ready(Offer::Decision((self.function)(self.kept, original)))
    }
}

/// Nothing of the value: it may be somebody's data.
impl<V> fmt::Debug for Value<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Value").finish_non_exhaustive()
    }
}

impl<V> fmt::Debug for Leased<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leased").finish_non_exhaustive()
    }
}

impl<F> fmt::Debug for Function<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function").finish_non_exhaustive()
    }
}

impl<G, F> fmt::Debug for ByRequest<G, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByRequest").finish_non_exhaustive()
    }
}

impl<K, F> fmt::Debug for Keeping<K, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeping").finish_non_exhaustive()
    }
}
