//! Memory for the heap's own records: descriptors, bitmaps, lists. Never the user's pages.
//!
//! Small pieces come from chunks that are cut up by size class and never given back, so a record
//! that somebody still looks at stays mapped; large ones have reservations of their own.

use core::cell::UnsafeCell;
use core::ptr::NonNull;

use rtl_platform::vm::Protection;

use crate::fork_lock::ForkLock;
use crate::system_vm::system_vm;
use crate::units::{PAGE, round_up};

/// Pieces up to this size are cut from chunks.
const LARGEST_CLASS: usize = 0x8000;
const SMALLEST_CLASS: usize = 64;
const FIRST_CHUNK: usize = 0x1_0000;
const LARGEST_CHUNK: usize = 0x10_0000;

/// Up to this there is a class for each multiple of the smallest: most pieces are records of slabs, of which
/// there are many of many sizes.
const LARGEST_FINE: usize = 0x4000;
const FINE: usize = LARGEST_FINE / SMALLEST_CLASS;

/// Above, two classes per power of two: 24 KiB and 32 KiB.
const CLASSES: usize = FINE + 2 * (LARGEST_CLASS.ilog2() - LARGEST_FINE.ilog2()) as usize;

struct State {
    /// Per class, the first free piece; its first word holds the next.
    free: [usize; CLASSES],
    /// The uncut rest of the newest chunk.
    at: usize,
    end: usize,
    next_chunk: usize,
}

/// The pool that every heap of the process draws from.
struct Pool {
    lock: ForkLock,
    state: UnsafeCell<State>,
}

// SAFETY: `state` is touched only with `lock` held.
unsafe impl Sync for Pool {}

static POOL: Pool = Pool {
    lock: ForkLock::new(),
    state: UnsafeCell::new(State {
        free: [0; CLASSES],
        at: 0,
        end: 0,
        next_chunk: FIRST_CHUNK,
    }),
};

const fn class_of(bytes: usize) -> usize {
    let multiple = bytes.div_ceil(SMALLEST_CLASS);
    if multiple <= 1 {
        return 0;
    }
    if multiple <= FINE {
        return multiple - 1;
    }
    let power = (bytes - 1).ilog2();
    let half = bytes > (1 << power) + (1 << (power - 1));
    FINE + 2 * (power - LARGEST_FINE.ilog2()) as usize + half as usize
}

const fn class_bytes(class: usize) -> usize {
    if class < FINE {
        return (class + 1) * SMALLEST_CLASS;
    }
    let base = LARGEST_FINE << ((class - FINE) / 2);
    if (class - FINE).is_multiple_of(2) {
        base + base / 2
    } else {
        2 * base
    }
}

/// `bytes` zeroed bytes, 32-aligned (page-aligned above 32 KiB); `None` when the system has none.
pub fn allocate(bytes: usize) -> Option<NonNull<u8>> {
    let piece = allocate_raw(bytes)?;
    if bytes <= LARGEST_CLASS {
        // SAFETY: the piece is ours and as large as its class.
        unsafe { piece.write_bytes(0, class_bytes(class_of(bytes))) };
    }
    Some(piece)
}

/// [`allocate`] for what is written before it is read: its bytes are arbitrary.
pub fn allocate_raw(bytes: usize) -> Option<NonNull<u8>> {
    if bytes > LARGEST_CLASS {
        let size = round_up(bytes, PAGE)?;
        return system_vm()?
            .reserve_and_commit(size, size, Protection::ReadWrite, None)
            .ok();
    }
    let class = class_of(bytes);
    POOL.lock.enter();
    // SAFETY: the lock is held.
    let state = unsafe { &mut *POOL.state.get() };
    let mut piece = state.free[class];
    if piece != 0 {
        // SAFETY: a free piece is ours, and its first word is the next free piece.
        state.free[class] = unsafe { *(piece as *const usize) };
    } else {
        piece = cut(state, class_bytes(class)).unwrap_or(0);
    }
    POOL.lock.leave();
    NonNull::new(piece as *mut u8)
}

