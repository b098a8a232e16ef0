//! Handing out slots and taking them back.

use core::mem::MaybeUninit;
use core::ptr::NonNull;

use rtl_platform::prefetch::prefetch;

use crate::backend::{blocks, canary};
use crate::buckets::{self, Frontend, LARGEST_EXACT};
use crate::failure::{FailureKind, HeapFailure};
use crate::flags::HeapFlags;
use crate::frontend::exchange::{self, From};
use crate::frontend::lanes;
use crate::heap::Heap;
use crate::kept::{Kept, Stack};
use crate::lane::{self, Lane};
use crate::side::Side;
use crate::slab::Slab;
use crate::slab_map;
use crate::units::{GRANULE, Granules};

/// What becomes of a slot: the bytes its caller asks for, and those of its size that are not asked for.
#[derive(Clone, Copy)]
struct Use {
    size: usize,
    unused: usize,
}

impl Use {
    #[inline(always)]
    fn of(slot_bytes: usize, size: usize) -> Use {
        Use {
            size,
            unused: slot_bytes - size,
        }
    }
}

/// Hands a kept slot out.
///
/// # Safety
/// 1. The slot is the calling thread's to hand out, and is as large as `of_it` says.
#[inline(always)]
unsafe fn hand_out(kept: Kept, wide: bool, of_it: Use) -> NonNull<u8> {
    kept.side.hand_out(wide, of_it.unused);
    // SAFETY: (1): a bucket's slots are larger than what they are handed out for by a header at least. No
    // slot lies at the start of the address space.
    unsafe {
        canary::write_behind_slot(kept.user + of_it.size);
        NonNull::new_unchecked(kept.user as *mut u8)
    }
}

/// The slot to hand out next of a lane's stack; `None` when there is none.
#[inline(always)]
fn take_top(stack: &Stack, of_it: Use, wide: bool) -> Option<NonNull<u8>> {
    let kept = stack.top()?;
    stack.take_top();
    // SAFETY: (1) the stack's slots are its lane's, and as large as its bucket's.
    Some(unsafe { hand_out(kept, wide, of_it) })
}

/// What came of an attempt to allocate a slot.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Allocated {
    /// Here it is.
    Block(NonNull<u8>),
    /// The thread has no lane of such a heap at hand.
    NoLane,
    /// The lane has none ready.
    Not,
}

/// A slot for `size` bytes, a block of `bytes` that has a bucket of its own size, from the calling thread's lane of
/// the heap whose handle `heap` is, any bit pattern.
///
/// No lock, no call, no memory touched but the thread's own and the slot's side entry.
#[inline(always)]
pub fn allocate_exact(heap: usize, size: usize, bytes: usize) -> Allocated {
    debug_assert!(bytes <= LARGEST_EXACT.bytes());
    let Some(lane) = lane::at_once(heap) else {
        return Allocated::NoLane;
    };
    // Each such size has its own bucket, numbered by it.
    let stack = lane.narrow_stack(bytes / GRANULE);
    match take_top(stack, Use::of(bytes, size), false) {
        Some(block) => Allocated::Block(block),
        None => Allocated::Not,
    }
}

/// A slot for `size` bytes, a block of `granules`, as [`allocate_exact`], but of any bucket.
#[inline(always)]
pub fn allocate_kept(heap: usize, size: usize, granules: Granules) -> Option<NonNull<u8>> {
    let lane = lane::at_once(heap)?;
    let (index, slot_size) = buckets::bucket_of(granules);
    let of_it = Use::of(slot_size.bytes(), size);
    take_top(lane.stack(index)?, of_it, buckets::is_wide(index as u32))
}

/// [`allocate_kept`] from what the lane holds of freed slots, when it has no others.
#[inline]
pub fn allocate_freed(heap: usize, size: usize, granules: Granules) -> Option<NonNull<u8>> {
    let lane = lane::at_once(heap)?;
    let (index, slot_size) = buckets::bucket_of(granules);
    let stack = lane.stack(index)?;
    if !exchange::is_worth_turning(stack, slot_size) || lane.keeps_foreign(index) || !stack.turn() {
        return None;
    }
    let of_it = Use::of(slot_size.bytes(), size);
    take_top(stack, of_it, buckets::is_wide(index as u32))
}

