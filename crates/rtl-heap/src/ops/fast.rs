//! The path most calls take: a small plain block from the look-aside, and back to it.
//!
//! Whatever is not plain, or not as expected, takes the long way, which finds out why. Nothing is
//! changed before everything is checked.

use core::ptr::NonNull;
use core::sync::atomic::Ordering;

use crate::alone;
use crate::backend::canary;
use crate::buckets;
use crate::entry::{Payload, USER_OFFSET};
use crate::flags::HeapFlags;
use crate::frontend::{activation, slots};

pub use crate::frontend::slots::{Allocated, Freed};
use crate::heap::{Heap, State};
use crate::lookaside::Lookaside;
use crate::ops::{extras, middle};
use crate::region::{Region, RegionKind};
use crate::regions;
use crate::units::Granules;

/// Bytes of the largest request that a parked block can serve.
const LARGEST: usize = extras::data_bytes(Lookaside::LARGEST);

/// Bytes of the largest request with a bucket of its own size.
const LARGEST_EXACT: usize = extras::data_bytes(buckets::LARGEST_EXACT);

/// Bytes of the largest request that any slot can serve.
pub const LARGEST_SLOT: usize = extras::data_bytes(buckets::LARGEST);

/// Flags of a call that the shortest paths do not serve.
const NOT_SHORTEST: HeapFlags = extras::NOT_PLAIN.union(HeapFlags::ZERO_MEMORY);

/// `condition`, told to the compiler as hardly ever true, so that it makes a branch of it and no sum.
#[inline(always)]
fn unlikely(condition: bool) -> bool {
    #[cold]
    fn cold() {}
    if condition {
        cold();
    }
    condition
}

/// A slot for `size` bytes that the calling thread keeps of the heap whose handle `heap` is, any bit
/// pattern.
#[inline(always)]
pub fn allocate_kept(heap: usize, flags: HeapFlags, size: usize) -> Allocated {
    if unlikely(size > LARGEST_EXACT) || unlikely(flags.intersects(NOT_SHORTEST)) {
        return Allocated::Not;
    }
    slots::allocate_exact(heap, size, extras::small_block_size(size).bytes())
}

/// Frees the slot at `pointer`, of a slab that belongs to the calling thread's lane of the heap whose
/// handle `heap` is, any bit patterns, for the thread to keep.
///
/// # Safety
/// 1. If `pointer` is a live block, nobody uses it any more.
#[inline(always)]
pub unsafe fn free_own(heap: usize, pointer: usize) -> Freed {
    // SAFETY: (1).
    unsafe { slots::free_own(heap, pointer) }
}

/// [`free_own`] of a slab that is shared. False for the long way.
///
/// # Safety
/// 1. As there.
#[inline(always)]
pub unsafe fn free_shared(heap: usize, pointer: usize) -> bool {
    // SAFETY: (1).
    unsafe { slots::free_shared(heap, pointer) }
}

/// [`allocate_kept`] for every size of the front end.
#[inline(always)]
pub fn allocate_any_kept(heap: usize, flags: HeapFlags, size: usize) -> Option<NonNull<u8>> {
    if size > LARGEST_SLOT || flags.intersects(NOT_SHORTEST) {
        return None;
    }
    slots::allocate_kept(heap, size, extras::small_block_size(size))
}

/// [`allocate_any_kept`] from what the thread has freed, when it keeps nothing else of that size.
#[inline]
pub fn allocate_freed(heap: usize, flags: HeapFlags, size: usize) -> Option<NonNull<u8>> {
    if size > LARGEST_SLOT || flags.intersects(NOT_SHORTEST) {
        return None;
    }
    slots::allocate_freed(heap, size, extras::small_block_size(size))
}

/// Moves the slot at `pointer` of the heap whose handle `heap` is, any bit patterns, to another that the
/// calling thread keeps: a block of the front end never changes its size in place (3.3; C145, C146).
/// `None`, and nothing done, for the long way.
///
/// # Safety
/// 1. If `pointer` is a live block, nobody uses it meanwhile.
#[inline]
pub unsafe fn move_kept(
    heap: usize,
    flags: HeapFlags,
    pointer: usize,
    size: usize,
) -> Option<NonNull<u8>> {
    if flags.contains(HeapFlags::REALLOC_IN_PLACE_ONLY) {
        return None;
    }
    let old_size = slots::size_whole(heap, pointer)?;
    let moved =
        allocate_any_kept(heap, flags, size).or_else(|| allocate_freed(heap, flags, size))?;
    // SAFETY: (1): both blocks hold as many bytes as are copied. The old one is live, as just found, so
    // it goes one way or the other.
    unsafe {
        let old = pointer as *const u8;
        moved
            .as_ptr()
            .copy_from_nonoverlapping(old, old_size.min(size));
        if slots::free_own(heap, pointer) != Freed::Done
            && !slots::free_shared(heap, pointer)
            && let Some(heap) = Heap::at(heap)
        {
            let _ = slots::free(heap, pointer);
        }
    }
    Some(moved)
}

