//! The reference page of `RtlCreateHeap`, statement by statement: one file for each part.

mod flags;
mod parameters;
mod remarks;
mod return_value;

use super::calls::{GROWABLE, Heap, RtlCreateHeap};
use super::exhausted::Memory;
use super::row::Tour;

/// Goes through the document.
pub fn visit(tour: &mut Tour, memory: &Memory) {
    tour.document("RtlCreateHeap, reference page");
    description(tour);
    flags::flags(tour);
    parameters::heap_base(tour);
    parameters::reserve_and_commit(tour);
    parameters::lock(tour);
    parameters::parameters(tour);
    return_value::return_value(tour, memory);
    remarks::remarks(tour);
}

fn description(tour: &mut Tour) {
    tour.section("Description");
    let call = sizes(0, 0);
    let heap = call.call();
    let region = of(&heap, Heap::region);
    let met = region.is_some_and(|region| Some(region.heap) == of(&heap, Heap::handle));
    tour.row(
        "\"reserves space in the virtual address space of the process and allocates physical \
         storage for a specified initial portion of this block\"",
        format!("{call}, rtlheap_vm_query(handle)"),
        (
            region.map_or("NULL".to_owned(), |region| {
                format!(
                    "a reservation of {:#x} bytes at {:#x}",
                    region.size, region.base
                )
            }),
            met,
        ),
    );
}

/// A growable heap with the sizes given.
fn sizes(reserve: usize, commit: usize) -> RtlCreateHeap<'static> {
    RtlCreateHeap {
        flags: GROWABLE,
        reserve,
        commit,
        ..RtlCreateHeap::default()
    }
}

/// A heap that cannot grow.
fn fixed(reserve: usize) -> RtlCreateHeap<'static> {
    RtlCreateHeap {
        reserve,
        ..RtlCreateHeap::default()
    }
}

fn of<'a, 'h, R>(heap: &'a Option<Heap<'h>>, ask: impl FnOnce(&'a Heap<'h>) -> R) -> Option<R> {
    heap.as_ref().map(ask)
}
