//! Pages of slabs in use that hold nothing but free slots are given back to the system.
//!
//! They stay committed, as NT's do for as long as their slab is in use: all that goes is what they hold, and
//! who takes a slot of them has their memory faulted in again. So it is done where the heap would come to
//! hold more than it ever did, and not before: a heap that takes and frees without growing is left alone.

use core::ptr::NonNull;
use core::sync::atomic::Ordering;

use crate::buckets::Frontend;
use crate::heap::{Heap, State};
use crate::slab::Slab;

/// The heap grows by this part of what it holds before its slabs are looked through again.
const PART: usize = 8;
/// At least by so many bytes.
const LEAST: usize = 0x8_0000;

/// Slots were taken in `bytes` of pages that held nothing.
#[inline]
pub fn note_touched(front: &Frontend, bytes: usize) {
    if bytes != 0 {
        front.untouched.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Bytes that the heap holds: committed, and not empty.
fn held(state: &State, front: &Frontend) -> usize {
    let untouched = front.untouched.load(Ordering::Relaxed);
    state.accounting.committed.saturating_sub(untouched)
}

/// The heap is about to get another slab: empties pages if it holds more than it may without that.
///
/// # Safety
/// 1. The heap's lock is held and `state` is its state; no bucket's is.
pub unsafe fn before_growth(heap: &Heap, state: &mut State, front: &Frontend) {
    let before = held(state, front);
    if before < state.next_emptying.max(LEAST) {
        return;
    }
    // SAFETY: (1).
    unsafe { empty_pages(heap, front) };
    let after = held(state, front);
    state.next_emptying = before.max(after + (after / PART).max(LEAST));
}

/// Empties what can be.
///
/// # Safety
/// 1. The heap's lock is held; no bucket's is.
pub unsafe fn empty_all(heap: &Heap) {
    if let Some(front) = heap.frontend() {
        // SAFETY: (1).
        unsafe { empty_pages(heap, front) };
    }
}

/// # Safety
/// 1. As for [`empty_all`].
#[cold]
unsafe fn empty_pages(heap: &Heap, front: &Frontend) {
    let empty = |at: usize, bytes: usize| {
        let emptied = NonNull::new(at as *mut u8)
            // SAFETY: committed pages of a slab, all of whose slots stay free meanwhile.
            .is_some_and(|at| unsafe { heap.settings.vm.empty(at, bytes) });
        if emptied {
            front.untouched.fetch_add(bytes, Ordering::Relaxed);
        }
        emptied
    };
    for bucket in &front.buckets {
        bucket.lock.enter();
        // SAFETY: the lock is held.
        let mut next = NonNull::new(unsafe { bucket.state() }.partial);
        while let Some(slab) = next {
            // SAFETY: listed slabs are live; the lock is held.
            unsafe {
                Slab::empty_pages(slab, empty);
                next = NonNull::new(slab.as_ref().next);
            }
        }
        bucket.lock.leave();
    }
}
