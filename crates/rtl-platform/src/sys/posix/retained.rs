//! Reservations of small heaps that were given back, kept without access for the next ones.
//!
//! For a heap that is made, little used and destroyed, the dearest calls are those that map, fault
//! in its first page and unmap. So the last few reservations of the sizes that new heaps have stay
//! when they are released: nothing of them can be accessed, no page but the first ones holds
//! memory, and a new heap that commits these gets them zeroed. Where address space runs out they go.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering};

use super::mapping::{self, host_page_size};
use crate::pages::{ALLOCATION_GRANULARITY, PAGE_SIZE, Span, floor};
use crate::sys::memory;
use crate::vm::Protection;

/// Reservations of one size that are kept. 32-bit has less room to spare.
const KEPT: usize = if usize::BITS < 64 { 2 } else { 8 };

/// Bytes of a kept reservation that may hold memory: what new heaps commit.
const HEAD: usize = 2 * PAGE_SIZE;

/// Reservations below this address are where windows want room, and are not kept.
const FLOOR: usize = if usize::BITS < 64 { 0 } else { 1 << 36 };

/// In a place: the reservation is in use again.
const OUT: usize = 0xffff;

/// Reservations of one size.
struct Retained {
    size: usize,
    /// Each 0, or an address plus the number of pages at its start that hold memory, or an address
    /// plus [`OUT`]. The first places are filled first.
    places: [AtomicUsize; KEPT],
}

/// What `HeapCreate` and `RtlCreateHeap` reserve when they are not told.
static SIZES: [Retained; 2] = [
    Retained::new(ALLOCATION_GRANULARITY),
    Retained::new(4 * ALLOCATION_GRANULARITY),
];

const fn base_of(place: usize) -> usize {
    floor(place, ALLOCATION_GRANULARITY)
}

const fn is_kept(place: usize) -> bool {
    place != 0 && place % ALLOCATION_GRANULARITY != OUT
}

impl Retained {
    const fn new(size: usize) -> Retained {
        Retained {
            size,
            places: [const { AtomicUsize::new(0) }; KEPT],
        }
    }

    fn of_size(size: usize) -> Option<&'static Retained> {
        SIZES.iter().find(|retained| retained.size == size)
    }

    /// Takes one out: its address, and how many bytes at its start hold memory.
    fn pop(&self) -> Option<(NonNull<u8>, usize)> {
        self.places.iter().find_map(|place| {
            let kept = place.load(Ordering::Relaxed);
            // Acquire pairs with the Release in `push`: what was done to the mapping is done.
            (is_kept(kept)
                && place
                    .compare_exchange(
                        kept,
                        base_of(kept) + OUT,
                        Ordering::Acquire,
                        Ordering::Relaxed,
                    )
                    .is_ok())
            .then_some((
                NonNull::new(base_of(kept) as *mut u8)?,
                kept % ALLOCATION_GRANULARITY * PAGE_SIZE,
            ))
        })
    }

    /// A place for the reservation at `base`, best the one it was taken from.
    fn place_for(&self, base: usize) -> Option<(&AtomicUsize, usize)> {
        let seen = |place| move |word| (word == place).then_some(word);
        let with = |wanted: &dyn Fn(usize) -> Option<usize>| {
            self.places
                .iter()
                .find_map(|place| Some((place, wanted(place.load(Ordering::Relaxed))?)))
        };
        with(&seen(base + OUT)).or_else(|| with(&|word| (!is_kept(word)).then_some(word)))
    }
}

/// A kept reservation of `size` bytes whose first `commit` bytes are usable with `protection` and
/// read as zero; `None` when there is none, or it does not suit.
pub fn take(size: usize, commit: usize, protection: Protection) -> Option<NonNull<u8>> {
    if !protection.is_writable() {
        return None;
    }
    let retained = Retained::of_size(size)?;
    let (base, head) = retained.pop()?;
    let committed = Span::new(base.as_ptr().addr(), commit).outward(host_page_size());
    let opened = committed.size() >= head
        // SAFETY: the reservation is in nobody's hands but ours.
        && unsafe { mapping::protect(base, committed.size(), protection) }.is_ok();
    if !opened {
        // SAFETY: as above. Should it fail, address space is lost.
        let _ = unsafe { mapping::unmap(base, size) };
        return None;
    }
    // SAFETY: just made writable; nothing else of it has held memory since `keep`.
    unsafe { base.write_bytes(0, head) };
    Some(base)
}

