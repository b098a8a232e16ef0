//! Heaps that nobody serialises, by their handles: a small process-wide table.
//!
//! The shortest allocation must find a heap by its handle, and such a heap has no lane that would lead
//! there. One load and one comparison here take the place of the region map's four loads. A heap whose
//! place another one has when it is made is not in the table, and is found by the map as any other.

use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use crate::heap::Heap;
use crate::units::ALLOCATION_GRANULARITY;

/// Places: of 16 MiB of address space each handle has its own.
const PLACES: usize = 256;

static HEAPS: [AtomicPtr<Heap>; PLACES] = [const { AtomicPtr::new(ptr::null_mut()) }; PLACES];

#[inline(always)]
fn place(handle: usize) -> &'static AtomicPtr<Heap> {
    &HEAPS[handle / ALLOCATION_GRANULARITY % PLACES]
}

/// The heap in the table whose handle `handle` is, any bit pattern.
#[inline(always)]
pub fn at(handle: usize) -> Option<&'static Heap> {
    // Acquire pairs with the Release in `enter`.
    // SAFETY: the table leads to heaps that are not destroyed, and records stay readable.
    let heap = unsafe { place(handle).load(Ordering::Acquire).as_ref() }?;
    (heap.alone_handle == handle).then_some(heap)
}

/// Has [`at`] find `heap` if nobody serialises it and its place is empty. All of it must be ready.
pub fn enter(heap: &'static Heap) {
    if heap.settings.alone {
        let record = ptr::from_ref(heap).cast_mut();
        // A place changes only from nobody's and back: no call finds another heap than its handle's.
        let _ = place(heap.handle).compare_exchange(
            ptr::null_mut(),
            record,
            Ordering::Release,
            Ordering::Relaxed,
        );
    }
}

/// Has [`at`] not find `heap` any more.
pub fn leave(heap: &Heap) {
    let record = ptr::from_ref(heap).cast_mut();
    let _ = place(heap.handle).compare_exchange(
        record,
        ptr::null_mut(),
        Ordering::Relaxed,
        Ordering::Relaxed,
    );
}
