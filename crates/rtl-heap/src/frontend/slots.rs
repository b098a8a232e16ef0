//! Handing out slots and taking them back.

use core::mem::MaybeUninit;
use core::ptr::NonNull;

use crate::backend::blocks;
use crate::buckets::{self, Frontend, LARGEST_NARROW};
use crate::failure::{FailureKind, HeapFailure};
use crate::flags::HeapFlags;
use crate::frontend::{exchange, lanes};
use crate::heap::Heap;
use crate::hooks;
use crate::kept::{Kept, Stack};
use crate::lane::{self, Lane};
use crate::side::{Marks, Side};
use crate::slab::Slab;
use crate::slab_map;
use crate::units::{GRANULE, Granules};

/// The slot to hand out next of a lane's stack, for `unused` bytes less than it has. `None`, and nothing
/// done, when there is none, or two threads freed it.
#[inline(always)]
fn take_top(lane: &Lane, stack: &Stack, unused: usize, wide: bool) -> Option<NonNull<u8>> {
    let kept = stack.top()?;
    if !kept.side.hand_out(wide, lane.mark(wide), unused) {
        return None;
    }
    stack.take_top();
    // SAFETY: no slot lies at the start of the address space.
    Some(unsafe { NonNull::new_unchecked(kept.user as *mut u8) })
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

/// A slot for `size` bytes, a block of `bytes` whose bucket is narrow, from the calling thread's lane of
/// the heap whose handle `heap` is, any bit pattern.
///
/// No lock, no call, no memory touched but the thread's own and the slot's side entry.
#[inline(always)]
pub fn allocate_narrow(heap: usize, size: usize, bytes: usize) -> Allocated {
    debug_assert!(bytes <= LARGEST_NARROW.bytes());
    let Some(lane) = lane::at_once(heap) else {
        return Allocated::NoLane;
    };
    // Each such size has its own bucket, numbered by it.
    let stack = lane.narrow_stack(bytes / GRANULE);
    match take_top(lane, stack, bytes - size, false) {
        Some(block) => Allocated::Block(block),
        None => Allocated::Not,
    }
}

/// A slot for `size` bytes, a block of `granules`, as [`allocate_narrow`], but of any bucket, and from
/// what the lane holds of freed slots when it has no others.
#[inline(always)]
pub fn allocate_kept(heap: usize, size: usize, granules: Granules) -> Option<NonNull<u8>> {
    let lane = lane::at_once(heap)?;
    let (index, slot_size) = buckets::bucket_of(granules);
    let wide = buckets::is_wide(index as u32);
    let stack = lane.stack(index)?;
    let unused = slot_size.bytes() - size;
    take_top(lane, stack, unused, wide).or_else(|| {
        let enough = stack.freed().count >= exchange::worth_turning(slot_size);
        if enough && stack.turn() {
            take_top(lane, stack, unused, wide)
        } else {
            None
        }
    })
}

/// What came of an attempt to free a slot.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Freed {
    /// It is the thread's to keep.
    Done,
    /// Nothing was done: the address is in no slab.
    NoSlab,
    /// Nothing was done, for another reason.
    Not,
}

/// Puts the slot at `pointer`, any bit pattern, into the calling thread's lane of the heap whose handle
/// `heap` is, any bit pattern: if its bucket is narrow, or whatever it is if `wide`.
///
/// # Safety
/// 1. If `pointer` is a live block, nobody uses it any more.
#[inline(always)]
pub unsafe fn free_into_lane(heap: usize, pointer: usize, wide: bool) -> Freed {
    let Some(slab) = NonNull::new(slab_map::at(pointer) as *mut Slab) else {
        return Freed::NoSlab;
    };
    // SAFETY: records of slabs stay readable while their heap lives.
    let record = unsafe { slab.as_ref() };
    if record.handle_if(wide) != heap {
        return Freed::Not;
    }
    let wide = wide && record.is_wide();
    let Some(lane) = lane::at_once(heap) else {
        return Freed::Not;
    };
    let Some(slot) = record.slot_at(pointer) else {
        return Freed::Not;
    };
    let side = Slab::side(slab, wide, slot);
    if side.unused(wide).is_none() {
        return Freed::Not;
    }
    match put(
        lane,
        record.bucket,
        Kept {
            user: pointer,
            side,
        },
        wide,
    ) {
        true => Freed::Done,
        false => Freed::Not,
    }
}

