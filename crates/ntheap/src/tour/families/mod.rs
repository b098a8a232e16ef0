//! What Windows' heap does besides creating heaps, a chapter a family: the statements are lines of
//! the specification, under their numbers.

mod calls;
mod debug_heap;
mod lfh;
mod objects;
mod tags;
mod walk;

use super::row::Tour;

/// Pointer size in bytes.
const P: usize = size_of::<usize>();
/// `HEAP_NO_SERIALIZE`.
const NO_SERIALIZE: u32 = 1;
/// `HEAP_REALLOC_IN_PLACE_ONLY`.
const IN_PLACE_ONLY: u32 = 0x10;

/// Goes through the families.
pub fn visit(tour: &mut Tour) {
    tour.document("\nWhat Windows does, by the lines that the tests are named after");
    walk::visit(tour);
    lfh::visit(tour);
    objects::visit(tour);
    tags::visit(tour);
    debug_heap::visit(tour);
}