/// A parked block for `size` bytes from the heap whose handle `heap` is, any bit pattern, if the
/// call is not serialised nor zeroes; `None` for the long way.
///
/// No call in it but to code that does not come back: it saves no register.
#[inline(always)]
pub fn allocate_alone(heap: usize, flags: HeapFlags, size: usize) -> Option<NonNull<u8>> {
    if unlikely(size > LARGEST) || unlikely(flags.intersects(NOT_SHORTEST)) {
        return None;
    }
    let heap = alone::at(heap)
        .or_else(|| Heap::at_mapped(heap).filter(|found| found.alone_handle == heap))?;
    let granules = extras::small_block_size(size);
    // SAFETY: (1) the caller's word that it is alone.
    unsafe { take(heap, heap.state(), size, granules) }
}

/// A slot of the front end for `size` bytes, or a parked block under the lock of the heap, which
/// parks; `None` for the long way. `flags` include those the heap forces.
#[inline]
pub fn allocate_locked(heap: &Heap, flags: HeapFlags, size: usize) -> Option<NonNull<u8>> {
    if flags.intersects(extras::NOT_PLAIN) {
        return None;
    }
    let granules = extras::plain_block_size(size)?;
    if let Some(slot) = slots::allocate(heap, flags, size, granules) {
        return Some(slot);
    }
    let mut guard = heap.enter(flags);
    let (heap, state) = guard.parts();
    // SAFETY: (1) the lock is held.
    let block = unsafe {
        match granules > Lookaside::LARGEST {
            false => take(heap, state, size, granules)?,
            true => middle::take(heap, state, size, granules)?,
        }
    };
    activation::note_request(heap, state, granules);
    drop(guard);
    if flags.contains(HeapFlags::ZERO_MEMORY) {
        // SAFETY: the block was just taken, and `size` bytes of it are its user's.
        unsafe { block.write_bytes(0, size) };
    }
    Some(block)
}

/// # Safety
/// 1. The heap's lock is held and `state` is its state.
#[inline(always)]
unsafe fn take(
    heap: &Heap,
    state: &mut State,
    size: usize,
    granules: Granules,
) -> Option<NonNull<u8>> {
    let block = state.lookaside.last(granules)?;
    // SAFETY: INV-PARKED: it is a block of this heap, whose lock is held.
    let payload = unsafe { heap.key.read_payload(block) }?;
    if !payload.is_parked(granules) {
        return None;
    }
    state.lookaside.pop(granules);
    // SAFETY: as above.
    unsafe {
        heap.key
            .write_payload(block, payload.unpark(granules, size));
        canary::write(block + USER_OFFSET + size, granules.bytes() - size);
    }
    state.accounting.add_live(size);
    // SAFETY: no block lies at the start of the address space.
    Some(unsafe { NonNull::new_unchecked((block + USER_OFFSET) as *mut u8) })
}

/// Parks the block at `pointer` of the heap whose handle `heap` is, any bit patterns, if the call
/// is not serialised. False for the long way.
///
/// # Safety
/// 1. If `pointer` is a live block, nobody uses it any more.
#[inline(always)]
pub unsafe fn free_alone(heap: usize, pointer: usize) -> bool {
    let Some((region, owner)) = owner_of(pointer) else {
        return false;
    };
    // SAFETY: (1); the caller's word that it is alone.
    owner.alone_handle == heap && unsafe { park(owner, owner.state(), region, pointer) }
}

/// Parks the block at `pointer` of the heap whose handle `heap` is, any bit patterns, under its lock. False
/// for the long way.
///
/// # Safety
/// 1. As for [`free_alone`].
#[inline(always)]
pub unsafe fn free_of_back_end(heap: usize, flags: HeapFlags, pointer: usize) -> bool {
    let Some((region, owner)) = owner_of(pointer) else {
        return false;
    };
    is_plain(owner, heap)
        && owner.settings.parks
        && region.kind == RegionKind::Segment
        // SAFETY: (1); the region names the heap.
        && unsafe { park_entered(owner, flags, region, pointer) }
}

