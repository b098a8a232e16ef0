//! Taking parked blocks out again, the long way. See [`crate::lookaside`]; the short way is
//! `ops::fast`.

use crate::backend::blocks::{self, Block};
use crate::backend::split::Request;
use crate::backend::{canary, coalesce};
use crate::entry::{Entry, EntryFlags};
use crate::failure::{FailureKind, Refusal};
use crate::heap::{Heap, State};
use crate::lookaside::Lookaside;
use crate::parked_middle::ParkedMiddle;
use crate::regions;

/// A parked block of exactly the size of `request`, busy again.
///
/// # Errors
/// Its header was overwritten since it was parked.
///
/// # Safety
/// 1. The heap's lock is held and `state` is its state.
#[inline]
pub unsafe fn unpark(
    heap: &Heap,
    state: &mut State,
    request: &Request,
) -> Result<Option<Block>, Refusal> {
    let parked = if request.size <= Lookaside::LARGEST {
        state.lookaside.pop(request.size)
    } else {
        state.lookaside.middle.pop(request.size)
    };
    let Some(address) = parked else {
        return Ok(None);
    };
    // SAFETY: (1) INV-PARKED: it is a block of this heap.
    let block = unsafe { parked_block(heap, address) }?;
    let entry = Entry {
        unused: (request.size.bytes() - request.requested) as u8,
        flags: block.entry.flags | request.flags,
        ..block.entry
    };
    // SAFETY: (1).
    unsafe { heap.key.write(address, entry) };
    Ok(Some(Block { entry, ..block }))
}

/// Parks a plain live block that the look-aside has had no room for, if it can make some. False when
/// it is to be released.
///
/// # Safety
/// 1. The heap's lock is held and `state` is its state; `block` is busy and nobody uses it.
pub unsafe fn park_more(heap: &Heap, state: &mut State, block: &Block) -> bool {
    let Entry { size, flags, .. } = block.entry;
    let kept = EntryFlags::BUSY | EntryFlags::NEIGHBOURS;
    if !heap.settings.parks || !kept.contains(flags) || canary::is_left(block) {
        return false;
    }
    if size > Lookaside::LARGEST {
        // SAFETY: (1).
        return unsafe { park_middle(heap, state, block) };
    }
    if !state.lookaside.make_room(size) {
        return false;
    }
    let unused = 0;
    // SAFETY: (1).
    unsafe {
        heap.key.write(
            block.address,
            Entry {
                unused,
                ..block.entry
            },
        )
    };
    state.lookaside.push(size, block.address)
}

/// [`park_more`] for a block of middle size: those that were parked longest make room.
///
/// # Safety
/// 1. As there.
unsafe fn park_middle(heap: &Heap, state: &mut State, block: &Block) -> bool {
    let size = block.entry.size;
    if !heap.settings.parks_middle
        || !ParkedMiddle::suits(size)
        || !state.lookaside.middle.has_places()
    {
        return false;
    }
    while let Some(oldest) = state.lookaside.middle.pop_oldest_for(size) {
        // SAFETY: (1): it was parked.
        unsafe { release_one(heap, state, oldest) };
    }
    // The block may have become the neighbour of a free one.
    // SAFETY: (1).
    let Some(entry) = (unsafe { heap.key.read(block.address) }) else {
        return false;
    };
    // SAFETY: (1).
    unsafe { heap.key.write(block.address, Entry { unused: 0, ..entry }) };
    state.lookaside.middle.push(size, block.address)
}

/// Releases a block that was parked.
///
/// # Safety
/// 1. The heap's lock is held; `address` was just taken out.
unsafe fn release_one(heap: &Heap, state: &mut State, address: usize) {
    // SAFETY: (1).
    if let Ok(block) = unsafe { parked_block(heap, address) } {
        // SAFETY: (1): a parked block is nobody's.
        let _ = unsafe { coalesce::release(heap, state, &block) };
    }
}

/// # Safety
/// 1. The heap's lock is held; `address` was parked.
#[inline]
unsafe fn parked_block(heap: &Heap, address: usize) -> Result<Block, Refusal> {
    // SAFETY: (1).
    let entry = unsafe { heap.key.read(address) }.filter(|entry| entry.is_parked());
    match (entry, regions::find(address)) {
        (Some(entry), Some(region))
            // SAFETY: INV-REGION.
            if address + entry.size.bytes() <= unsafe { region.as_ref() }.end => Ok(Block {
            region,
            address,
            entry,
        }),
        _ => Err(blocks::failure(heap, FailureKind::EntryCorruption, address).into()),
    }
}

/// Releases every parked block. Says whether there was one.
///
/// A block that was damaged, or lies beside damage, stays as it is: nobody's, and never reused.
///
/// # Safety
/// 1. The heap's lock is held and `state` is its state.
pub unsafe fn release_all(heap: &Heap, state: &mut State) -> bool {
    let mut any = false;
    while let Some(address) = state.lookaside.pop_any() {
        any = true;
        // SAFETY: (1).
        unsafe { release_one(heap, state, address) };
    }
    any
}
