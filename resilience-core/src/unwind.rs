//! Doing something when, and only when, foreign code panics.

/// Runs `inner`, and `on_panic` if that panics; the panic goes on.
///
/// Unlike `std::thread::panicking` in a `drop`, it tells the panic of `inner` from any other that happens to unwind
/// the thread, and it sees one that is caught further out.
///
/// ```
/// use std::{cell::Cell, panic};
/// use resilience_core::on_unwind;
///
/// let panicked = Cell::new(false);
/// assert_eq!(on_unwind(|| 7, || panicked.set(true)), 7);
/// assert!(!panicked.get());
/// ```
#[inline]
pub fn on_unwind<T>(inner: impl FnOnce() -> T, on_panic: impl FnOnce()) -> T {
    struct Guard<F: FnOnce()>(Option<F>);

    impl<F: FnOnce()> Drop for Guard<F> {
        #[inline]
        fn drop(&mut self) {
            if let Some(on_panic) = self.0.take() {
                on_panic();
            }
        }
    }

    let mut guard = Guard(Some(on_panic));
    let result = inner();
    guard.0 = None;
    result
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use std::{
        cell::Cell,
        panic::{AssertUnwindSafe, catch_unwind},
    };

    use super::*;

    #[test]
    fn it_runs_once_if_the_inner_code_panics_and_the_panic_goes_on() {
        let runs = Cell::new(0);
        let panicking = || on_unwind(|| panic!("as told"), || runs.set(runs.get() + 1));
        assert!(catch_unwind(AssertUnwindSafe(panicking)).is_err());
        assert_eq!(runs.get(), 1);
    }
}