/// The heap is found by `heap`, any bit pattern, and none of its calls needs the long way from the start: it
/// is no debug heap, is not hidden, and no commit routine of it may be at work.
#[inline(always)]
pub fn is_plain(owner: &Heap, heap: usize) -> bool {
    owner.plain_handle == heap
        && !owner.protected.load(Ordering::Relaxed)
        && owner.settings.commit_routine.is_none()
}

/// # Safety
/// 1. As for [`free_alone`]; the region is the heap's.
#[inline]
unsafe fn park_entered(heap: &Heap, flags: HeapFlags, region: &Region, pointer: usize) -> bool {
    let mut guard = heap.enter(flags);
    let (heap, state) = guard.parts();
    let Some((block, payload)) = whole_block(heap, region, pointer) else {
        return false;
    };
    let size = payload.size();
    let parked = if size <= Lookaside::LARGEST {
        state.lookaside.push(size, block)
    } else {
        heap.settings.parks_middle && state.lookaside.middle.push(size, block)
    };
    if parked {
        // SAFETY: INV-STARTS; (1); the lock is held.
        unsafe { heap.key.write_payload(block, payload.park()) };
        state.accounting.remove_live(payload.requested());
    }
    parked
}

/// # Safety
/// 1. As for [`free_alone`]; the heap's lock is held and `state` is its state.
#[inline(always)]
unsafe fn park(heap: &Heap, state: &mut State, region: &Region, pointer: usize) -> bool {
    match whole_block(heap, region, pointer) {
        Some((block, payload)) if state.lookaside.push(payload.size(), block) => {
            // SAFETY: INV-STARTS; (1).
            unsafe { heap.key.write_payload(block, payload.park()) };
            state.accounting.remove_live(payload.requested());
            true
        }
        _ => false,
    }
}

/// The size of the slot at `pointer` of the heap whose handle `heap` is, any bit patterns; `None` for
/// [`size`].
#[inline(always)]
pub fn slot_size(heap: usize, pointer: usize) -> Option<usize> {
    slots::size(heap, pointer)
}

/// The size of the block of the back end at `pointer` of the heap whose handle `heap` is, any bit
/// patterns; `None` for the long way.
#[inline(always)]
pub fn size(heap: usize, flags: HeapFlags, pointer: usize) -> Option<usize> {
    let (region, owner) = owner_of(pointer)?;
    if owner.plain_handle != heap {
        return None;
    }
    size_in(owner, flags, region, pointer)
}

/// A live block of the back end is at `pointer` of the heap whose handle `heap` is, any bit patterns; false
/// for the long way.
#[inline(always)]
pub fn is_live(heap: usize, flags: HeapFlags, pointer: usize) -> bool {
    let Some((region, owner)) = owner_of(pointer) else {
        return false;
    };
    is_plain(owner, heap) && size_in(owner, flags, region, pointer).is_some()
}

#[inline(always)]
fn size_in(heap: &Heap, flags: HeapFlags, region: &Region, pointer: usize) -> Option<usize> {
    let guard = heap.enter(flags);
    let (_, payload) = live_block(guard.heap, region, pointer)?;
    let size = payload.requested();
    (size <= payload.size().bytes()).then_some(size)
}

/// The region that holds `pointer`, any bit pattern, if any does, and the heap it belongs to: one
/// look-up finds both, and who holds a block of a heap knows its handle.
#[inline(always)]
pub fn owner_of(pointer: usize) -> Option<(&'static Region, &'static Heap)> {
    // SAFETY: INV-REGION: records stay readable.
    let region = unsafe { regions::near(pointer)?.as_ref() };
    Some((region, Heap::of(region)?))
}

/// [`live_block`] that nobody has written behind.
#[inline(always)]
pub fn whole_block(heap: &Heap, region: &Region, pointer: usize) -> Option<(usize, Payload)> {
    let (block, payload) = live_block(heap, region, pointer)?;
    // SAFETY: (1) it is live, and its heap's lock held.
    let whole = unsafe { canary::is_whole(block, payload) };
    whole.then_some((block, payload))
}

/// The live block whose user bytes start at `pointer`, any bit pattern, in the heap's `region`. The
/// caller holds the heap's lock.
#[inline(always)]
fn live_block(heap: &Heap, region: &Region, pointer: usize) -> Option<(usize, Payload)> {
    let granule = region.granule_of_block(pointer)?;
    let block = pointer - USER_OFFSET;
    // SAFETY: INV-STARTS; the lock is held.
    let payload = unsafe { heap.key.read_payload(block) }?;
    let outside = granule + payload.size().0 as usize > region.end_granule;
    if unlikely(outside) || unlikely(!payload.is_live()) {
        return None;
    }
    Some((block, payload))
}
