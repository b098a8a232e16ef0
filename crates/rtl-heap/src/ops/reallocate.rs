//! Changing a block's size: in place both ways where possible, else by moving (3.3).

use core::ptr::NonNull;

use crate::backend::blocks::{self, Block, Located};
use crate::backend::{canary, coalesce, large, park, split};
use crate::entry::{Entry, EntryFlags};
use crate::failure::Refusal;
use crate::flags::HeapFlags;
use crate::frontend::slots;
use crate::heap::{Heap, State};
use crate::ops::{allocate, extras, fast, free};
use crate::region::Region;
use crate::units::{GRANULE, Granules};

/// Makes the block at `pointer`, any bit pattern, `size` bytes long; returns where it is now.
/// Keeps its first `min(old, new)` bytes; with ZERO_MEMORY the bytes from the old size on are zero.
///
/// # Errors
/// It is no live block of the heap; or there is no memory, or no room in place where the flags
/// demand it. The block is as it was.
///
/// # Safety
/// 1. The heap's lock is held and `state` is its state; nobody else uses the block.
pub unsafe fn reallocate(
    heap: &Heap,
    state: &mut State,
    flags: HeapFlags,
    pointer: usize,
    size: usize,
) -> Result<NonNull<u8>, Refusal> {
    // SAFETY: (1).
    let located = unsafe { blocks::locate(heap, pointer) }?;
    // SAFETY: (1).
    let (old_size, in_place, kept_flags) = unsafe {
        match located {
            Located::Block(block) => {
                canary::check(heap, &block)?;
                (
                    block.entry.requested(),
                    resize_block(heap, state, flags, &block, size)?,
                    extras::call_flags(block.entry.flags),
                )
            }
            Located::Large(region) => (
                region.as_ref().requested,
                large::resize(heap, state, region, size),
                HeapFlags::from_bits_retain(region.as_ref().user_flags),
            ),
        }
    };
    if in_place {
        state.accounting.resize_live(old_size, size);
        let user = pointer as *mut u8;
        // SAFETY: (1): the block holds `size` bytes now.
        unsafe {
            zero_growth(user, flags, old_size, size);
            return Ok(NonNull::new_unchecked(user));
        }
    }
    if flags.contains(HeapFlags::REALLOC_IN_PLACE_ONLY) {
        return Err(Refusal::NoMemory);
    }
    if let Located::Large(region) = located
        // SAFETY: (1).
        && let Some(user) = unsafe { move_pages(heap, state, flags, region, size) }
    {
        return Ok(user);
    }
    let plain = flags.difference(
        HeapFlags::ZERO_MEMORY | HeapFlags::SETTABLE_USER_VALUE | HeapFlags::SETTABLE_USER_FLAGS,
    );
    // SAFETY: (1).
    unsafe {
        let place = (GRANULE, Some(old_size));
        let moved = allocate::allocate_instead(heap, state, plain | kept_flags, size, place)?;
        moved
            .as_ptr()
            .copy_from_nonoverlapping(pointer as *const u8, old_size.min(size));
        zero_growth(moved.as_ptr(), flags, old_size, size);
        copy_value(heap, &located, moved);
        if let Err(refusal) = free::free(heap, state, pointer) {
            // The old block's surroundings are damaged: it stays, and so does its contents.
            free::free(heap, state, moved.as_ptr() as usize)?;
            return Err(refusal);
        }
        Ok(moved)
    }
}

