//! Blocks for systems whose native thread-local storage may allocate: they come from a pool of our
//! own, and a key of the system's leads from the thread to its block.
//!
//! A block goes back to the pool when its thread ends. A destructor that runs even later finds the
//! mark [`GONE`] and gets a block that is exiting from the start; that one is lost.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, Ordering};

use crate::pages::ALLOCATION_GRANULARITY;
use crate::sys::{memory, wait};
use crate::thread::ThreadBlock;
use crate::vm::Protection;

/// The key's value once the thread's block has gone back: the address of no block.
pub const GONE: usize = 1;

/// Blocks in a chunk.
const CHUNK: usize = ALLOCATION_GRANULARITY / size_of::<ThreadBlock>();

type Chunk = [MaybeUninit<ThreadBlock>; CHUNK];

/// Blocks that nobody has, and room for blocks that nobody had.
struct Pool {
    /// The newest block given back; each leads to the next by its first word for us, or to 0.
    free: Option<NonNull<ThreadBlock>>,
    /// The chunk that blocks are cut from, and how many have been.
    chunk: NonNull<ThreadBlock>,
    cut: usize,
}

struct Shared {
    held: AtomicBool,
    pool: UnsafeCell<Option<Pool>>,
}

// SAFETY: `with_pool` gives the pool to one thread at a time, and free blocks to nobody.
unsafe impl Sync for Shared {}

/// The first chunk, so that a process of few threads needs no memory from the system. The pages
/// it does not use cost nothing.
struct First(UnsafeCell<Chunk>);

// SAFETY: only the pool uses it.
unsafe impl Sync for First {}

static SHARED: Shared = Shared {
    held: AtomicBool::new(false),
    pool: UnsafeCell::new(None),
};
static FIRST: First = First(UnsafeCell::new([const { MaybeUninit::uninit() }; CHUNK]));

fn with_pool<R>(use_it: impl FnOnce(&mut Pool) -> R) -> R {
    // Acquire pairs with the Release below.
    while SHARED.held.swap(true, Ordering::Acquire) {
        wait::pause();
    }
    // SAFETY: this thread holds the pool, and `use_it` does not come back here.
    let pool = unsafe { &mut *SHARED.pool.get() };
    let pool = pool.get_or_insert_with(|| {
        // SAFETY: the address of a static is not null.
        let chunk = unsafe { NonNull::new_unchecked(FIRST.0.get()) };
        Pool {
            free: None,
            chunk: chunk.cast(),
            cut: 0,
        }
    });
    let result = use_it(pool);
    SHARED.held.store(false, Ordering::Release);
    result
}

/// A fresh block. `is_late` says that its thread is already ending.
pub fn take(is_late: bool) -> NonNull<ThreadBlock> {
    let Some(block) = with_pool(cut_or_reuse) else {
        crate::stderr::write(b"rtl-heap: no memory for one more thread\n");
        crate::process::abort();
    };
    // SAFETY: the pool gave the block to this thread alone, and it has room for one.
    unsafe { block.write(ThreadBlock::new(is_late)) };
    block
}

/// Takes a block back.
///
/// # Safety
///
/// 1. The block came from [`take`], and nobody uses it any more.
pub unsafe fn give(block: NonNull<ThreadBlock>) {
    with_pool(|pool| {
        let next = pool
            .free
            .map_or(0, |next| next.as_ptr().expose_provenance());
        // SAFETY: 1.
        unsafe { block.as_ref() }.system[0].set(next);
        pool.free = Some(block);
    });
}

fn cut_or_reuse(pool: &mut Pool) -> Option<NonNull<ThreadBlock>> {
    if let Some(block) = pool.free {
        // SAFETY: a free block is the pool's, and was written when it was taken.
        let next = unsafe { block.as_ref() }.system[0].get();
        pool.free = NonNull::new(core::ptr::with_exposed_provenance_mut(next));
        return Some(block);
    }
    if pool.cut == CHUNK {
        let chunk = memory::reserve(ALLOCATION_GRANULARITY, Some(Protection::ReadWrite)).ok()?;
        pool.chunk = chunk.cast();
        pool.cut = 0;
    }
    // SAFETY: fewer blocks than a chunk holds have been cut from it.
    let block = unsafe { pool.chunk.add(pool.cut) };
    pool.cut += 1;
    Some(block)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_blocks_than_a_chunk_holds_are_all_different() {
        let blocks: Vec<_> = (0..3 * CHUNK).map(|_| take(false)).collect();
        let mut addresses: Vec<_> = blocks.iter().map(|block| block.as_ptr().addr()).collect();
        addresses.sort_unstable();
        for pair in addresses.windows(2) {
            assert!(pair[1] - pair[0] >= size_of::<ThreadBlock>());
        }
        for block in blocks {
            // SAFETY: 1: the test took it and lets it go.
            unsafe { give(block) };
        }
    }
}