/// Keeps the reservation instead of giving it back. False, with the reservation as it was or
/// without access, when it is to be unmapped.
///
/// # Safety
///
/// The range is one reservation, nothing in it is in use, and no page behind its first `committed`
/// bytes is committed.
pub unsafe fn keep(base: NonNull<u8>, size: usize, committed: usize) -> bool {
    let address = base.as_ptr().addr();
    let Some(retained) = Retained::of_size(size) else {
        return false;
    };
    if address < FLOOR
        || committed == 0
        || !memory::DISCARDS_WITHOUT_ACCESS
        // Pages that were decommitted are then not all without memory.
        || host_page_size() != PAGE_SIZE
        || mapping::has_left_pages()
    {
        return false;
    }
    let Some((place, seen)) = retained.place_for(address) else {
        return false;
    };
    let committed = Span::new(address, committed)
        .outward(host_page_size())
        .size();
    let head = committed.min(HEAD);
    // SAFETY: the caller's promise: nobody uses it.
    let mut inaccessible =
        unsafe { mapping::protect(base, committed, Protection::NoAccess) }.is_ok();
    if inaccessible && committed != head {
        // SAFETY: `head` is less than what is committed, which lies inside the reservation.
        let rest = unsafe { base.add(head) };
        // SAFETY: the caller's promise.
        inaccessible = unsafe { memory::discard(rest, committed - head) };
    }
    if inaccessible && seen != address + OUT {
        // SAFETY: as above.
        unsafe { memory::set_apart(base, head) };
    }
    // Release pairs with the Acquire in `pop`.
    inaccessible
        && place
            .compare_exchange(
                seen,
                base.as_ptr().expose_provenance() + head / PAGE_SIZE,
                Ordering::Release,
                Ordering::Relaxed,
            )
            .is_ok()
}

/// Unmaps all that is kept. Says whether there was any.
pub fn release_all() -> bool {
    let mut any = false;
    for retained in &SIZES {
        while let Some((base, _)) = retained.pop() {
            any = true;
            // SAFETY: the reservation is in nobody's hands but ours. Should it fail, address space
            // is lost.
            let _ = unsafe { mapping::unmap(base, retained.size) };
        }
    }
    any
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reservation_comes_back_to_its_place_and_kept_ones_are_not_driven_out() {
        let kept = Retained::new(ALLOCATION_GRANULARITY);
        let base = |n: usize| n * ALLOCATION_GRANULARITY;
        for n in 1..=KEPT {
            let (place, seen) = kept.place_for(base(n)).unwrap();
            assert_eq!(seen, 0);
            place.store(base(n) + 2, Ordering::Relaxed);
        }
        assert!(kept.place_for(base(KEPT + 1)).is_none());
        let (first, head) = kept.pop().unwrap();
        assert_eq!((first.as_ptr().addr(), head), (base(1), 2 * PAGE_SIZE));
        assert_eq!(kept.place_for(base(1)).unwrap().1, base(1) + OUT);
        // A stranger may have the place of one that is out.
        assert_eq!(kept.place_for(base(KEPT + 1)).unwrap().1, base(1) + OUT);
        for n in 2..=KEPT {
            assert_eq!(kept.pop().unwrap().0.as_ptr().addr(), base(n));
        }
        assert!(kept.pop().is_none());
    }

    #[test]
    fn what_is_kept_cannot_be_accessed_and_comes_back_zeroed() {
        let size = 4 * ALLOCATION_GRANULARITY;
        for _ in 0..100 {
            let base = crate::sys::memory::reserve(size, None).unwrap();
            // SAFETY: ours.
            unsafe { mapping::commit(base, HEAD, Protection::ReadWrite) }.unwrap();
            // SAFETY: just committed.
            unsafe { base.write_bytes(0x5a, HEAD) };
            // SAFETY: a whole reservation, of which nothing else is committed.
            if !unsafe { keep(base, size, HEAD) } {
                // SAFETY: it is still ours.
                unsafe { mapping::unmap(base, size) }.unwrap();
                continue;
            }
            let Some(again) = take(size, HEAD, Protection::ReadWrite) else {
                // Another test took it.
                continue;
            };
            // SAFETY: just committed.
            let bytes = unsafe { core::slice::from_raw_parts(again.as_ptr(), HEAD) };
            assert!(bytes.iter().all(|byte| *byte == 0));
            // SAFETY: ours, and no reference is left.
            unsafe { mapping::unmap(again, size) }.unwrap();
        }
    }
}