/// What came of an attempt to free a slot.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Freed {
    /// It is the thread's to keep.
    Done,
    /// Nothing was done: the address is in no slab.
    NoSlab,
    /// Nothing was done: the slab does not belong to the thread's lane.
    NotOwn,
    /// Nothing was done, for another reason.
    Not,
}

/// Puts the slot at `pointer`, any bit pattern, into the calling thread's lane of the heap whose handle
/// `heap` is, any bit pattern, if its slab belongs to the lane.
///
/// # Safety
/// 1. If `pointer` is a live block, nobody uses it any more.
#[inline(always)]
pub unsafe fn free_own(heap: usize, pointer: usize) -> Freed {
    let Some(slab) = NonNull::new(slab_map::at(pointer) as *mut Slab) else {
        return Freed::NoSlab;
    };
    let Some(lane) = lane::at_once(heap) else {
        return Freed::Not;
    };
    // SAFETY: records of slabs stay readable while their heap lives.
    let owner = unsafe { &slab.as_ref().owner };
    // What belongs to a lane belongs to its heap.
    let free = |wide| free_into(lane, slab, wide, pointer, Side::take_back_alone);
    match owner.while_own(&lane.claimant, free) {
        Some(true) => Freed::Done,
        Some(false) => Freed::Not,
        None => Freed::NotOwn,
    }
}

/// [`free_own`] where the slab is shared; false, and nothing done, where it is not.
///
/// # Safety
/// 1. As there.
#[inline(always)]
pub unsafe fn free_shared(heap: usize, pointer: usize) -> bool {
    let Some(slab) = NonNull::new(slab_map::at(pointer) as *mut Slab) else {
        return false;
    };
    let Some(lane) = lane::at_once(heap) else {
        return false;
    };
    // SAFETY: records of slabs stay readable while their heap lives.
    let record = unsafe { slab.as_ref() };
    if record.handle() != heap || !record.owner.is_shared() {
        return false;
    }
    // What comes after an atomic instruction waits for it, so the bytes behind the data, which nobody may
    // have touched since they were written, are asked for before.
    prefetch(pointer.wrapping_add(record.stride as usize - GRANULE));
    lane.set_keeps_foreign(record.bucket as usize, true);
    free_into(lane, slab, record.is_wide(), pointer, Side::take_back)
}

/// Takes the slot at `pointer`, any bit pattern, back into a lane. False, and nothing done, if no busy slot
/// starts there, or its caller has written behind it, or without room.
#[inline(always)]
fn free_into(
    lane: &Lane,
    slab: NonNull<Slab>,
    wide: bool,
    pointer: usize,
    take_back: impl FnOnce(Side, bool) -> Option<u32>,
) -> bool {
    // SAFETY: records of slabs stay readable while their heap lives.
    let record = unsafe { slab.as_ref() };
    let Some(slot) = record.slot_at(pointer) else {
        return false;
    };
    let side = Slab::side(slab, wide, slot);
    let Some(unused) = take_back(side, wide) else {
        return false;
    };
    // A write behind the slot is found again by the long way, which reports it.
    let is_kept = is_whole(record, pointer, unused) && {
        let user = pointer;
        put(lane, (record.bucket, wide), Kept { user, side })
    };
    if !is_kept {
        side.hand_out(wide, unused as usize);
    }
    is_kept
}

/// Puts a freed slot of a bucket, which is `wide` or not, down in a lane. False without room.
#[inline(always)]
fn put(lane: &Lane, (index, wide): (u32, bool), kept: Kept) -> bool {
    let stack = match wide {
        true => lane.stack(index as usize),
        false => Some(lane.narrow_stack(index as usize)),
    };
    let Some(stack) = stack else { return false };
    let Some(room) = stack.room() else {
        return false;
    };
    // SAFETY: (1) it was just shown.
    unsafe { stack.put(room, kept) };
    true
}

