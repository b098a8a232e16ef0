//! Handing out a free block, or its first part.

use core::ptr;

use crate::backend::blocks::{self, Block};
use crate::backend::{commit, footprint, park, segment, warm};
use crate::entry::{Entry, EntryFlags, TAIL_SPILL};
use crate::failure::{FailureKind, HeapFailure, Refusal};
use crate::flags::HeapFlags;
use crate::free_index::{BrokenLink, Effort};
use crate::heap::{Heap, State};
use crate::regions;
use crate::units::{GRANULE, Granules, POINTER};

/// Bytes that are committed behind a block that is cut from a free block with a hole: the rest's
/// header and links, and the room NT keeps before an uncommitted range (walk entries, 5.4).
pub const COMMITTED_REST: usize = 12 * POINTER;

/// What is wanted of a block.
#[derive(Clone, Copy)]
pub struct Request {
    /// Size of the block, header and extras included.
    pub size: Granules,
    /// Bytes the caller asked for.
    pub requested: usize,
    /// [`EntryFlags::USER_VALUE`] and user flags.
    pub flags: EntryFlags,
    /// Alignment of the user's bytes, a power of two, at least a granule.
    pub alignment: usize,
    /// The block takes the place of a smaller one. What has grown grows again, so it had better lie
    /// where there is much room behind it.
    pub grows: bool,
}

/// The report of a damaged link.
pub fn broken_link(heap: &Heap, link: BrokenLink) -> HeapFailure {
    blocks::failure(heap, FailureKind::FreeListsCorruption, link.0)
}

/// A busy block for `request`, from a free block or a new segment.
///
/// # Errors
/// No memory, or damage found on the way. The heap is as it was, but for pages committed and a
/// segment added.
///
/// # Safety
/// 1. The heap's lock is held and `state` is its state.
#[inline]
pub unsafe fn allocate(heap: &Heap, state: &mut State, request: Request) -> Result<Block, Refusal> {
    if request.alignment <= GRANULE
        // SAFETY: (1).
        && let Some(block) = unsafe { park::unpark(heap, state, &request) }?
    {
        return Ok(block);
    }
    // With an alignment, any block with this much more surely holds an aligned one behind a rest
    // large enough to be a block.
    let room = if request.alignment <= GRANULE {
        request.size
    } else {
        let more = Granules::exactly(request.alignment).ok_or(Refusal::NoMemory)?;
        let sum = request.size.0.checked_add(more.0 + Granules::MIN_BLOCK.0);
        Granules(sum.ok_or(Refusal::NoMemory)?)
    };
    let free = if request.alignment > GRANULE
        // SAFETY: (1).
        && let Some(free) = unsafe { find_as_it_lies(heap, state, &request) }?
    {
        Ok(free)
    } else if request.grows
        && let Some(address) = state.free.among_largest(room)
    {
        // SAFETY: (1).
        unsafe { free_block(heap, address) }
    } else {
        // SAFETY: (1).
        unsafe { find(heap, state, room) }
    }?;
    // SAFETY: (1).
    let carved = unsafe { carve(heap, state, &free, request) };
    if carved.is_err() && free.entry.is_last() {
        // A segment that was just added for the request stays empty: it is to be remembered.
        // SAFETY: (1): the free block is still in the index.
        unsafe { segment::note_if_empty(heap, state, &free) };
    }
    if let Err(Refusal::NoMemory) = carved
        // SAFETY: (1).
        && unsafe { release_kept(heap, state) }
    {
        // SAFETY: (1): nothing is parked any more, so this ends.
        return unsafe { allocate(heap, state, request) };
    }
    carved
}

/// Gives back what parked blocks keep committed. Says whether there was any.
///
/// # Safety
/// 1. As for [`allocate`].
#[cold]
pub unsafe fn release_kept(heap: &Heap, state: &mut State) -> bool {
    // SAFETY: (1).
    let any = unsafe { park::release_all(heap, state) };
    if any {
        // SAFETY: (1).
        unsafe { warm::give_back(heap, state, 0) };
    }
    any
}

