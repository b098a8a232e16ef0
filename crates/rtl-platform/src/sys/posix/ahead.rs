//! Address space reserved ahead: reservations of the sizes that new heaps have, several to one
//! `mmap`.
//!
//! A process that makes and destroys many small heaps would pay one `mmap` for each. From the
//! fifth on, such a reservation is taken from a batch that was mapped at once; it is unmapped
//! alone, like any other, so nothing that was in use stays mapped. What is left of a batch is
//! address space without pages.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use crate::pages::ALLOCATION_GRANULARITY;

/// Reservations in a batch. 32-bit has less room to spare.
const BATCH: usize = if usize::BITS < 64 { 8 } else { 16 };

/// Reservations that are mapped one by one before the first batch: a process with a heap or two
/// reserves nothing ahead.
const ALONE: u32 = 4;

/// Reservations of one size.
pub struct Ahead {
    size: usize,
    /// The next reservation of the batch, a multiple of 64 KiB, plus how many are left.
    left: AtomicUsize,
    seen: AtomicU32,
}

/// What `HeapCreate` and `RtlCreateHeap` reserve when they are not told.
static SIZES: [Ahead; 2] = [
    Ahead::new(ALLOCATION_GRANULARITY),
    Ahead::new(4 * ALLOCATION_GRANULARITY),
];

/// The batches for reservations of `size` bytes, if it is a size that is reserved ahead.
pub fn of_size(size: usize) -> Option<&'static Ahead> {
    SIZES.iter().find(|ahead| ahead.size == size)
}

impl Ahead {
    const fn new(size: usize) -> Ahead {
        Ahead {
            size,
            left: AtomicUsize::new(0),
            seen: AtomicU32::new(0),
        }
    }

    /// A reservation from the batch, or from a new one that `map` maps, given its size. `unmap`
    /// gets back what of a new batch cannot be kept. `None` when the caller is to map alone.
    pub fn take(
        &self,
        map: impl FnOnce(usize) -> Option<NonNull<u8>>,
        unmap: impl FnOnce(NonNull<u8>, usize),
    ) -> Option<NonNull<u8>> {
        if self.seen.load(Ordering::Relaxed) < ALONE {
            self.seen.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        // Relaxed all along: the addresses are not yet anybody's memory.
        let after = |word: usize| (left(word) != 0).then(|| self.after(word));
        let seen = match self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, after)
        {
            Ok(word) => return NonNull::new(first(word) as *mut u8),
            Err(word) => word,
        };
        let base = map(BATCH * self.size)?;
        let rest = base.as_ptr().addr() + self.size;
        let word = rest + (BATCH - 1);
        if self
            .left
            .compare_exchange(seen, word, Ordering::Relaxed, Ordering::Relaxed)
            .is_err()
            && let Some(rest) = NonNull::new(rest as *mut u8)
        {
            // Another thread's batch came first.
            unmap(rest, (BATCH - 1) * self.size);
        }
        Some(base)
    }

    /// The word once its first reservation is taken.
    const fn after(&self, word: usize) -> usize {
        word + self.size - 1
    }
}

/// The next reservation that a word of [`Ahead::left`] names.
const fn first(word: usize) -> usize {
    word - left(word)
}

/// How many reservations it says are left.
const fn left(word: usize) -> usize {
    word % ALLOCATION_GRANULARITY
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_handed_out_address_by_address() {
        // Other tests of the process take reservations as well: look at the words alone.
        for ahead in &SIZES {
            let word = 0x7000_0000 + (BATCH - 1);
            assert_eq!((first(word), left(word)), (0x7000_0000, BATCH - 1));
            let next = ahead.after(word);
            assert_eq!(
                (first(next), left(next)),
                (0x7000_0000 + ahead.size, BATCH - 2)
            );
        }
    }
}
