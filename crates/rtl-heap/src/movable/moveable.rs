//! Moveable objects: an entry of the table, and its data in a block of the process heap that has
//! the handle as its user value.
//!
//! The data's heap calls are made with the process heap's lock held, so that no thread sees an
//! entry whose data has moved. Blocks with a user value are of the back end, which is why they can
//! change their size in place where fixed ones cannot.

use core::ptr::NonNull;

use crate::backend::blocks::Located;
use crate::flags::HeapFlags;
use crate::heap::Heap;
use crate::lifecycle::registry;
use crate::movable::fixed;
use crate::movable::table::{Entry, Table, entry_flags};
use crate::movable::words::{Family, MemoryError, MemoryFlags, MemoryHandle};
use crate::nt::{self, HeapHandle};
use crate::ops::extras;
use crate::region::Region;
use crate::status::Status;
use crate::verify::page_heap;

/// Runs `work` on the object of a handle, any bit pattern, with the table's lock held.
fn with_object<R>(
    handle: MemoryHandle,
    work: impl FnOnce(&'static Heap, &'static Entry, &mut Table) -> Result<R, MemoryError>,
) -> Result<R, MemoryError> {
    let heap = registry::process_heap()?;
    let mut guard = heap.enter(HeapFlags::empty());
    let table = Table::of(&mut guard);
    let entry = table.object(handle).ok_or(MemoryError::INVALID_HANDLE)?;
    work(heap, entry, table)
}

/// Makes an object of `size` bytes; one of none has no data yet. Returns its data's address too.
pub fn create(
    heap: &'static Heap,
    family: Family,
    flags: MemoryFlags,
    size: usize,
) -> Result<(MemoryHandle, usize), MemoryError> {
    let mut marks = 0;
    if family.asks_for_discardable(flags) {
        marks |= entry_flags::DISCARDABLE;
    }
    if flags.contains(MemoryFlags::DDESHARE) {
        marks |= entry_flags::DDESHARE;
    }
    let mut guard = heap.enter(HeapFlags::empty());
    let entry = match Table::of(&mut guard).take(heap.handle, marks) {
        Ok(entry) => entry,
        Err(refusal) => {
            drop(guard);
            return Err(nt::conclude(refusal).into());
        }
    };
    if size != 0
        && let Err(status) = allocate_data(heap, entry, flags, size)
    {
        Table::of(&mut guard).give_back(entry);
        return Err(status.into());
    }
    Ok((entry.handle(), entry.data()))
}

/// Gives an object without data a block. The table's lock is held.
fn allocate_data(
    heap: &'static Heap,
    entry: &Entry,
    flags: MemoryFlags,
    size: usize,
) -> Result<(), Status> {
    const OWNED: HeapFlags = HeapFlags::SETTABLE_USER_VALUE.union(HeapFlags::SETTABLE_USER_FLAG1);
    let call = fixed::heap_flags(flags) | OWNED;
    let data = nt::allocate(HeapHandle(heap.handle), call, size)?;
    let guard = heap.enter(HeapFlags::empty());
    let owner = entry.handle().0;
    // SAFETY: the guard holds the lock; the block was made above and is nobody else's.
    unsafe {
        match page_heap::locate(guard.heap, data.as_ptr() as usize) {
            Ok(Located::Block(block)) => extras::write_slot(guard.heap, &block, [0, owner]),
            Ok(Located::Large(region)) => {
                let region: *mut Region = region.as_ptr();
                (*region).user_value = owner;
            }
            Err(_) => {}
        }
    }
    entry.set_data(data.as_ptr() as usize);
    Ok(())
}

/// # Safety
/// 1. If it is an object, nobody uses its data any more.
pub unsafe fn free(handle: MemoryHandle) -> Result<(), MemoryError> {
    let data = with_object(handle, |_, entry, table| {
        let data = entry.data();
        table.give_back(entry);
        Ok(data)
    })?;
    // SAFETY: (1): the object is gone, and the block was its own.
    unsafe { free_data(data) }
}