/// # Safety
/// 1. As for [`allocate`].
#[inline]
unsafe fn find(heap: &Heap, state: &mut State, size: Granules) -> Result<Block, Refusal> {
    let bad = |link| Refusal::Failure(broken_link(heap, link));
    let found = state
        .free
        .find(&heap.key, size, Effort::Bounded)
        .map_err(bad)?;
    match found {
        // SAFETY: (1).
        Some(address) => unsafe { free_block(heap, address) },
        // SAFETY: (1).
        None => unsafe { find_slow(heap, state, size) },
    }
}

/// The free block that fits best, if an aligned block lies in it: what such a block leaves when it is freed has
/// no room to spare, and would do for none of its size else.
///
/// # Safety
/// 1. As for [`allocate`].
unsafe fn find_as_it_lies(
    heap: &Heap,
    state: &mut State,
    request: &Request,
) -> Result<Option<Block>, Refusal> {
    let found = state
        .free
        .find(&heap.key, request.size, Effort::Bounded)
        .map_err(|link| Refusal::Failure(broken_link(heap, link)))?;
    let Some(address) = found else {
        return Ok(None);
    };
    // SAFETY: (1).
    let free = unsafe { free_block(heap, address) }?;
    let before = lead(&free, request.alignment);
    let needed = before.and_then(|before| before.checked_add(request.size.bytes()));
    let fits = needed.is_some_and(|needed| needed <= free.entry.size.bytes());
    Ok(fits.then_some(free))
}

/// # Safety
/// 1. As for [`allocate`].
#[cold]
unsafe fn find_slow(heap: &Heap, state: &mut State, size: Granules) -> Result<Block, Refusal> {
    // SAFETY: (1).
    if unsafe { park::release_all(heap, state) } {
        // SAFETY: (1): nothing is parked any more, so this ends.
        return unsafe { find(heap, state, size) };
    }
    if heap.settings.flags.contains(HeapFlags::GROWABLE) {
        // SAFETY: (1).
        return unsafe { segment::add(heap, state, size) };
    }
    // Before a heap that cannot grow says no, every block that might do is looked at.
    let bad = |link| Refusal::Failure(broken_link(heap, link));
    match state
        .free
        .find(&heap.key, size, Effort::Exhaustive)
        .map_err(bad)?
    {
        // SAFETY: (1).
        Some(address) => unsafe { free_block(heap, address) },
        None => Err(Refusal::NoMemory),
    }
}

/// The free block at `address`, which the index named.
///
/// # Safety
/// 1. As for [`allocate`].
#[inline]
unsafe fn free_block(heap: &Heap, address: usize) -> Result<Block, Refusal> {
    let damaged = || Refusal::Failure(blocks::failure(heap, FailureKind::EntryCorruption, address));
    let region = regions::find(address).ok_or_else(damaged)?;
    // SAFETY: (1) INV-STARTS: the index holds block starts of this heap.
    let entry = unsafe { heap.key.read(address) }.ok_or_else(damaged)?;
    // SAFETY: (1).
    if entry.is_busy() || address + entry.size.bytes() > unsafe { region.as_ref() }.end {
        return Err(damaged());
    }
    Ok(Block {
        region,
        address,
        entry,
    })
}

/// Makes the first part of a free block, or all of it, busy.
///
/// # Errors
/// As for [`allocate`].
///
/// # Safety
/// 1. As for [`allocate`]; `free` is a free block in the index, large enough for `request`.
#[inline]
pub unsafe fn carve(
    heap: &Heap,
    state: &mut State,
    free: &Block,
    request: Request,
) -> Result<Block, Refusal> {
    if request.alignment > GRANULE {
        // SAFETY: (1).
        return unsafe { carve_aligned(heap, state, free, request) };
    }
    // SAFETY: (1).
    let front = unsafe { detach_front(heap, state, free, request.size) }?;
    let unused = (front.size.bytes() - request.requested) as u8;
    let kept = free.entry.flags & EntryFlags::PREVIOUS | front.last;
    let entry = Entry {
        size: front.size,
        unused,
        flags: kept | EntryFlags::BUSY | request.flags,
    };
    // SAFETY: (1): the block's own first granule.
    unsafe { heap.key.write(free.address, entry) };
    Ok(Block {
        region: free.region,
        address: free.address,
        entry,
    })
}

