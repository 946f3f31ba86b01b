//! An allocator that counts, so that "no allocation per call" and "bytes per key" are measured numbers.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// What a piece of work took from the allocator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How often a block was allocated or grown.
    pub allocations: u64,
    /// Blocks allocated, less those freed.
    pub blocks: i64,
    /// Bytes asked for, less those given back. What the allocator itself needs comes on top.
    pub bytes: i64,
}

thread_local! {
    /// What this thread took since `tally` began, or `None` outside of `tally`.
    ///
    /// Const-initialised and without a destructor: reading it never allocates, which an allocator
    /// could not survive, and it stays readable while the thread ends.
    static TALLY: Cell<Option<Tally>> = const { Cell::new(None) };
}

/// The system allocator, counting what the current thread asks for inside [`tally`].
#[derive(Debug)]
pub struct Counting;

// SAFETY: every method forwards its arguments unchanged to `System` and returns what it returns,
// so the contract of `GlobalAlloc` is kept exactly as far as `System` keeps it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(1, 1, layout.size() as i64);
        // SAFETY: the caller's promises are those that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(1, 1, layout.size() as i64);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(1, 0, size as i64 - layout.size() as i64);
        // SAFETY: as above; `block` came from `System`, as everything here does.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        note(0, -1, -(layout.size() as i64));
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }
}

/// Runs `work` and says what this thread took meanwhile.
pub fn tally(work: impl FnOnce()) -> Tally {
    TALLY.set(Some(Tally::default()));
    work();
    TALLY.take().unwrap_or_default()
}

#[inline]
fn note(allocations: u64, blocks: i64, bytes: i64) {
    if let Some(mut tally) = TALLY.get() {
        tally.allocations += allocations;
        tally.blocks += blocks;
        tally.bytes += bytes;
        TALLY.set(Some(tally));
    }
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;

    #[test]
    fn counts_boxes_and_growth_but_not_frees() {
        let counted = tally(|| {
            let boxed = black_box(Box::new(1_u64));
            let mut grown = black_box(Vec::<u64>::with_capacity(1));
            grown.extend([1, 2, 3]);
            drop((boxed, black_box(grown)));
        });
        assert_eq!(counted, Tally { allocations: 3, blocks: 0, bytes: 0 });
    }

    #[test]
    fn tells_what_is_held_at_the_end() {
        let mut held = None;
        let counted = tally(|| {
            let mut grown = black_box(Vec::<u64>::with_capacity(1));
            grown.reserve_exact(4);
            held = Some((grown, black_box(vec![0_u8; 100])));
            drop(black_box(Box::new(1_u64)));
        });
        assert_eq!(counted, Tally { allocations: 4, blocks: 2, bytes: 4 * 8 + 100 });
        drop(held);
    }

    #[test]
    fn counts_nothing_outside() {
        drop(black_box(Box::new(1_u64)));
        assert_eq!(tally(|| ()), Tally::default());
    }
}
