//! What code finds on its thread while it runs, as a task-local would have it.

use std::{cell::Cell, thread::LocalKey};

/// Has code run under a value until it is dropped, and then puts back what was there.
///
/// While a thread is being torn down its locals may be gone: there is nothing to find then.
pub(crate) struct Under<T: 'static> {
    key: &'static LocalKey<Cell<Option<T>>>,
    before: Option<T>,
    has_ended: bool,
}

impl<T> Under<T> {
    #[inline]
    pub(crate) fn new(key: &'static LocalKey<Cell<Option<T>>>, value: Option<T>) -> Self {
        let before = key.try_with(|there| there.replace(value)).unwrap_or_default();
        Self { key, before, has_ended: false }
    }

    /// Ends it, and gives back the value.
    #[inline]
    pub(crate) fn end(mut self) -> Option<T> {
        self.has_ended = true;
        self.put_back()
    }

    #[inline]
    fn put_back(&mut self) -> Option<T> {
        let before = self.before.take();
        self.key.try_with(|there| there.replace(before)).unwrap_or_default()
    }
}

impl<T> Drop for Under<T> {
    #[inline]
    fn drop(&mut self) {
        if !self.has_ended {
            self.put_back();
        }
    }
}