/// A slot for `size` bytes, a block of `granules`; `None` when the front end does not serve that
/// bucket, or has no memory: then the back end does.
#[inline]
pub fn allocate(
    heap: &Heap,
    flags: HeapFlags,
    size: usize,
    granules: Granules,
) -> Option<NonNull<u8>> {
    let front = heap.frontend()?;
    let (index, slot_size) = front.active(granules)?;
    let of_it = Use::of(slot_size.bytes(), size);
    let user = lanes::of(heap, front)
        .and_then(|lane| pop(heap, front, lane, (index, slot_size), of_it))
        .or_else(|| take_one(heap, front, (index, slot_size), of_it))?;
    if flags.contains(HeapFlags::ZERO_MEMORY) {
        // SAFETY: the slot is ours, and `size` bytes of it are the user's.
        unsafe { user.write_bytes(0, size) };
    }
    Some(user)
}

/// The slot on top of a lane's stack, which is filled if it is empty.
#[inline]
fn pop(
    heap: &Heap,
    front: &Frontend,
    lane: &Lane,
    bucket: (u32, Granules),
    of_it: Use,
) -> Option<NonNull<u8>> {
    let index = bucket.0 as usize;
    let take = || take_top(lane.stack(index)?, of_it, buckets::is_wide(bucket.0));
    take().or_else(|| {
        exchange::refill(heap, front, lane, bucket)
            .then(take)
            .flatten()
    })
}

/// A slot for a thread without a lane.
fn take_one(
    heap: &Heap,
    front: &Frontend,
    bucket: (u32, Granules),
    of_it: Use,
) -> Option<NonNull<u8>> {
    let mut kept = MaybeUninit::<Kept>::uninit();
    // SAFETY: (1) there is room for one.
    let taken = unsafe { exchange::take(heap, front, bucket, From::Any, kept.as_mut_ptr(), 1) };
    if taken == 0 {
        return None;
    }
    // SAFETY: it was just written.
    let kept = unsafe { kept.assume_init() };
    // SAFETY: (1) it was just taken, from this bucket.
    Some(unsafe { hand_out(kept, buckets::is_wide(bucket.0), of_it) })
}

/// A slot that its caller has not freed.
struct Busy {
    slab: NonNull<Slab>,
    side: Side,
    requested: usize,
}

impl Busy {
    /// Nobody has written behind the slot, which is at `pointer`.
    #[inline(always)]
    fn is_whole(&self, pointer: usize) -> bool {
        // SAFETY: (1) it is busy, so its caller's, who is in this call.
        unsafe { canary::is_whole_behind_slot(pointer + self.requested) }
    }
}

/// The slot at `user`, just taken back, with so many bytes unused: nobody has written behind it.
#[inline(always)]
fn is_whole(slab: &Slab, user: usize, unused: u32) -> bool {
    // SAFETY: (1) it was handed out with as many unused, of which a header's eight or more lie behind its data.
    unsafe { canary::is_whole_behind_slot(user + (slab.stride - unused) as usize) }
}

/// The busy slot at `pointer`, any bit pattern. `None` when the address is in no slab of the heap.
#[inline(always)]
fn find(handle: usize, pointer: usize) -> Option<Result<Busy, FailureKind>> {
    let slab = NonNull::new(slab_map::at(pointer) as *mut Slab)?;
    // SAFETY: records of slabs stay readable while their heap lives.
    let record = unsafe { slab.as_ref() };
    if record.handle() != handle {
        return None;
    }
    let Some(slot) = record.slot_at(pointer) else {
        return Some(Err(FailureKind::InvalidArgument));
    };
    let wide = record.is_wide();
    let side = Slab::side(slab, wide, slot);
    Some(match side.unused(wide) {
        Some(unused) => Ok(Busy {
            slab,
            side,
            requested: (record.stride - unused) as usize,
        }),
        None => Err(FailureKind::BlockNotBusy),
    })
}

