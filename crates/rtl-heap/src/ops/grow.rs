//! Growing a block of the back end where it is, step by step, as strings and arrays do: by a piece of the
//! free block behind it, which stays one.
//!
//! Whatever is not plain, or not as expected, takes the long way ([`crate::ops::reallocate`]), which finds
//! out why. Nothing is changed before everything is checked.

use core::ptr::NonNull;

use crate::backend::canary;
use crate::backend::split::COMMITTED_REST;
use crate::entry::{Entry, EntryFlags, USER_OFFSET};
use crate::flags::HeapFlags;
use crate::heap::{Heap, State};
use crate::ops::extras;
use crate::ops::fast::{is_plain, owner_of, whole_block};
use crate::region::Region;
use crate::units::{GRANULE, Granules};

/// What a block's header must not say.
const NOT_PLAIN: EntryFlags = EntryFlags::USER_VALUE.union(EntryFlags::USER_FLAGS);

/// Makes the block at `pointer` of the heap whose handle `heap` is, any bit patterns, `size` bytes long, if
/// that is more than it has granules for and all it takes is a piece of what is behind it. `None`, and
/// nothing done, for the long way.
///
/// # Safety
/// 1. If `pointer` is a live block, nobody else uses it meanwhile.
#[inline]
pub unsafe fn grow(
    heap: usize,
    flags: HeapFlags,
    pointer: usize,
    size: usize,
) -> Option<NonNull<u8>> {
    let (region, owner) = owner_of(pointer)?;
    let settings = &owner.settings;
    let flags = flags | settings.force_flags;
    if !is_plain(owner, heap)
        || !settings.parks
        || flags.intersects(extras::NOT_PLAIN | HeapFlags::ZERO_MEMORY)
        || size > settings.maximum_allocation_size
    {
        return None;
    }
    let needed = extras::plain_block_size(size)?;
    if needed > settings.virtual_memory_threshold {
        return None;
    }
    let mut guard = owner.enter(flags);
    let (heap, state) = guard.parts();
    // SAFETY: (1); the lock is held.
    unsafe { grow_entered(heap, state, region, pointer, (size, needed)) }?;
    NonNull::new(pointer as *mut u8)
}

/// # Safety
/// 1. As for [`grow`]; the heap's lock is held and `state` is its state.
#[inline(always)]
unsafe fn grow_entered(
    heap: &Heap,
    state: &mut State,
    region: &Region,
    pointer: usize,
    (size, needed): (usize, Granules),
) -> Option<()> {
    let (block, payload) = whole_block(heap, region, pointer)?;
    let entry = Entry::from(payload);
    if entry.flags.intersects(NOT_PLAIN) || needed <= entry.size || !region.shrunk.is_empty() {
        return None;
    }
    let more = needed.bytes() - entry.size.bytes();

    let behind = block + entry.size.bytes();
    let granule = region.granule_of_block(behind + USER_OFFSET)?;
    // SAFETY: INV-STARTS; the lock is held.
    let free = Entry::from(unsafe { heap.key.read_payload(behind) }?);
    let end = granule + free.size.0 as usize;
    // What is left has a footer, as the free block has.
    let left = free.size.bytes().checked_sub(more)?;
    if free.is_busy() || left <= Granules::MIN_BLOCK.bytes() || end > region.end_granule {
        return None;
    }
    let rest = behind + more;
    if free.flags.contains(EntryFlags::HOLE) && !is_ready(region, behind, rest) {
        return None;
    }
    let after = behind + free.size.bytes();
    if !free.is_last() && !region.is_block_start(after) {
        return None;
    }
    let left = Granules((left / GRANULE) as u32);
    let requested = entry.requested();
    // SAFETY: (1): the free block is in the index, and what is left of it is committed where a free block
    // must be: where it was, or as just checked.
    unsafe {
        let places = ((behind, free.size), (rest, left));
        state.free.shift(&heap.key, places.0, places.1).ok()?;
        let mut starts = region.starts;
        starts.clear(granule);
        starts.set(granule + more / GRANULE);
        let flags = free.flags & (EntryFlags::LAST | EntryFlags::HOLE);
        let freed = Entry {
            size: left,
            unused: 0,
            flags,
        };
        heap.key.write(rest, freed);
        if !free.is_last() {
            heap.key.write_footer(after, left);
        }
        let unused = needed.bytes() - size;
        let grown = Entry {
            size: needed,
            unused: unused as u8,
            flags: entry.flags,
        };
        heap.key.write(block, grown);
        canary::write(pointer + size, unused);
    }
    state.accounting.resize_live(requested, size);
    Some(())
}

/// The head of a free block with a hole is committed if it starts at `rest` in place of `behind`.
#[inline]
fn is_ready(region: &Region, behind: usize, rest: usize) -> bool {
    // Where its head is now pages are committed.
    let first = region.page(behind);
    let last = region.page((rest + COMMITTED_REST).min(region.commit_limit) - 1);
    last == first || region.pages.find(first, last + 1, false) == last + 1
}
