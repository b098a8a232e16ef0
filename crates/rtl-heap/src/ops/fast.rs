//! The path most calls take: a small plain block from the look-aside, and back to it.
//!
//! Whatever is not plain, or not as expected, takes the long way, which finds out why. Nothing is
//! changed before everything is checked.

use core::ptr::NonNull;
use core::sync::atomic::Ordering;

use crate::entry::{Payload, USER_OFFSET};
use crate::flags::HeapFlags;
use crate::frontend::{activation, slots};
use crate::heap::Heap;
use crate::ops::extras;
use crate::regions;

/// A parked block for `size` bytes from the heap whose handle `heap` is, any bit pattern; `None`
/// for the long way.
#[inline(always)]
pub fn allocate(heap: usize, flags: HeapFlags, size: usize) -> Option<NonNull<u8>> {
    let heap = Heap::at(heap)?;
    let flags = flags | heap.settings.force_flags;
    let granules = extras::plain_block_size(size)?;
    if !heap.settings.parks || flags.intersects(extras::NOT_PLAIN) {
        return None;
    }
    if let Some(slot) = slots::allocate(heap, flags, size, granules) {
        return Some(slot);
    }
    let mut guard = heap.enter(flags);
    let (heap, state) = guard.parts();
    let block = state.lookaside.last(granules)?;
    // SAFETY: INV-PARKED: it is a block of this heap, whose lock is held.
    let payload = unsafe { heap.key.read_payload(block) }.filter(|it| it.is_parked(granules))?;
    state.lookaside.pop(granules);
    // SAFETY: as above.
    unsafe { heap.key.write_payload(block, payload.unpark(size)) };
    state.accounting.add_live(size);
    activation::note_request(heap, state, granules);
    drop(guard);
    let user = (block + USER_OFFSET) as *mut u8;
    if flags.contains(HeapFlags::ZERO_MEMORY) {
        // SAFETY: the block is ours, and `size` bytes of it are the user's.
        unsafe { user.write_bytes(0, size) };
    }
    NonNull::new(user)
}

/// Parks the block at `pointer` of the heap whose handle `heap` is, any bit patterns. False for
/// the long way.
///
/// # Safety
/// 1. If `pointer` is a live block, nobody uses it any more.
#[inline(always)]
pub unsafe fn free(heap: usize, flags: HeapFlags, pointer: usize) -> bool {
    let Some(heap) = Heap::at(heap).filter(|heap| heap.settings.parks) else {
        return false;
    };
    if let Some(freed) = slots::free(heap, pointer) {
        // Misuse takes the long way, which finds it again and reports it.
        return freed.is_ok();
    }
    let mut guard = heap.enter(flags);
    let (heap, state) = guard.parts();
    match live_block(heap, pointer) {
        Some((block, payload)) if state.lookaside.push(payload.size(), block) => {
            // SAFETY: INV-STARTS; the lock is held; (1).
            unsafe { heap.key.write_payload(block, payload.park()) };
            state.accounting.remove_live(payload.requested());
            true
        }
        _ => false,
    }
}

/// The size of the block at `pointer` of the heap whose handle `heap` is, any bit patterns; `None`
/// for the long way.
#[inline(always)]
pub fn size(heap: usize, flags: HeapFlags, pointer: usize) -> Option<usize> {
    let heap = Heap::at(heap)?;
    if let Some(found) = slots::with_slot(heap, pointer, |slot| slot.requested) {
        return found.ok();
    }
    let guard = heap.enter(flags);
    live_block(guard.heap, pointer).map(|(_, payload)| payload.requested())
}

/// The live block of a segment whose user bytes start at `pointer`, any bit pattern. The caller
/// holds the heap's lock.
#[inline(always)]
fn live_block(heap: &Heap, pointer: usize) -> Option<(usize, Payload)> {
    let region = regions::find(pointer)?;
    // SAFETY: INV-REGION: records stay readable.
    let region = unsafe { region.as_ref() };
    let block = pointer.wrapping_sub(USER_OFFSET);
    if region.owner.load(Ordering::Relaxed) != heap.record() || !region.is_block_start(block) {
        return None;
    }
    // SAFETY: INV-STARTS; the lock is held.
    let payload = unsafe { heap.key.read_payload(block) }?;
    payload.is_live().then_some((block, payload))
}