/// The front of a free block, detached: it has no valid header until its taker writes one.
pub struct Front {
    /// Its size: what was asked for, or a granule more when the rest would be no block.
    pub size: Granules,
    /// [`EntryFlags::LAST`] when nothing follows it.
    pub last: EntryFlags,
}

/// Takes a free block out of the index and makes what lies behind its first `size` granules a free
/// block again. The front is committed.
///
/// # Errors
/// As for [`allocate`].
///
/// # Safety
/// 1. As for [`carve`]: `free` is a free block in the index of at least `size`.
#[inline]
pub unsafe fn detach_front(
    heap: &Heap,
    state: &mut State,
    free: &Block,
    size: Granules,
) -> Result<Front, Refusal> {
    let flags = free.entry.flags;
    let Some(rest) = free.entry.size.0.checked_sub(size.0).map(Granules) else {
        // The index listed it among larger ones.
        return Err(blocks::failure(heap, FailureKind::EntryCorruption, free.address).into());
    };
    let splits = rest >= Granules::MIN_BLOCK;
    // SAFETY: (1).
    let after = unsafe { blocks::next(heap, free) }?;
    if flags.contains(EntryFlags::HOLE) {
        let end = free.address + size.bytes();
        let wanted = if splits {
            end + COMMITTED_REST
        } else {
            free.end() + TAIL_SPILL
        };
        // SAFETY: (1); clamped to what may be committed.
        unsafe {
            let to = wanted.min(free.region.as_ref().commit_limit);
            let (region, from) = (free.region, free.address);
            let first = commit::ensure(heap, &mut state.accounting, region, from, to);
            if let Err(refusal) = first {
                // What is kept of other pages may be what is missing.
                if state.accounting.warm == 0 {
                    return Err(refusal);
                }
                warm::give_back(heap, state, 0);
                commit::ensure(heap, &mut state.accounting, region, from, to)?;
            }
            footprint::after_commit(heap, state);
        }
    }
    // SAFETY: (1): it is in the index.
    unsafe { state.free.remove(&heap.key, free.address, free.entry.size) }
        .map_err(|link| broken_link(heap, link))?;
    if ptr::eq(state.empty_segment, free.region.as_ptr()) {
        state.empty_segment = ptr::null_mut();
    }
    if !splits {
        if let Some(after) = &after {
            // SAFETY: (1).
            unsafe { blocks::set_previous(heap, after, EntryFlags::empty()) };
        }
        return Ok(Front {
            size: free.entry.size,
            last: flags & EntryFlags::LAST,
        });
    }
    let flags = flags & (EntryFlags::LAST | EntryFlags::HOLE);
    let rest = Block {
        region: free.region,
        address: free.address + size.bytes(),
        entry: Entry {
            size: rest,
            unused: 0,
            flags,
        },
    };
    let region = free.region.as_ptr();
    // SAFETY: (1): the rest is committed where a free block must be.
    unsafe {
        let granule = (*region).granule(rest.address);
        (*region).starts.set(granule);
        make_free(heap, state, &rest, after.as_ref());
    }
    Ok(Front {
        size,
        last: EntryFlags::empty(),
    })
}

/// Bytes of a free block before the first place for an aligned block: none, or enough for a block of their own.
/// `None` where the address space ends before.
fn lead(free: &Block, alignment: usize) -> Option<usize> {
    let mut user = free.user().checked_next_multiple_of(alignment)?;
    while user != free.user() && user - free.user() < Granules::MIN_BLOCK.bytes() {
        user = user.checked_add(alignment)?;
    }
    Some(user - free.user())
}

