//! Address space reserved ahead: the smallest reservations, several to one `mmap`.
//!
//! A process that makes and destroys many small heaps would pay one `mmap` for each. From the
//! fifth on, a reservation of 64 KiB is taken from a batch that was mapped at once; it is unmapped
//! alone, like any other, so nothing that was in use stays mapped. What is left of a batch is
//! address space without pages.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use crate::pages::ALLOCATION_GRANULARITY;

/// Reservations in a batch.
const BATCH: usize = 8;

/// Reservations that are mapped one by one before the first batch: a process with a heap or two
/// reserves nothing ahead.
const ALONE: u32 = 4;

/// The next reservation of the batch, a multiple of 64 KiB, plus how many are left.
static LEFT: AtomicUsize = AtomicUsize::new(0);
static SEEN: AtomicU32 = AtomicU32::new(0);

/// A reservation of 64 KiB from the batch, or from a new one that `map` maps, given its size.
/// `unmap` gets back what of a new batch cannot be kept. `None` when the caller is to map alone.
pub fn take(
    map: impl FnOnce(usize) -> Option<NonNull<u8>>,
    unmap: impl FnOnce(NonNull<u8>, usize),
) -> Option<NonNull<u8>> {
    if SEEN.load(Ordering::Relaxed) < ALONE {
        SEEN.fetch_add(1, Ordering::Relaxed);
        return None;
    }
    // Relaxed all along: the addresses are not yet anybody's memory.
    let next = |word: usize| (left(word) != 0).then(|| word + ALLOCATION_GRANULARITY - 1);
    let seen = match LEFT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next) {
        Ok(word) => return NonNull::new((word - left(word)) as *mut u8),
        Err(word) => word,
    };
    let base = map(BATCH * ALLOCATION_GRANULARITY)?;
    let rest = base.as_ptr().addr() + ALLOCATION_GRANULARITY;
    let word = rest + (BATCH - 1);
    if LEFT
        .compare_exchange(seen, word, Ordering::Relaxed, Ordering::Relaxed)
        .is_err()
        && let Some(rest) = NonNull::new(rest as *mut u8)
    {
        // Another thread's batch came first.
        unmap(rest, (BATCH - 1) * ALLOCATION_GRANULARITY);
    }
    Some(base)
}

/// How many reservations a word of [`LEFT`] says are left.
const fn left(word: usize) -> usize {
    word % ALLOCATION_GRANULARITY
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_handed_out_address_by_address_before_the_next_is_mapped() {
        // Other tests of the process take reservations as well: run the words alone.
        let word = 0x7000_0000 + (BATCH - 1);
        assert_eq!(left(word), BATCH - 1);
        let next = word + ALLOCATION_GRANULARITY - 1;
        assert_eq!((next - left(next), left(next)), (0x7001_0000, BATCH - 2));
    }
}
