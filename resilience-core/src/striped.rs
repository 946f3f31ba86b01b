//! State that every thread writes, spread over several cache lines so that threads do not wait for each other.
//!
//! One word that two threads both increment makes two threads slower than one: the line moves back and forth
//! between cores. A [`StripedArc`] gives each thread a reference count of its own, and the circuit breaker
//! keeps a tally of successes per stripe.

use std::{
    fmt,
    ops::Deref,
    sync::{Arc, Weak},
};

/// How many stripes there are. A power of two; threads beyond it share.
///
/// Eight keeps a breaker near one KiB and two busy threads apart on the machines that services run on.
#[cfg(not(loom))]
pub(crate) const STRIPES: usize = 8;

/// One, so that every access of a model meets every other.
#[cfg(loom)]
pub(crate) const STRIPES: usize = 1;

/// The stripe of the calling thread: threads take turns in the order in which they first ask.
#[cfg(not(loom))]
#[inline]
pub(crate) fn stripe() -> usize {
    use std::{
        cell::Cell,
        sync::atomic::{AtomicUsize, Ordering},
    };

    const UNSET: usize = usize::MAX;
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static STRIPE: Cell<usize> = const { Cell::new(UNSET) });

    // While a thread is being torn down its thread-locals may be gone; any stripe is right.
    STRIPE
        .try_with(|stripe| {
            if stripe.get() == UNSET {
                // Relaxed: only the uniqueness of each number matters.
                stripe.set(NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES);
            }
            stripe.get()
        })
        .unwrap_or(0)
}

/// The stripe of the calling thread.
#[cfg(loom)]
pub(crate) fn stripe() -> usize {
    0
}

/// A value on cache lines of its own: 128 bytes, because processors fetch lines in pairs.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Padded<T>(pub(crate) T);

/// An `Arc` whose reference count is striped: cloning it for each call does not make threads contend.
///
/// ```
/// use resilience_core::striped::StripedArc;
///
/// let shared = StripedArc::new(String::from("state of a layer"));
/// let lease = shared.lease();
/// drop(shared);
/// assert_eq!(&**lease, "state of a layer");
/// ```
///
/// # Clone
///
/// A clone shares the value. Cloning costs what cloning an `Arc` costs; [`lease`](Self::lease) is for each call.
pub struct StripedArc<T>(Arc<Stripes<T>>);

struct Stripes<T> {
    /// For those who only look.
    value: Arc<T>,
    leases: [Arc<Padded<Arc<T>>>; STRIPES],
}

impl<T> StripedArc<T> {
    /// Puts `value` behind one reference count per stripe.
    pub fn new(value: T) -> Self {
        let value = Arc::new(value);
        let leases = std::array::from_fn(|_| Arc::new(Padded(Arc::clone(&value))));
        Self(Arc::new(Stripes { value, leases }))
    }

    /// An owned reference, counted on the calling thread's stripe.
    #[inline]
    #[must_use]
    pub fn lease(&self) -> Lease<T> {
        Lease(Arc::clone(&self.0.leases[stripe()]))
    }

    /// Tells how many leases are out, without keeping the value.
    #[must_use]
    pub fn leases(&self) -> Leases<T> {
        let stripes = self.0.leases.each_ref().map(Arc::downgrade);
        Leases { owner: Arc::downgrade(&self.0), stripes }
    }
}

impl<T> Clone for StripedArc<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Deref for StripedArc<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0.value
    }
}

impl<T: fmt::Debug> fmt::Debug for StripedArc<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StripedArc").field(&**self).finish()
    }
}

/// An owned reference to the value of a [`StripedArc`], for the length of a call.
pub struct Lease<T>(Arc<Padded<Arc<T>>>);

/// Counted where the first one is.
impl<T> Clone for Lease<T> {
    #[inline]
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Deref for Lease<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0.0
    }
}

impl<T: fmt::Debug> fmt::Debug for Lease<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lease").field(&**self).finish()
    }
}

/// Looks at the reference counts of a [`StripedArc`], which are kept anyway.
///
/// ```
/// use resilience_core::striped::StripedArc;
///
/// let shared = StripedArc::new("state of a layer");
/// let (leases, lease) = (shared.leases(), shared.lease());
/// drop(shared);
/// assert_eq!(leases.count(), 1);
/// drop(lease);
/// assert_eq!(leases.count(), 0);
/// assert!(leases.is_over());
/// ```
pub struct Leases<T> {
    owner: Weak<Stripes<T>>,
    stripes: [Weak<Padded<Arc<T>>>; STRIPES],
}

impl<T> Leases<T> {
    /// How many leases are out.
    ///
    /// Exact while nobody takes one or gives one back; a moment's picture otherwise.
    #[must_use]
    pub fn count(&self) -> usize {
        // The owner holds one of each.
        let own = usize::from(self.owner.strong_count() > 0);
        self.stripes.iter().map(|stripe| stripe.strong_count().saturating_sub(own)).sum()
    }

    /// Whether there will be no leases any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.owner.strong_count() == 0 && self.count() == 0
    }
}

impl<T> fmt::Debug for Leases<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leases").field("count", &self.count()).finish()
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_threads_get_different_stripes() {
        let here = stripe();
        assert_eq!(here, stripe(), "a thread keeps its stripe");
        let there: Vec<usize> = (0..STRIPES).map(|_| std::thread::spawn(stripe).join().unwrap()).collect();
        assert!(there.iter().any(|&stripe| stripe != here));
    }

    #[test]
    fn the_value_lives_as_long_as_a_lease() {
        let value = Arc::new(());
        let shared = StripedArc::new(Arc::clone(&value));
        let lease = shared.lease();
        drop(shared);
        assert_eq!(Arc::strong_count(&value), 2);
        drop(lease);
        assert_eq!(Arc::strong_count(&value), 1);
    }

    #[test]
    fn leases_are_counted_on_every_stripe_and_after_the_owner_has_gone() {
        let shared = StripedArc::new(());
        let counted = shared.leases();
        let here = shared.lease();
        let there: Vec<Lease<()>> = (0..STRIPES)
            .map(|_| std::thread::scope(|scope| scope.spawn(|| shared.lease()).join().unwrap()))
            .collect();
        let again = here.clone();
        assert_eq!(counted.count(), STRIPES + 2);
        let other = shared.clone();
        drop((here, shared));
        assert_eq!((counted.count(), counted.is_over()), (STRIPES + 1, false));
        drop((other, there));
        assert_eq!((counted.count(), counted.is_over()), (1, false));
        drop(again);
        assert_eq!((counted.count(), counted.is_over()), (0, true));
    }
}
