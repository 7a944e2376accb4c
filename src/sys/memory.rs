//! The allocator: the C library's, but for buffers of the size that files pass in, which are kept. The C library would
//! give each back to the system, to be faulted in again page by page for the next piece.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, Ordering};

/// What is kept is all of one size, and holds whatever is not much smaller.
const LEAST_BYTES: usize = 24 * 1024;
const BLOCK: Layout = match Layout::from_size_align(68 * 1024, 16) {
    Ok(layout) => layout,
    Err(_) => Layout::new::<u8>(),
};
/// Two megabytes: what has been read and waits for its way out, and what has come and waits for the disk.
const MAX_KEPT: usize = 32;

#[global_allocator]
static ALLOCATOR: Keeping = Keeping {
    taken: AtomicBool::new(false),
    kept: UnsafeCell::new(Kept { blocks: [None; MAX_KEPT], count: 0 }),
};

struct Keeping {
    /// Whoever finds it taken goes to the system.
    taken: AtomicBool,
    kept: UnsafeCell<Kept>,
}

struct Kept {
    blocks: [Option<NonNull<u8>>; MAX_KEPT],
    count: usize,
}

// SAFETY: `kept` is touched by one thread at a time, the one that has set `taken`; blocks belong to nobody else.
unsafe impl Sync for Keeping {}

impl Keeping {
    fn holds(layout: Layout) -> bool {
        layout.align() <= BLOCK.align() && (LEAST_BYTES..=BLOCK.size()).contains(&layout.size())
    }

    fn with_kept<T>(&self, action: impl FnOnce(&mut Kept) -> Option<T>) -> Option<T> {
        if self.taken.swap(true, Ordering::Acquire) {
            return None;
        }
        // SAFETY: nobody else has it until `taken` is given back, and `action` neither allocates nor panics.
        let done = action(unsafe { &mut *self.kept.get() });
        self.taken.store(false, Ordering::Release);
        done
    }

    fn take(&self) -> Option<NonNull<u8>> {
        self.with_kept(|kept| {
            kept.count = kept.count.checked_sub(1)?;
            kept.blocks.get_mut(kept.count)?.take()
        })
    }

    fn keep(&self, block: NonNull<u8>) -> bool {
        let kept = self.with_kept(|kept| {
            *kept.blocks.get_mut(kept.count)? = Some(block);
            kept.count += 1;
            Some(())
        });
        kept.is_some()
    }
}

// SAFETY: all is passed to the system's allocator, with one exception: whatever `holds` is asked for and given back as
// a `BLOCK`, which is as large at least, whether it comes from the system or is a kept one.
unsafe impl GlobalAlloc for Keeping {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !Self::holds(layout) {
            // SAFETY: as our caller has it.
            return unsafe { System.alloc(layout) };
        }
        // SAFETY: a block has a size.
        self.take().map_or_else(|| unsafe { System.alloc(BLOCK) }, NonNull::as_ptr)
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        match Self::holds(layout).then(|| self.take()) {
            // SAFETY: as our caller has it.
            None => unsafe { System.alloc_zeroed(layout) },
            // SAFETY: a block has a size.
            Some(None) => unsafe { System.alloc_zeroed(BLOCK) },
            Some(Some(block)) => {
                // SAFETY: it is as large as that.
                unsafe { block.as_ptr().write_bytes(0, layout.size()) };
                block.as_ptr()
            }
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if !Self::holds(layout) {
            // SAFETY: as our caller has it.
            unsafe { System.dealloc(block, layout) };
        } else if !NonNull::new(block).is_some_and(|block| self.keep(block)) {
            // SAFETY: it was asked for as a block.
            unsafe { System.dealloc(block, BLOCK) };
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as our caller has it.
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (Self::holds(layout), Self::holds(new)) {
            // SAFETY: as our caller has it.
            (false, false) => unsafe { System.realloc(block, layout, size) },
            (true, true) => block,
            (true, false) | (false, true) => {
                // SAFETY: as our caller has it.
                let to = unsafe { self.alloc(new) };
                if !to.is_null() {
                    // SAFETY: both are at least as large as what is copied, and do not overlap.
                    unsafe { ptr::copy_nonoverlapping(block, to, layout.size().min(size)) };
                    // SAFETY: as our caller has it.
                    unsafe { self.dealloc(block, layout) };
                }
                to
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An allocator of its own: the program's serves all tests at once.
    fn keeping() -> Keeping {
        let kept = UnsafeCell::new(Kept { blocks: [None; MAX_KEPT], count: 0 });
        Keeping { taken: AtomicBool::new(false), kept }
    }

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 1).expect("a layout")
    }

    #[test]
    fn what_is_given_back_is_given_out_again_and_zeroed_where_that_is_asked_for() {
        let (keeping, piece) = (keeping(), layout(61_441));
        // SAFETY: each is given back as it was asked for, once.
        unsafe {
            let first = keeping.alloc(piece);
            first.write_bytes(7, piece.size());
            keeping.dealloc(first, piece);
            let second = keeping.alloc_zeroed(layout(65_536));
            assert_eq!(first, second);
            assert!((0..65_536).all(|at| *second.add(at) == 0));
            keeping.dealloc(second, layout(65_536));
            System.dealloc(keeping.take().expect("kept").as_ptr(), BLOCK);
        }
    }

    #[test]
    fn contents_survive_all_sizes() {
        let keeping = keeping();
        let sizes = [10, LEAST_BYTES - 1, LEAST_BYTES, BLOCK.size(), BLOCK.size() + 1, 200_000, 60_000, 5];
        // SAFETY: each is given back as it was asked for, once.
        unsafe {
            let mut block = keeping.alloc(layout(sizes[0]));
            block.write_bytes(9, 5);
            for pair in sizes.windows(2) {
                block = keeping.realloc(block, layout(pair[0]), pair[1]);
                assert!((0..5).all(|at| *block.add(at) == 9), "{pair:?}");
            }
            keeping.dealloc(block, layout(sizes[sizes.len() - 1]));
            while let Some(kept) = keeping.take() {
                System.dealloc(kept.as_ptr(), BLOCK);
            }
        }
    }

    #[test]
    fn no_more_is_kept_than_two_megabytes() {
        let keeping = keeping();
        // SAFETY: each is given back as it was asked for, once.
        unsafe {
            let blocks: Vec<_> = (0..2 * MAX_KEPT).map(|_| keeping.alloc(layout(61_441))).collect();
            blocks.into_iter().for_each(|block| keeping.dealloc(block, layout(61_441)));
            let kept =
                std::iter::from_fn(|| keeping.take()).map(|block| System.dealloc(block.as_ptr(), BLOCK));
            assert_eq!(kept.count(), MAX_KEPT);
        }
    }
}
