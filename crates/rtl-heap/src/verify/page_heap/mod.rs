//! Page heap (10.6): each block has stamps before it and a pattern behind it, and in full page heap
//! pages of its own that fault behind its end, and everywhere once it is freed.
//!
//! Full blocks are regions, as large blocks are. Light blocks are blocks of the back end that hold
//! the stamps, the user's bytes and the pattern: what users know is an address inside, and
//! [`locate`] leads from one to the other. A full page heap makes light blocks where the system has
//! no memory left for full ones, and when it has so many that the system's mappings run short; a
//! light one makes full blocks where the back end does
//! not serve the size.

mod full;
mod light;
mod stamps;
mod walk;

use core::ptr::NonNull;
use core::sync::atomic::Ordering;

use crate::backend::blocks::{self, Located};
use crate::failure::{FailureKind, HeapFailure, Refusal};
use crate::flags::HeapFlags;
use crate::global_flags::PageHeap;
use crate::heap::{Heap, State};
use crate::region::{Region, RegionKind};
use crate::regions;
use crate::units::GRANULE;

pub use light::inner;
pub use walk::next;

/// No larger request is served (10.6).
const LARGEST: usize = 0x7FF0_0000;

/// A block of `size` bytes, stamped and filled.
///
/// # Errors
/// `NoMemory`; what the back end finds damaged. The heap is as it was.
///
/// # Safety
/// 1. The heap's lock is held and `state` is its state.
pub unsafe fn allocate(
    heap: &Heap,
    state: &mut State,
    flags: HeapFlags,
    size: usize,
    alignment: usize,
) -> Result<NonNull<u8>, Refusal> {
    if size > LARGEST || size > heap.settings.maximum_allocation_size {
        return Err(Refusal::NoMemory);
    }
    let as_light = alignment <= GRANULE && light::serves(heap, flags, size);
    let prefers_light = heap.settings.page_heap == Some(PageHeap::Light) || full::has_enough(state);
    if !prefers_light || !as_light {
        // SAFETY: (1).
        match unsafe { full::allocate(heap, state, flags, size, alignment) } {
            Err(Refusal::NoMemory) if as_light => {}
            result => return result,
        }
    }
    // SAFETY: (1).
    unsafe { light::allocate(heap, state, flags, size) }
}

/// The live block at `pointer`, any bit pattern, as a user of a heap of any kind knows it. A light
/// block's is the block of the back end that holds it.
///
/// # Errors
/// What the pointer is instead. Nothing was changed.
///
/// # Safety
/// 1. The heap's lock is held.
pub unsafe fn locate(heap: &Heap, pointer: usize) -> Result<Located, HeapFailure> {
    if heap.settings.page_heap.is_none() {
        // SAFETY: (1).
        return unsafe { blocks::locate(heap, pointer) };
    }
    // SAFETY: (1).
    unsafe { blocks::locate(heap, inner(heap, pointer)) }.map_err(|failure| HeapFailure {
        kind: match region_of(heap, pointer) {
            Some(region) if full::was_at(region, pointer) => FailureKind::BlockNotBusy,
            _ => failure.kind,
        },
        address: pointer,
        ..failure
    })
}

/// A block's stamps and pattern are whole.
///
/// # Errors
/// What was overwritten.
///
/// # Safety
/// 1. `located` is a live block of the heap, whose lock is held.
pub unsafe fn check(heap: &Heap, located: &Located) -> Result<(), HeapFailure> {
    if heap.settings.page_heap.is_none() {
        return Ok(());
    }
    // SAFETY: (1).
    unsafe {
        match located {
            Located::Block(block) => light::check(heap, block),
            Located::Large(region) => full::check(heap, region.as_ref()),
        }
    }
}

/// Bytes the user of a block asked for, in a heap of any kind.
///
/// # Safety
/// 1. `located` is a live block of the heap, whose lock is held.
pub unsafe fn requested(heap: &Heap, located: &Located) -> usize {
    match located {
        Located::Block(block) if heap.settings.page_heap.is_some() => light::requested(block),
        Located::Block(block) => block.entry.requested(),
        // SAFETY: (1).
        Located::Large(region) => unsafe { region.as_ref() }.requested,
    }
}

/// Takes a block back.
///
/// # Errors
/// The back end found damage; nothing was changed.
///
/// # Safety
/// 1. `located` is a live block of the heap, whose lock is held, and nobody uses it any more.
pub unsafe fn free(heap: &Heap, state: &mut State, located: &Located) -> Result<(), Refusal> {
    // SAFETY: (1).
    unsafe {
        match located {
            Located::Block(block) => light::free(heap, state, block),
            Located::Large(region) => {
                full::free(heap, state, *region);
                Ok(())
            }
        }
    }
}

/// Gives the addresses of freed blocks back.
///
/// # Safety
/// 1. The heap's lock is held and `state` is its state.
pub unsafe fn compact(heap: &Heap, state: &mut State) {
    // SAFETY: (1).
    unsafe { full::release_freed(heap, state, 0) };
}

/// The heap's own region around an address, any bit pattern.
fn region_of(heap: &Heap, address: usize) -> Option<&'static Region> {
    // SAFETY: INV-REGION: records stay readable.
    let region = unsafe { regions::find(address)?.as_ref() };
    (region.owner.load(Ordering::Relaxed) == heap.record()).then_some(region)
}

fn in_segment(heap: &Heap, address: usize) -> bool {
    region_of(heap, address).is_some_and(|region| region.kind == RegionKind::Segment)
}