/// [`reallocate`] for a block of the front end, which never changes its size in place (3.3; C145,
/// C146). The heap's lock is not held. `None` when `pointer` is in no slab of the heap.
///
/// # Errors
/// As for [`reallocate`].
///
/// # Safety
/// 1. Nobody else uses the block.
pub unsafe fn move_slot(
    heap: &Heap,
    flags: HeapFlags,
    pointer: usize,
    size: usize,
) -> Option<Result<NonNull<u8>, Refusal>> {
    let old_size = match slots::requested_whole(heap, pointer)? {
        Ok(requested) => requested,
        Err(failure) => return Some(Err(failure.into())),
    };
    if flags.contains(HeapFlags::REALLOC_IN_PLACE_ONLY) {
        return Some(Err(Refusal::NoMemory));
    }
    let plain = flags.difference(
        HeapFlags::ZERO_MEMORY | HeapFlags::SETTABLE_USER_VALUE | HeapFlags::SETTABLE_USER_FLAGS,
    );
    let moved = fast::allocate_locked(heap, plain | heap.settings.force_flags, size).map_or_else(
        || {
            let mut guard = heap.enter(flags);
            let (heap, state) = guard.parts();
            // SAFETY: the guard holds the lock.
            unsafe {
                allocate::allocate_instead(heap, state, plain, size, (GRANULE, Some(old_size)))
            }
        },
        Ok,
    );
    Some(moved.and_then(|moved| {
        // SAFETY: (1): both blocks hold as many bytes as are copied.
        unsafe {
            moved
                .as_ptr()
                .copy_from_nonoverlapping(pointer as *const u8, old_size.min(size));
            zero_growth(moved.as_ptr(), flags, old_size, size);
        }
        match slots::free(heap, pointer) {
            Some(Err(failure)) => Err(failure.into()),
            _ => Ok(moved),
        }
    }))
}

/// Moves a large block that has not grown in place, by its pages. `None`, and no change, when its
/// bytes are to be copied.
///
/// # Safety
/// 1. As for [`reallocate`].
unsafe fn move_pages(
    heap: &Heap,
    state: &mut State,
    flags: HeapFlags,
    region: NonNull<Region>,
    size: usize,
) -> Option<NonNull<u8>> {
    // SAFETY: (1).
    let (old_size, old_room) = unsafe {
        let record = region.as_ref();
        let end = record.base + record.committed;
        (record.requested, end.saturating_sub(record.user))
    };
    // SAFETY: (1).
    let moved = unsafe { large::relocate(heap, state, region, size) }?;
    state.accounting.resize_live(old_size, size);
    // SAFETY: (1): the block has `size` bytes now, and the pages that are new read zero.
    unsafe {
        let user = moved.as_ref().user as *mut u8;
        zero_growth(user, flags, old_size, size.min(old_room));
        NonNull::new(user)
    }
}

/// # Safety
/// 1. `user` is a block of `size` bytes.
unsafe fn zero_growth(user: *mut u8, flags: HeapFlags, old_size: usize, size: usize) {
    if flags.contains(HeapFlags::ZERO_MEMORY) && size > old_size {
        // SAFETY: (1).
        unsafe { user.add(old_size).write_bytes(0, size - old_size) };
    }
}

/// Carries a user value from a block to the one that replaces it.
///
/// # Safety
/// 1. Both are live blocks of the heap, whose lock is held.
pub unsafe fn copy_value(heap: &Heap, from: &Located, to: NonNull<u8>) {
    // SAFETY: (1).
    let words = unsafe {
        match from {
            Located::Block(block) if block.entry.flags.contains(EntryFlags::USER_VALUE) => {
                extras::read_slot(heap, block)
            }
            Located::Large(region) => [0, region.as_ref().user_value],
            Located::Block(_) => return,
        }
    };
    // SAFETY: (1).
    match unsafe { blocks::locate(heap, to.as_ptr() as usize) } {
        // SAFETY: (1).
        Ok(Located::Block(block)) => unsafe { extras::write_slot(heap, &block, words) },
        Ok(Located::Large(region)) => {
            let region: *mut Region = region.as_ptr();
            // SAFETY: (1).
            unsafe { (*region).user_value = words[1] };
        }
        Err(_) => {}
    }
}

