//! Looking at blocks and whole heaps: what each call does first under the validation flags, and what
//! `RtlValidateHeap` finds besides (4.1; C168 to C171).

use crate::backend::blocks::{self, Block, Located};
use crate::failure::{FailureKind, HeapFailure, Refusal};
use crate::flags::HeapFlags;
use crate::heap::{Heap, State};
use crate::inspect;
use crate::verify::{freed, page_heap, tail};

/// The live block at `pointer`, any bit pattern, if it is whole to its last byte.
///
/// # Errors
/// What it is instead, or that its tail was overwritten. Nothing was changed.
///
/// # Safety
/// 1. The heap's lock is held.
pub unsafe fn block(heap: &Heap, pointer: usize) -> Result<Located, HeapFailure> {
    // SAFETY: (1).
    unsafe {
        let located = page_heap::locate(heap, pointer)?;
        live(heap, &located)?;
        Ok(located)
    }
}

/// Every block, list and sum of the heap, and every byte that has a pattern.
///
/// # Errors
/// The first thing found wrong.
///
/// # Safety
/// 1. The heap's lock is held and `state` is its state.
pub unsafe fn heap(heap: &Heap, state: &State) -> Result<(), HeapFailure> {
    // SAFETY: (1).
    unsafe { inspect::validate::heap(heap, state) }?;
    if !heap.settings.verifies {
        return Ok(());
    }
    // The blocks are sound, so each leads to the next.
    for region in state.segments.iter() {
        // SAFETY: (1).
        let first = unsafe { region.as_ref() }.first_block;
        // SAFETY: (1) INV-STARTS.
        let entry = unsafe { heap.key.read(first) };
        let mut at = entry.map(|entry| Block {
            region,
            address: first,
            entry,
        });
        while let Some(block) = at {
            // SAFETY: (1).
            unsafe {
                if block.entry.is_busy() {
                    live(heap, &Located::Block(block))?;
                } else if let Some(address) = freed::damage(heap, &block) {
                    return Err(blocks::failure(heap, FailureKind::UsageAfterFree, address));
                }
                at = blocks::next(heap, &block)?;
            }
        }
    }
    for region in state.large.iter() {
        // SAFETY: (1).
        unsafe { live(heap, &Located::Large(region)) }?;
    }
    Ok(())
}

/// # Safety
/// 1. `located` is a live block of the heap, whose lock is held.
unsafe fn live(heap: &Heap, located: &Located) -> Result<(), HeapFailure> {
    // SAFETY: (1).
    unsafe { page_heap::check(heap, located) }?;
    let Located::Block(block) = located else {
        return Ok(());
    };
    // SAFETY: (1).
    match unsafe { tail::damage(heap, block) } {
        // A report names the block, whose owner is to be found.
        Some(_) => Err(blocks::failure(
            heap,
            FailureKind::BufferOverrun,
            block.user(),
        )),
        None => Ok(()),
    }
}

/// What `VALIDATE_ALL` has every call do first.
///
/// # Errors
/// The first thing found wrong with the heap.
///
/// # Safety
/// 1. As for [`heap`].
pub unsafe fn before_call(heap: &Heap, state: &State) -> Result<(), HeapFailure> {
    if !validates(heap, HeapFlags::VALIDATE_ALL_ENABLED) {
        return Ok(());
    }
    // SAFETY: (1).
    unsafe { self::heap(heap, state) }
}

/// The block at `pointer`, any bit pattern, for a call that reads or changes what is kept with it:
/// under the validation flags it has to be whole.
///
/// # Errors
/// As for [`block`]; under `VALIDATE_ALL` also what is wrong with the heap.
///
/// # Safety
/// 1. As for [`heap`].
pub unsafe fn for_call(heap: &Heap, state: &State, pointer: usize) -> Result<Located, HeapFailure> {
    // SAFETY: (1).
    unsafe {
        before_call(heap, state)?;
        if validates(heap, HeapFlags::VALIDATION) {
            block(heap, pointer)
        } else {
            page_heap::locate(heap, pointer)
        }
    }
}

/// [`crate::ops::size::size`], of a block that under the validation flags has to be whole (3.4).
///
/// # Errors
/// As for [`for_call`].
///
/// # Safety
/// 1. As for [`heap`].
pub unsafe fn size(heap: &Heap, state: &State, pointer: usize) -> Result<usize, Refusal> {
    // SAFETY: (1).
    unsafe {
        let located = for_call(heap, state, pointer)?;
        Ok(page_heap::requested(heap, &located))
    }
}

/// The heap has one of these validation flags, and not the one that overrules them (1.1).
fn validates(heap: &Heap, flags: HeapFlags) -> bool {
    let own = heap.settings.flags;
    own.intersects(flags) && !own.contains(HeapFlags::SKIP_VALIDATION_CHECKS)
}
