//! Fixed objects: blocks of the process heap, whose handle is their address.

use core::sync::atomic::Ordering;

use rtl_platform::vm::{PageState, Protection, VmError};

use crate::backend::blocks::Located;
use crate::entry::EntryFlags;
use crate::flags::HeapFlags;
use crate::heap::Heap;
use crate::lifecycle::registry;
use crate::movable::moveable;
use crate::movable::words::{Family, MemoryError, MemoryFlags, MemoryHandle};
use crate::nt::{self, HeapHandle};
use crate::ops::extras;
use crate::regions;
use crate::status::Status;
use crate::system_vm::system_vm;
use crate::verify::page_heap;

/// Flags for a heap call that makes or changes data.
pub fn heap_flags(flags: MemoryFlags) -> HeapFlags {
    let mut heap = HeapFlags::empty();
    heap.set(
        HeapFlags::ZERO_MEMORY,
        flags.contains(MemoryFlags::ZEROINIT),
    );
    heap
}

/// Allocates. A Global object of no size has one byte (C391), a Local one has none (C392).
pub fn allocate(
    family: Family,
    flags: MemoryFlags,
    size: usize,
) -> Result<MemoryHandle, MemoryError> {
    let size = match family {
        Family::Global => size.max(1),
        Family::Local => size,
    };
    let block = nt::allocate(nt::process_heap()?, heap_flags(flags), size)?;
    Ok(MemoryHandle(block.as_ptr() as usize))
}

/// Whether an address, any bit pattern, is a live block of the process heap.
pub fn is_live(heap: &Heap, address: usize) -> bool {
    let heap = HeapHandle(heap.handle);
    nt::validate(heap, HeapFlags::empty(), Some(address as *const u8))
}

/// Bytes of the block at an address, any bit pattern.
pub fn size(heap: &Heap, address: usize) -> Result<usize, MemoryError> {
    // Asked first: what is no block here is no misuse.
    if !is_live(heap, address) {
        return Err(MemoryError::INVALID_HANDLE);
    }
    let heap = HeapHandle(heap.handle);
    Ok(nt::size(heap, HeapFlags::empty(), address as *const u8)?)
}

/// Whether an address, any bit pattern, lies in the process heap: what is no block there is misuse,
/// while other addresses are merely no objects.
fn is_inside(heap: &Heap, address: usize) -> bool {
    regions::find(address).is_some_and(|region| {
        // SAFETY: INV-REGION: records stay readable.
        unsafe { region.as_ref() }.owner.load(Ordering::Relaxed) == heap.record()
    })
}

/// What NT says of an address that is no object: it tries to read there, we ask the system.
pub fn refusal_of(address: usize) -> MemoryError {
    let Some(vm) = system_vm() else {
        return MemoryError::INVALID_HANDLE;
    };
    match vm.query(address) {
        Ok(run) if run.state == PageState::Committed && run.protection != Protection::NoAccess => {
            MemoryError::INVALID_HANDLE
        }
        // The system does not say: the more usual of the two.
        Err(VmError::Unsupported) => MemoryError::INVALID_HANDLE,
        _ => MemoryError::Status(Status::ACCESS_VIOLATION),
    }
}

/// # Safety
/// 1. If the address is a live block of the process heap, nobody uses it any more.
pub unsafe fn free(address: usize) -> Result<(), MemoryError> {
    let heap = registry::process_heap()?;
    if !is_inside(heap, address) {
        return Err(refusal_of(address));
    }
    let heap = HeapHandle(heap.handle);
    // SAFETY: (1).
    unsafe { nt::free(heap, HeapFlags::empty(), address as *mut u8) }
        .map_err(|_| MemoryError::INVALID_HANDLE)
}

/// # Safety
/// 1. If the address is a live block of the process heap, nobody uses it meanwhile.
pub unsafe fn reallocate(
    family: Family,
    address: usize,
    size: usize,
    flags: MemoryFlags,
) -> Result<MemoryHandle, MemoryError> {
    let heap = registry::process_heap()?;
    if !is_inside(heap, address) {
        return Err(refusal_of(address));
    }
    if flags.contains(MemoryFlags::MODIFY) {
        if !is_live(heap, address) {
            return Err(MemoryError::INVALID_HANDLE);
        }
        if family == Family::Global && flags.contains(MemoryFlags::MOVEABLE) {
            // SAFETY: (1).
            return unsafe { convert(heap, address, flags) };
        }
        return Ok(MemoryHandle(address));
    }
    if family.asks_for_discardable(flags) {
        return Err(MemoryError::INVALID_PARAMETER);
    }
    let mut call = heap_flags(flags);
    call.set(
        HeapFlags::REALLOC_IN_PLACE_ONLY,
        !flags.contains(MemoryFlags::MOVEABLE),
    );
    // SAFETY: (1).
    match unsafe { nt::reallocate(HeapHandle(heap.handle), call, address as *mut u8, size) } {
        Ok(block) => Ok(MemoryHandle(block.as_ptr() as usize)),
        Err(Status::NO_MEMORY) => Err(Status::NO_MEMORY.into()),
        Err(_) => Err(MemoryError::INVALID_HANDLE),
    }
}

/// Makes a fixed object a moveable one of the same size, with its data in a new block (C395, C410,
/// C411).
///
/// # Safety
/// 1. As for [`reallocate`]; the address is a live block.
unsafe fn convert(
    heap: &'static Heap,
    address: usize,
    flags: MemoryFlags,
) -> Result<MemoryHandle, MemoryError> {
    let process = HeapHandle(heap.handle);
    let size = nt::size(process, HeapFlags::empty(), address as *const u8)?;
    let (handle, data) = moveable::create(heap, Family::Global, flags, size)?;
    // SAFETY: (1): both blocks hold `size` bytes, and nobody knows the new one yet.
    unsafe {
        if data != 0 {
            (data as *mut u8).copy_from_nonoverlapping(address as *const u8, size);
        }
        if free(address).is_err() {
            // The block's surroundings are damaged: the object stays what it was.
            moveable::free(handle)?;
            return Err(MemoryError::INVALID_HANDLE);
        }
    }
    Ok(handle)
}

/// The handle of the object whose data starts at an address, any bit pattern: what the block has as
/// its user value with the first user flag set, and else the address. `None` for what is no block.
pub fn owner_of(heap: &'static Heap, address: usize) -> Option<MemoryHandle> {
    const OWNED: EntryFlags = EntryFlags::USER_VALUE.union(EntryFlags::USER_FLAG1);
    const OWNED_LARGE: HeapFlags =
        HeapFlags::SETTABLE_USER_VALUE.union(HeapFlags::SETTABLE_USER_FLAG1);
    if !is_live(heap, address) {
        return None;
    }
    let guard = heap.enter(HeapFlags::empty());
    // SAFETY: the guard holds the lock.
    let located = unsafe { page_heap::locate(guard.heap, address) };
    let owner = match located {
        Ok(Located::Block(block)) if block.entry.flags.contains(OWNED) => {
            // SAFETY: the guard holds the lock, and it is a busy block.
            let [_, value] = unsafe { extras::read_slot(guard.heap, &block) };
            value
        }
        Ok(Located::Large(region)) => {
            // SAFETY: a live region, its heap's lock held.
            let region = unsafe { region.as_ref() };
            if HeapFlags::from_bits_retain(region.user_flags).contains(OWNED_LARGE) {
                region.user_value
            } else {
                address
            }
        }
        // A block of the front end is in no segment's list of blocks; it has no value either.
        _ => address,
    };
    Some(MemoryHandle(owner))
}
