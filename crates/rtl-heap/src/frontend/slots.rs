//! Handing out slots and taking them back.

use core::ptr::NonNull;
use core::sync::atomic::Ordering;

use crate::backend::blocks;
use crate::buckets::{BucketState, COUNT};
use crate::failure::{FailureKind, HeapFailure};
use crate::flags::HeapFlags;
use crate::frontend::supply;
use crate::heap::Heap;
use crate::regions;
use crate::slab::Slab;
use crate::units::Granules;

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
    let (bucket, index, slot_size) = front.active(granules)?;
    let user = loop {
        bucket.lock.enter();
        // SAFETY: the lock is held.
        let state = unsafe { bucket.state() };
        if let Some(slab) = NonNull::new(state.partial) {
            // SAFETY: a listed slab is live and has a free slot; the lock is held.
            let user = unsafe { take(state, slab, size) };
            bucket.lock.leave();
            break user;
        }
        let slabs = state.slabs;
        bucket.lock.leave();
        supply::add_slab(heap, front, index, slot_size, slabs)?;
    };
    front.live_bytes.fetch_add(size, Ordering::Relaxed);
    let user = user as *mut u8;
    if flags.contains(HeapFlags::ZERO_MEMORY) {
        // SAFETY: the slot is ours, and `size` bytes of it are the user's.
        unsafe { user.write_bytes(0, size) };
    }
    NonNull::new(user)
}

/// # Safety
/// 1. `slab` is in the bucket's list, whose lock is held.
unsafe fn take(state: &mut BucketState, slab: NonNull<Slab>, size: usize) -> usize {
    // SAFETY: (1).
    unsafe {
        if slab.as_ref().free == slab.as_ref().slots {
            state.empty -= 1;
        }
        let user = Slab::take(slab, size);
        if slab.as_ref().free == 0 {
            state.unlink(slab);
        }
        state.live_blocks += 1;
        state.live_bytes += size;
        user
    }
}

/// A busy slot, its bucket's lock held.
pub struct Slot<'a> {
    /// Its bucket's state.
    pub bucket: &'a mut BucketState,
    /// Its slab.
    pub slab: NonNull<Slab>,
    /// Its number.
    pub number: u32,
    /// Bytes its caller asked for.
    pub requested: usize,
}

/// Runs `work` on the busy slot whose user bytes start at `pointer`, any bit pattern, with its
/// bucket's lock held. `None` when the address is in no slab of the heap.
///
/// # Errors
/// No busy slot starts there. Nothing was changed.
pub fn with_slot<R>(
    heap: &Heap,
    pointer: usize,
    work: impl FnOnce(Slot<'_>) -> R,
) -> Option<Result<R, HeapFailure>> {
    let front = heap.frontend()?;
    let region = regions::find(pointer)?;
    // SAFETY: INV-REGION: records stay readable.
    let region = unsafe { region.as_ref() };
    if region.owner.load(Ordering::Relaxed) != heap.record() {
        return None;
    }
    let slab = NonNull::new(region.slab_at(pointer) as *mut Slab)?;
    // The slab may be on its way out if `pointer` is no live block: its record stays readable, and
    // what it says is believed only once the lock is held and the table still names it.
    // SAFETY: metadata stays mapped.
    let index = unsafe { (&raw const (*slab.as_ptr()).bucket).read_volatile() } as usize;
    if index >= COUNT {
        return None;
    }
    let bucket = &front.buckets[index];
    bucket.lock.enter();
    let result = if region.slab_at(pointer) != slab.as_ptr() as usize {
        None
    } else {
        // SAFETY: the lock is held, so the slab is live and stays so.
        Some(unsafe {
            match slab.as_ref().slot_at(pointer) {
                None => Err(FailureKind::InvalidArgument),
                Some(number) => match Slab::requested(slab, number) {
                    None => Err(FailureKind::BlockNotBusy),
                    Some(requested) => {
                        let bucket = bucket.state();
                        Ok(work(Slot {
                            bucket,
                            slab,
                            number,
                            requested,
                        }))
                    }
                },
            }
        })
    };
    bucket.lock.leave();
    result.map(|found| found.map_err(|kind| blocks::failure(heap, kind, pointer)))
}

/// Frees the slot at `pointer`, any bit pattern. `None` when the address is in no slab of the heap.
///
/// # Errors
/// As for [`with_slot`].
#[inline]
pub fn free(heap: &Heap, pointer: usize) -> Option<Result<(), HeapFailure>> {
    let emptied = with_slot(heap, pointer, |slot| {
        let Slot {
            bucket,
            slab,
            number,
            requested,
        } = slot;
        // SAFETY: the slot is busy and its bucket's lock held.
        unsafe {
            Slab::give_back(slab, number);
            bucket.live_blocks -= 1;
            bucket.live_bytes -= requested;
            if slab.as_ref().free == 1 {
                bucket.link(slab);
            }
            let empty = slab.as_ref().free == slab.as_ref().slots;
            if empty {
                bucket.empty += 1;
            }
            (requested, (empty && bucket.empty > 1).then_some(slab))
        }
    })?;
    Some(emptied.map(|(requested, surplus)| {
        if let Some(front) = heap.frontend() {
            front.live_bytes.fetch_sub(requested, Ordering::Relaxed);
        }
        if let Some(slab) = surplus {
            supply::release_if_empty(heap, pointer, slab);
        }
    }))
}