/// Changes a back-end block's size in place. `Ok(false)`, and no change, when there is no room.
///
/// # Safety
/// 1. As for [`reallocate`].
unsafe fn resize_block(
    heap: &Heap,
    state: &mut State,
    flags: HeapFlags,
    block: &Block,
    size: usize,
) -> Result<bool, Refusal> {
    let own = extras::call_flags(block.entry.flags);
    let needed = extras::block_size(heap, flags | own, size)
        .filter(|needed| *needed <= heap.settings.virtual_memory_threshold)
        .filter(|_| size <= heap.settings.maximum_allocation_size);
    let Some(needed) = needed else {
        return Ok(false);
    };
    // SAFETY: (1).
    let value = unsafe { extras::read_slot(heap, block) };
    let resized = if needed <= block.entry.size {
        // SAFETY: (1).
        unsafe { shrink(heap, state, block, needed, size) }?
    } else {
        // Passing user flags while the block grows in place replaces those it has (C303).
        let user_flags = extras::entry_flags(flags) & EntryFlags::USER_FLAGS;
        // SAFETY: (1).
        match unsafe { grow(heap, state, block, needed, size, user_flags) }? {
            Some(grown) => grown,
            None => return Ok(false),
        }
    };
    // SAFETY: (1).
    unsafe {
        if size > block.entry.requested() {
            canary::renew(heap, &resized);
        } else {
            canary::leave(heap, &resized);
        }
        extras::write_slot(heap, &resized, value);
    }
    Ok(true)
}

/// # Safety
/// 1. As for [`reallocate`]; `needed` is at most the block's size.
unsafe fn shrink(
    heap: &Heap,
    state: &mut State,
    block: &Block,
    needed: Granules,
    size: usize,
) -> Result<Block, Refusal> {
    let rest = Granules(block.entry.size.0 - needed.0);
    if rest < Granules::MIN_BLOCK {
        let unused = (block.entry.size.bytes() - size) as u8;
        let resized = Block {
            entry: Entry {
                unused,
                ..block.entry
            },
            ..*block
        };
        // SAFETY: (1).
        unsafe { heap.key.write(block.address, resized.entry) };
        return Ok(resized);
    }
    let mut entry = Entry {
        size: needed,
        unused: (needed.bytes() - size) as u8,
        ..block.entry
    };
    entry.flags.remove(EntryFlags::LAST);
    let resized = Block { entry, ..*block };
    // The rest becomes a busy block for a moment, which is then freed like any other.
    let cut = Block {
        region: block.region,
        address: resized.end(),
        entry: Entry {
            size: rest,
            unused: 0,
            flags: EntryFlags::BUSY | block.entry.flags & EntryFlags::LAST,
        },
    };
    let region = block.region.as_ptr();
    // SAFETY: (1): the cut lies inside the block; until its release succeeds the old header stands.
    unsafe {
        coalesce::release(heap, state, &cut)?;
        let granule = (*region).granule(cut.address);
        (*region).starts.set(granule);
        heap.key.write(block.address, resized.entry);
    }
    Ok(resized)
}

/// # Safety
/// 1. As for [`reallocate`]; `needed` is more than the block's size.
unsafe fn grow(
    heap: &Heap,
    state: &mut State,
    block: &Block,
    needed: Granules,
    size: usize,
    user_flags: EntryFlags,
) -> Result<Option<Block>, Refusal> {
    // SAFETY: (1).
    let Some(mut free) = unsafe { blocks::next(heap, block) }? else {
        return Ok(None);
    };
    let mut block = *block;
    if free.entry.is_parked() {
        // SAFETY: (1). What was parked may merge with what lies behind it: look again.
        unsafe {
            park::release_all(heap, state);
            block.entry = heap.key.read(block.address).unwrap_or(block.entry);
            match blocks::next(heap, &block)? {
                Some(next) => free = next,
                None => return Ok(None),
            }
        }
    }
    let more = Granules(needed.0 - block.entry.size.0);
    if free.entry.is_busy() || free.entry.size < more {
        return Ok(None);
    }
    // SAFETY: (1): a free block in the index, large enough.
    let front = unsafe { split::detach_front(heap, state, &free, more) }?;
    let total = Granules(block.entry.size.0 + front.size.0);
    let mut flags = block.entry.flags | front.last;
    if !user_flags.is_empty() {
        flags = flags.difference(EntryFlags::USER_FLAGS) | user_flags;
    }
    let entry = Entry {
        size: total,
        unused: (total.bytes() - size) as u8,
        flags,
    };
    let region = block.region.as_ptr();
    // SAFETY: (1): the free block's header is inside the grown block from here on.
    unsafe {
        let granule = (*region).granule(free.address);
        (*region).starts.clear(granule);
        heap.key.write(block.address, entry);
    }
    Ok(Some(Block { entry, ..block }))
}