/// Frees what an entry had for its data, which its owner may have overwritten.
///
/// # Safety
/// 1. If it is a block, it was an object's that has no data any more.
unsafe fn free_data(data: usize) -> Result<(), MemoryError> {
    let process = nt::process_heap()?;
    // SAFETY: (1).
    unsafe { nt::free(process, HeapFlags::empty(), data as *mut u8) }
        .map_err(|_| MemoryError::INVALID_HANDLE)
}

/// # Safety
/// 1. If it is an object, nobody uses its data meanwhile, nor the bytes that go.
pub unsafe fn reallocate(
    family: Family,
    handle: MemoryHandle,
    size: usize,
    flags: MemoryFlags,
) -> Result<MemoryHandle, MemoryError> {
    let discarded = with_object(handle, |heap, entry, _| {
        let may_move = flags.contains(MemoryFlags::MOVEABLE);
        if flags.contains(MemoryFlags::MODIFY) {
            if family.asks_for_discardable(flags) {
                entry.add(entry_flags::DISCARDABLE);
            }
            return Ok(0);
        }
        if family.asks_for_discardable(flags) {
            return Err(MemoryError::INVALID_PARAMETER);
        }
        if size == 0 {
            if !may_move || entry.locks() != 0 {
                return Err(MemoryError::INVALID_PARAMETER);
            }
            let data = entry.data();
            entry.discard();
            return Ok(data);
        }
        // A locked object's data moves only by request, and leaves its users' pointer behind.
        let may_move = may_move || entry.locks() == 0;
        // SAFETY: (1).
        unsafe { resize(heap, entry, size, flags, may_move) }?;
        Ok(0)
    })?;
    // SAFETY: (1): the object has no data any more. For 0, and so for none, it does nothing.
    unsafe { free_data(discarded) }?;
    Ok(handle)
}

/// # Safety
/// 1. As for [`reallocate`], with the table's lock held.
unsafe fn resize(
    heap: &'static Heap,
    entry: &Entry,
    size: usize,
    flags: MemoryFlags,
    may_move: bool,
) -> Result<(), MemoryError> {
    let data = entry.data();
    if data == 0 {
        return Ok(allocate_data(heap, entry, flags, size)?);
    }
    if !fixed::is_live(heap, data) {
        return Err(MemoryError::INVALID_HANDLE);
    }
    let mut call = fixed::heap_flags(flags);
    call.set(HeapFlags::REALLOC_IN_PLACE_ONLY, !may_move);
    // SAFETY: (1): the object's own block, whose value and flags go with it.
    let data = unsafe { nt::reallocate(HeapHandle(heap.handle), call, data as *mut u8, size) }?;
    entry.set_data(data.as_ptr() as usize);
    Ok(())
}

/// The object's data, locked once more.
pub fn lock(handle: MemoryHandle) -> Result<NonNull<u8>, MemoryError> {
    with_object(handle, |_, entry, _| {
        let data = NonNull::new(entry.data() as *mut u8).ok_or(MemoryError::Discarded)?;
        entry.lock();
        Ok(data)
    })
}

/// How many locks are left.
pub fn unlock(handle: MemoryHandle) -> Result<usize, MemoryError> {
    with_object(handle, |_, entry, _| {
        if entry.locks() == 0 {
            return Err(MemoryError::NotLocked);
        }
        Ok(entry.unlock())
    })
}

/// What the object reports of itself: its lock count and the family's flags.
pub fn flags(family: Family, handle: MemoryHandle) -> Result<u32, MemoryError> {
    const DISCARDED: u32 = 0x4000;
    with_object(handle, |_, entry, _| {
        let mut flags = entry.locks() as u32;
        for (mark, reported) in [
            (entry_flags::DISCARDABLE, family.discardable()),
            (entry_flags::DISCARDED, DISCARDED),
            (entry_flags::DDESHARE, MemoryFlags::DDESHARE.bits()),
        ] {
            if entry.has(mark) {
                flags |= reported;
            }
        }
        Ok(flags)
    })
}

/// Bytes of data; 0 when there is none.
pub fn size(handle: MemoryHandle) -> Result<usize, MemoryError> {
    with_object(handle, |heap, entry, _| {
        let data = entry.data();
        if data == 0 {
            return Ok(0);
        }
        fixed::size(heap, data)
    })
}
