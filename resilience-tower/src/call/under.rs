//! What code finds on its thread while it runs, as a task-local would have it.

use std::{cell::Cell, mem, thread::LocalKey};

/// Has code run under a value until it is dropped: the value is then back in its slot, and what was there before is there again.
///
/// While a thread is being torn down its locals may be gone: there is nothing to find then.
pub(crate) struct Under<'a, T: 'static> {
    key: &'static LocalKey<Cell<Option<T>>>,
    slot: &'a mut Option<T>,
}

impl<'a, T> Under<'a, T> {
    #[inline]
    pub(crate) fn new(key: &'static LocalKey<Cell<Option<T>>>, slot: &'a mut Option<T>) -> Self {
        let mut under = Self { key, slot };
        under.swap();
        under
    }

    #[inline]
    fn swap(&mut self) {
        let _ = self.key.try_with(|there| {
            let before = there.take();
            there.set(mem::replace(self.slot, before));
        });
    }
}

impl<T> Drop for Under<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.swap();
    }
}