/// Puts a slot that its caller frees into a lane. False, and nothing done, without room.
#[inline(always)]
fn put(lane: &Lane, index: u32, kept: Kept, wide: bool) -> bool {
    let stack = if wide {
        lane.stack(index as usize)
    } else {
        Some(lane.narrow_stack(index as usize))
    };
    let has_room = stack.is_some_and(|stack| stack.push(kept));
    if has_room {
        kept.side.keep(wide, lane.mark(wide));
    }
    has_room
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
    let unused = slot_size.bytes() - size;
    let user = lanes::of(heap, front)
        .and_then(|lane| pop(heap, front, lane, (index, slot_size), unused))
        .or_else(|| take_one(heap, front, (index, slot_size), unused))?;
    let user = user as *mut u8;
    if flags.contains(HeapFlags::ZERO_MEMORY) {
        // SAFETY: the slot is ours, and `size` bytes of it are the user's.
        unsafe { user.write_bytes(0, size) };
    }
    NonNull::new(user)
}

/// The slot on top of a lane's stack, which is filled if it is empty.
#[inline]
fn pop(
    heap: &Heap,
    front: &Frontend,
    lane: &Lane,
    bucket: (u32, Granules),
    unused: usize,
) -> Option<usize> {
    let wide = buckets::is_wide(bucket.0);
    loop {
        let stack = lane.stack(bucket.0 as usize);
        let Some((stack, kept)) = stack.and_then(|stack| Some((stack, stack.top()?))) else {
            if !exchange::refill(heap, front, lane, bucket) {
                return None;
            }
            continue;
        };
        stack.take_top();
        if kept.side.hand_out(wide, lane.mark(wide), unused) {
            return Some(kept.user);
        }
        report_freed_twice(heap.handle, kept.user);
    }
}

/// What the entries of slots say that pass through the hands of a thread without a lane.
fn no_lane(wide: bool) -> u32 {
    const { Marks::of_keeper(0) }.of(wide)
}

/// A slot for a thread without a lane.
fn take_one(
    heap: &Heap,
    front: &Frontend,
    bucket: (u32, Granules),
    unused: usize,
) -> Option<usize> {
    let mut kept = MaybeUninit::<Kept>::uninit();
    let wide = buckets::is_wide(bucket.0);
    let mark = no_lane(wide);
    // SAFETY: (1) there is room for one.
    let taken = unsafe { exchange::take(heap, front, bucket, mark, kept.as_mut_ptr(), 1) };
    if taken == 0 {
        return None;
    }
    // SAFETY: it was just written.
    let kept = unsafe { kept.assume_init() };
    kept.side.hand_out(wide, mark, unused).then_some(kept.user)
}

/// A slot that its caller has not freed.
struct Busy {
    slab: NonNull<Slab>,
    side: Side,
    requested: usize,
}

/// The busy slot at `pointer`, any bit pattern. `None` when the address is in no slab of the heap.
#[inline(always)]
fn find(handle: usize, pointer: usize) -> Option<Result<Busy, FailureKind>> {
    let slab = NonNull::new(slab_map::at(pointer) as *mut Slab)?;
    // SAFETY: records of slabs stay readable while their heap lives.
    let record = unsafe { slab.as_ref() };
    if record.handle_if(true) != handle {
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

/// Frees the slot at `pointer`, any bit pattern. `None` when the address is in no slab of the heap.
///
/// # Errors
/// No busy slot starts there. Nothing was changed.
#[inline]
pub fn free(heap: &Heap, pointer: usize) -> Option<Result<(), HeapFailure>> {
    let front = heap.frontend()?;
    Some(match find(heap.handle, pointer)? {
        Ok(busy) => {
            keep(heap, front, pointer, &busy);
            Ok(())
        }
        Err(kind) => Err(blocks::failure(heap, kind, pointer)),
    })
}

fn keep(heap: &Heap, front: &Frontend, user: usize, busy: &Busy) {
    // SAFETY: the slot is busy, so its slab is live.
    let record = unsafe { busy.slab.as_ref() };
    let (index, wide) = (record.bucket, record.is_wide());
    let kept = Kept {
        user,
        side: busy.side,
    };
    if let Some(lane) = lanes::of(heap, front) {
        if put(lane, index, kept, wide) {
            return;
        }
        let (has_room, foreign) =
            exchange::make_room(heap, front, lane, (index, record.slot_size()));
        let is_put = has_room && put(lane, index, kept, wide);
        if let Some(address) = foreign {
            report_freed_twice(heap.handle, address);
        }
        if is_put {
            return;
        }
    }
    let mark = no_lane(wide);
    kept.side.keep(wide, mark);
    // SAFETY: (1) the slot is kept by this thread alone.
    unsafe { exchange::give_back(heap, front, index, mark, &raw const kept, 1) };
}

/// Reports that two threads freed the block at `address` at the same time. No lock is held.
#[cold]
pub fn report_freed_twice(heap: usize, address: usize) {
    hooks::report(&HeapFailure {
        kind: FailureKind::BlockNotBusy,
        heap,
        address,
        owner: heap,
        allocated_by: &[],
    });
}
