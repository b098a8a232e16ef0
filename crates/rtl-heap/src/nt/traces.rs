//! Stack back traces by handle: who allocated a block, and what is recorded.

use crate::flags::HeapFlags;
use crate::frontend::slots;
use crate::heap::Heap;
use crate::nt::{HeapHandle, conclude, entered_heap, is_reentrant};
use crate::stack_database::{self, DEEPEST};
use crate::status::Status;
use crate::verify::check;

pub use crate::stack_database::Extent as TraceExtent;

/// Stores the stack of whoever allocated the block at `pointer`, any bit pattern, or last gave it
/// another size: return addresses, innermost first. Says how many there are; 0 when none were
/// recorded.
///
/// # Errors
/// `INVALID_PARAMETER` for what is no live block of the heap; `INVALID_HANDLE` for what is no heap.
///
/// # Source
/// Our choice: NT keeps them for debuggers.
pub fn block_trace(
    heap: HeapHandle,
    flags: HeapFlags,
    pointer: *const u8,
    frames: &mut [usize],
) -> Result<usize, Status> {
    let heap = entered_heap(heap)?;
    if let Some(found) = slots::requested(heap, pointer as usize) {
        // Slots have no traces: heaps that take them have no front end.
        return found.map(|_| 0).map_err(|failure| conclude(failure.into()));
    }
    let mut guard = heap.enter(flags);
    if is_reentrant(&guard) {
        return Err(Status::INVALID_PARAMETER);
    }
    let (heap, state) = guard.parts();
    // SAFETY: the guard holds the lock.
    let located = unsafe { check::for_call(heap, state, pointer as usize) };
    let trace = state.traces.get(pointer as usize).unwrap_or_default();
    drop(guard);
    located.map_err(|failure| conclude(failure.into()))?;
    for (frame, address) in frames.iter_mut().zip(trace) {
        *frame = *address;
    }
    Ok(trace.len())
}

/// Records who allocates from now on, or ceases to. What was recorded stays.
///
/// # Errors
/// `UNSUCCESSFUL` for a heap that was not made to record; `INVALID_HANDLE` for what is no heap.
pub fn record_traces(heap: HeapHandle, records: bool) -> Result<(), Status> {
    let heap = Heap::at(heap.0).ok_or(Status::INVALID_HANDLE)?;
    let able = HeapFlags::CAPTURE_STACK_BACKTRACES;
    if !heap.settings.flags.contains(able) {
        return Err(Status::UNSUCCESSFUL);
    }
    let mut guard = heap.enter(HeapFlags::empty());
    let (_, state) = guard.parts();
    state.traces.records = records;
    Ok(())
}

/// How deep the traces of the process go, and of which blocks they are taken.
pub fn trace_extent() -> TraceExtent {
    stack_database::Extent::get()
}

/// Sets [`trace_extent`] for the traces taken from now on.
///
/// # Errors
/// `INVALID_PARAMETER` for a depth of 0 or above 32, and for a smallest block larger than the
/// largest.
pub fn set_trace_extent(extent: TraceExtent) -> Result<(), Status> {
    let sound = (1..=DEEPEST as u32).contains(&extent.depth) && extent.smallest <= extent.largest;
    if !sound {
        return Err(Status::INVALID_PARAMETER);
    }
    extent.set();
    Ok(())
}