/// Gives back what [`allocate`] returned for the same `bytes`.
///
/// # Safety
/// 1. `piece` came from `allocate(bytes)` and nothing refers to it any more, but for lock-free
///    lookups that check what they read.
pub unsafe fn free(piece: NonNull<u8>, bytes: usize) {
    if bytes > LARGEST_CLASS {
        if let (Some(size), Some(vm)) = (round_up(bytes, PAGE), system_vm()) {
            // SAFETY: (1): a whole reservation of this vm. A failure leaks address space.
            let _ = unsafe { vm.release(piece, size) };
        }
        return;
    }
    let class = class_of(bytes);
    POOL.lock.enter();
    // SAFETY: the lock is held.
    let state = unsafe { &mut *POOL.state.get() };
    // SAFETY: (1): the piece is ours alone.
    unsafe { *(piece.as_ptr() as *mut usize) = state.free[class] };
    state.free[class] = piece.as_ptr() as usize;
    POOL.lock.leave();
}

/// Cache lines that one thread's piece may share with another's are no good to either: where a piece is a
/// multiple of one, or of the two that processors fetch together, it starts at one.
const LINES: usize = 128;

fn cut(state: &mut State, bytes: usize) -> Option<usize> {
    let alignment = LINES.min(1 << bytes.trailing_zeros());
    let aligned = state.at.next_multiple_of(alignment);
    if state.end.saturating_sub(aligned) < bytes {
        let size = state.next_chunk;
        let chunk = system_vm()?
            .reserve_and_commit(size, size, Protection::ReadWrite, None)
            .ok()?;
        // The rest of the old chunk is less than one piece of this class; it is not worth a list.
        state.at = chunk.as_ptr() as usize;
        state.end = state.at + size;
        state.next_chunk = (2 * size).min(LARGEST_CHUNK);
    }
    let piece = state.at.next_multiple_of(alignment);
    state.at = piece + bytes;
    Some(piece)
}

/// Takes the pool's lock for a fork: the child must find the pool whole.
pub fn enter_for_fork() {
    POOL.lock.enter();
}

/// Gives the lock back, in parent and child.
pub fn leave_after_fork() {
    POOL.lock.leave();
}

#[cfg(all(test, feature = "os"))]
mod tests {
    use super::*;

    #[test]
    fn a_class_holds_every_size_that_maps_to_it() {
        for bytes in 1..=LARGEST_CLASS {
            let class = class_of(bytes);
            assert!(class_bytes(class) >= bytes);
            assert!(class == 0 || class_bytes(class - 1) < bytes);
        }
        assert_eq!(class_of(LARGEST_CLASS), CLASSES - 1);
    }

    #[test]
    fn pieces_of_whole_cache_lines_start_at_one() {
        for bytes in [96, 64, 96, 2500, 96, 200, 130] {
            let piece = allocate(bytes).unwrap();
            let class = class_bytes(class_of(bytes));
            assert!(
                piece
                    .addr()
                    .get()
                    .is_multiple_of(LINES.min(1 << class.trailing_zeros()))
            );
            // SAFETY: (1).
            unsafe { free(piece, bytes) };
        }
    }

    #[test]
    fn a_returned_piece_comes_back_zeroed() {
        for bytes in [64, 1000, LARGEST_CLASS, LARGEST_CLASS + 1] {
            let piece = allocate(bytes).unwrap();
            // SAFETY: the piece is ours and `bytes` long.
            unsafe {
                piece.write_bytes(0xA5, bytes);
                free(piece, bytes);
            }
            let again = allocate(bytes).unwrap();
            // SAFETY: as above.
            let zero = unsafe { core::slice::from_raw_parts(again.as_ptr(), bytes) };
            assert!(zero.iter().all(|byte| *byte == 0));
            // SAFETY: (1).
            unsafe { free(again, bytes) };
        }
    }
}
