//! An allocator that counts, so that "no allocation per call" is a measured number.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    /// Allocations of this thread since `count` began, or `None` outside of `count`.
    ///
    /// Const-initialised and without a destructor: reading it never allocates, which an allocator
    /// could not survive, and it stays readable while the thread ends.
    static ALLOCATIONS: Cell<Option<u64>> = const { Cell::new(None) };
}

/// The system allocator, counting what the current thread asks for inside [`count`].
#[derive(Debug)]
pub struct Counting;

// SAFETY: every method forwards its arguments unchanged to `System` and returns what it returns,
// so the contract of `GlobalAlloc` is kept exactly as far as `System` keeps it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: the caller's promises are those that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note();
        // SAFETY: as above; `block` came from `System`, as everything here does.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }
}

/// Runs `work` and says how often this thread allocated or grew a block meanwhile.
pub fn count(work: impl FnOnce()) -> u64 {
    ALLOCATIONS.set(Some(0));
    work();
    ALLOCATIONS.take().unwrap_or(0)
}

#[inline]
fn note() {
    ALLOCATIONS.set(ALLOCATIONS.get().map(|count| count + 1));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_boxes_and_growth_but_not_frees() {
        let counted = count(|| {
            let boxed = std::hint::black_box(Box::new(1_u64));
            let mut grown = std::hint::black_box(Vec::<u64>::with_capacity(1));
            grown.extend([1, 2, 3]);
            drop((boxed, std::hint::black_box(grown)));
        });
        assert_eq!(counted, 3);
    }

    #[test]
    fn counts_nothing_outside() {
        drop(std::hint::black_box(Box::new(1_u64)));
        assert_eq!(count(|| ()), 0);
    }
}
