//! What a heap can be asked and told besides (7.3, 9).

use core::sync::atomic::Ordering;

use crate::backend::{large, park, segment, warm};
use crate::flags::HeapFlags;
use crate::frontend::activation::LOW_FRAGMENTATION;
use crate::frontend::{emptying, lanes, supply};
use crate::heap::Heap;
use crate::lifecycle::registry;
use crate::nt::{HeapHandle, is_reentrant};
use crate::status::Status;

/// `HeapCompatibilityInformation`: 0 for a standard heap, 2 once its front end may serve requests.
///
/// # Errors
/// `INVALID_HANDLE` for what is no heap.
pub fn compatibility(heap: HeapHandle) -> Result<u32, Status> {
    let heap = Heap::at(heap.0).ok_or(Status::INVALID_HANDLE)?;
    Ok(heap.compatibility.load(Ordering::Relaxed))
}

/// Permits a heap its front end, with the value 2. There is no way back. Requests of one size
/// still have to come in numbers before the front end serves them.
///
/// # Errors
/// `INVALID_PARAMETER` for a heap that is not serialised; `UNSUCCESSFUL` for any other value, and
/// for a heap of fixed size or with debug flags; `INVALID_HANDLE` for what is no heap.
///
/// # Source
/// Specification 7.3 (C245 to C250).
pub fn set_compatibility(heap: HeapHandle, value: u32) -> Result<(), Status> {
    let heap = Heap::at(heap.0).ok_or(Status::INVALID_HANDLE)?;
    if value != LOW_FRAGMENTATION {
        return Err(Status::UNSUCCESSFUL);
    }
    if heap.settings.flags.contains(HeapFlags::NO_SERIALIZE) {
        return Err(Status::INVALID_PARAMETER);
    }
    if !heap.settings.front_end {
        return Err(Status::UNSUCCESSFUL);
    }
    heap.compatibility
        .store(LOW_FRAGMENTATION, Ordering::Relaxed);
    Ok(())
}

/// `HeapOptimizeResources`: gives what a heap's front end keeps for later back to the system; of
/// every heap that has a front end without `heap`.
///
/// # Errors
/// `INVALID_HANDLE` for what is no heap.
pub fn optimize_resources(heap: Option<HeapHandle>) -> Result<(), Status> {
    match heap {
        Some(heap) => optimize(Heap::at(heap.0).ok_or(Status::INVALID_HANDLE)?),
        None => registry::for_each(|heap| {
            optimize(heap);
            true
        }),
    }
    Ok(())
}

fn optimize(heap: &'static Heap) {
    if heap.frontend().is_some() {
        give_back(heap);
    }
}

/// Gives what a listed heap keeps for later back to the system. Nothing of one that is protected.
pub(super) fn give_back(heap: &'static Heap) {
    let mut guard = heap.enter(HeapFlags::empty());
    if is_reentrant(&guard) || heap.protected.load(Ordering::Relaxed) {
        return;
    }
    let (heap, state) = guard.parts();
    lanes::empty_own(heap);
    // SAFETY: the guard holds the lock.
    unsafe {
        park::release_all(heap, state);
        supply::release_all_idle(heap, state);
        emptying::empty_all(heap);
        segment::release_kept(heap, state);
        warm::give_back(heap, state, 0);
        large::release_kept(heap, state);
    }
}

/// `HeapTag`: a number its user keeps with the heap; 0 at first.
///
/// # Errors
/// `INVALID_HANDLE` for what is no heap.
///
/// # Source
/// Specification 9 has the class, and a member of this name and size in what is told of a heap; that
/// it means nothing to the heap is our choice.
pub fn heap_tag(heap: HeapHandle) -> Result<u64, Status> {
    let heap = Heap::at(heap.0).ok_or(Status::INVALID_HANDLE)?;
    let mut guard = heap.enter(HeapFlags::empty());
    let (_, state) = guard.parts();
    Ok(state.tag)
}

/// Sets [`heap_tag`].
///
/// # Errors
/// `INVALID_HANDLE` for what is no heap.
pub fn set_heap_tag(heap: HeapHandle, tag: u64) -> Result<(), Status> {
    let heap = Heap::at(heap.0).ok_or(Status::INVALID_HANDLE)?;
    let mut guard = heap.enter(HeapFlags::empty());
    let (_, state) = guard.parts();
    state.tag = tag;
    Ok(())
}

/// `HeapMemoryLimit`: bytes the heap may have committed at one time; 0 for no limit.
///
/// # Errors
/// `INVALID_HANDLE` for what is no heap.
pub fn memory_limit(heap: HeapHandle) -> Result<usize, Status> {
    let heap = Heap::at(heap.0).ok_or(Status::INVALID_HANDLE)?;
    let mut guard = heap.enter(HeapFlags::empty());
    let (_, state) = guard.parts();
    Ok(state.accounting.commit_limit)
}

/// Sets [`memory_limit`]. What is committed already stays; requests that would commit more than the
/// limit fail with `NO_MEMORY`.
///
/// # Errors
/// `INVALID_HANDLE` for what is no heap.
///
/// # Source
/// Specification 9 has the class; what the limit counts is our choice.
pub fn set_memory_limit(heap: HeapHandle, bytes: usize) -> Result<(), Status> {
    let heap = Heap::at(heap.0).ok_or(Status::INVALID_HANDLE)?;
    let mut guard = heap.enter(HeapFlags::empty());
    let (_, state) = guard.parts();
    state.accounting.commit_limit = bytes;
    Ok(())
}
