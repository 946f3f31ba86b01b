//! Who is told, if anybody is.

use std::fmt;

use resilience_core::{
    Event, Observer,
    striped::{Lease, StripedArc},
};

/// An observer that the services of a layer share. One that does not listen takes no part in it: a service is cloned for each call by
/// a retry layer outside of it, and counting references would cost more than the layer.
///
/// # Clone
///
/// A clone is the same observer.
pub(crate) struct Observed<O>(Option<StripedArc<O>>);

impl Observed<()> {
    pub(crate) const fn by_nobody() -> Self {
        Self(None)
    }
}

impl<O: Observer> Observed<O> {
    pub(crate) fn new(observer: O) -> Self {
        Self(observer.listens().then(|| StripedArc::new(observer)))
    }

    /// For as long as a call takes.
    #[inline]
    pub(crate) fn lease(&self) -> Option<Lease<O>> {
        self.0.as_ref().map(StripedArc::lease)
    }

    #[inline]
    pub(crate) fn get(&self) -> Option<&O> {
        self.0.as_deref()
    }

    #[inline]
    pub(crate) fn tell(&self, event: &Event) {
        if let Some(observer) = self.get() {
            observer.observe(event);
        }
    }
}

impl<O> Clone for Observed<O> {
    #[inline]
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<O: fmt::Debug> fmt::Debug for Observed<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(observer) => fmt::Debug::fmt(observer, f),
            None => f.write_str("nobody"),
        }
    }
}