/// Bytes the caller of the busy slot at `pointer` of the heap whose handle `heap` is, any bit patterns,
/// asked for; `None` for anything else. Takes no lock.
#[inline(always)]
pub fn size(heap: usize, pointer: usize) -> Option<usize> {
    match find(heap, pointer)? {
        Ok(busy) => Some(busy.requested),
        Err(_) => None,
    }
}

/// [`size`] of a slot that nobody has written behind.
#[inline(always)]
pub fn size_whole(heap: usize, pointer: usize) -> Option<usize> {
    match find(heap, pointer)? {
        Ok(busy) if busy.is_whole(pointer) => Some(busy.requested),
        _ => None,
    }
}

/// Bytes the caller of the busy slot at `pointer`, any bit pattern, asked for. Takes no lock. `None`
/// when the address is in no slab of the heap.
///
/// # Errors
/// No busy slot starts there.
#[inline]
pub fn requested(heap: &Heap, pointer: usize) -> Option<Result<usize, HeapFailure>> {
    let found = find(heap.handle, pointer)?;
    Some(match found {
        Ok(busy) => Ok(busy.requested),
        Err(kind) => Err(blocks::failure(heap, kind, pointer)),
    })
}

/// [`requested`] of a slot that nobody has written behind.
///
/// # Errors
/// As there; also that somebody has.
pub fn requested_whole(heap: &Heap, pointer: usize) -> Option<Result<usize, HeapFailure>> {
    let found = find(heap.handle, pointer)?.and_then(|busy| match busy.is_whole(pointer) {
        true => Ok(busy.requested),
        false => Err(FailureKind::BufferOverrun),
    });
    Some(found.map_err(|kind| blocks::failure(heap, kind, pointer)))
}

/// Frees the slot at `pointer`, any bit pattern. `None` when the address is in no slab of the heap.
///
/// # Errors
/// No busy slot starts there, or its caller has written behind it. Nothing was changed.
#[inline]
pub fn free(heap: &Heap, pointer: usize) -> Option<Result<(), HeapFailure>> {
    let front = heap.frontend()?;
    let freed = find(heap.handle, pointer)?.and_then(|busy| keep(heap, front, pointer, &busy));
    Some(freed.map_err(|kind| blocks::failure(heap, kind, pointer)))
}

fn keep(heap: &Heap, front: &Frontend, user: usize, busy: &Busy) -> Result<(), FailureKind> {
    // SAFETY: the slot is busy, so its slab is live.
    let record = unsafe { busy.slab.as_ref() };
    let (index, wide) = (record.bucket, record.is_wide());
    let lane = lanes::of(heap, front);
    let own = |wide| busy.side.take_back_alone(wide);
    let taken_back = loop {
        if let Some(lane) = lane
            && let Some(taken_back) = record.owner.while_own(&lane.claimant, own)
        {
            break taken_back;
        }
        if record.owner.is_shared() {
            if let Some(lane) = lane {
                lane.set_keeps_foreign(index as usize, true);
            }
            break busy.side.take_back(wide);
        }
        exchange::share(front, record, lane);
    };
    let unused = taken_back.ok_or(FailureKind::BlockNotBusy)?;
    if !is_whole(record, user, unused) {
        busy.side.hand_out(wide, unused as usize);
        return Err(FailureKind::BufferOverrun);
    }
    let kept = Kept {
        user,
        side: busy.side,
    };
    if let Some(lane) = lane {
        let bucket = (index, record.slot_size());
        let put = || put(lane, (index, wide), kept);
        if put() || exchange::make_room(heap, front, lane, bucket) && put() {
            return Ok(());
        }
    }
    // SAFETY: (1) the slot is kept by this thread alone.
    unsafe { exchange::give_back(heap, front, index, &raw const kept, 1) };
    Ok(())
}