/// [`carve`] for an alignment above a granule: the part before the aligned block becomes, or
/// stays, a free block of its own.
///
/// # Safety
/// 1. As for [`carve`].
#[cold]
unsafe fn carve_aligned(
    heap: &Heap,
    state: &mut State,
    free: &Block,
    request: Request,
) -> Result<Block, Refusal> {
    let plain = Request {
        alignment: GRANULE,
        ..request
    };
    let lead = lead(free, request.alignment).ok_or(Refusal::NoMemory)? / GRANULE;
    if lead == 0 {
        // SAFETY: (1).
        return unsafe { carve(heap, state, free, plain) };
    }
    // Take the leading part together with the block, then give the leading part back.
    let lead = Granules(lead as u32);
    let whole = Request {
        size: Granules(lead.0 + request.size.0),
        requested: lead.bytes() + request.requested,
        ..plain
    };
    // SAFETY: (1).
    let both = unsafe { carve(heap, state, free, whole) }?;
    let address = both.address + lead.bytes();
    let size = Granules(both.entry.size.0 - lead.0);
    let lead = Block {
        entry: Entry {
            size: lead,
            unused: 0,
            flags: both.entry.flags & EntryFlags::PREVIOUS,
        },
        ..both
    };
    let flags = both.entry.flags.difference(EntryFlags::PREVIOUS) | lead.entry.as_previous();
    let unused = (size.bytes() - request.requested) as u8;
    let block = Block {
        region: both.region,
        address,
        entry: Entry {
            size,
            unused,
            flags,
        },
    };
    let region = block.region.as_ptr();
    // SAFETY: (1): both parts were just carved, committed, and belong to nobody yet.
    unsafe {
        let granule = (*region).granule(block.address);
        (*region).starts.set(granule);
        heap.key.write(block.address, block.entry);
        make_free(heap, state, &lead, Some(&block));
    }
    Ok(block)
}

/// Writes a free block's header and footer, tells its neighbour and puts it into the index. That a
/// block starts there is marked by who makes it one.
///
/// # Safety
/// 1. The lock is held; the block's range belongs to nobody, is committed where INV-HEAP-4 says,
///    and `after` is the block that follows it, if one does.
#[inline]
pub unsafe fn make_free(heap: &Heap, state: &mut State, block: &Block, after: Option<&Block>) {
    // SAFETY: (1).
    unsafe {
        heap.key.write(block.address, block.entry);
        if let Some(after) = after {
            if block.entry.size > Granules::MIN_BLOCK {
                heap.key.write_footer(after.address, block.entry.size);
            }
            blocks::set_previous(heap, after, block.entry.as_previous());
        }
        state
            .free
            .insert(&heap.key, block.address, block.entry.size);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::ptr::NonNull;

    fn free_at(user: usize) -> Block {
        let size = Granules(0x1000);
        Block {
            region: NonNull::dangling(),
            address: user - crate::entry::USER_OFFSET,
            entry: Entry {
                size,
                unused: 0,
                flags: EntryFlags::empty(),
            },
        }
    }

    #[test]
    fn before_an_aligned_block_there_is_nothing_or_room_for_a_block() {
        let least = Granules::MIN_BLOCK.bytes();
        assert_eq!(lead(&free_at(0x2_0000), 0x2000), Some(0));
        assert_eq!(lead(&free_at(0x2_0000 - least), 0x2000), Some(least));
        let near = least - GRANULE;
        assert_eq!(lead(&free_at(0x2_0000 - near), 0x2000), Some(near + 0x2000));
    }

    #[test]
    fn an_alignment_that_the_address_space_does_not_hold_has_no_place() {
        let last = usize::MAX - 0xFFFF;
        assert_eq!(lead(&free_at(last), 0x1_0000), Some(0));
        assert_eq!(lead(&free_at(last), 0x4000_0000), None);
        assert_eq!(lead(&free_at(last + 0x8000), 0x1_0000), None);
    }
}
