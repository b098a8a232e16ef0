//! Counting blocks by tags.

use super::super::row::Tour;
use super::calls::{allocate, create_tag, destroy, free, query_tag, tagged_heap};

/// Where the flags of an allocation have its tag.
const SHIFT: u32 = 18;
/// Pseudo tags have this bit.
const PSEUDO: u16 = 0x8000;

pub fn visit(tour: &mut Tour) {
    tour.section("Tags");
    let heap = tagged_heap();
    let tag = create_tag(heap, "TOUR!", "Stop");
    tour.row(
        "5.2: RtlCreateTagHeap returns the tag as an allocation's flags have it, in bits 18 to 29",
        "RtlCreateHeap with tagging, RtlCreateTagHeap(heap, 0, L\"TOUR!\", L\"Stop\\0\")",
        (format!("{tag:#x}"), tag == 1 << SHIFT),
    );
    let blocks = [allocate(heap, tag, 100), allocate(heap, tag, 50)];
    let freed = free(heap, blocks[0]);
    let counted = query_tag(heap, 1);
    tour.row(
        "5.2: RtlQueryTagHeap has a tag's name, and what was allocated and freed under it",
        "HeapAlloc(heap, tag, 100), HeapAlloc(heap, tag, 50), HeapFree of the first, \
         RtlQueryTagHeap(heap, 0, 1)",
        (
            format!("{counted:?}"),
            freed && counted == ("TOUR!Stop".into(), 2, 1, 50),
        ),
    );
    allocate(heap, 0, 100);
    let granules = (100usize + 8).div_ceil(rtl_heap::GRANULE) as u16;
    let counted = query_tag(heap, PSEUDO | granules);
    tour.row(
        "5.2: blocks without a tag are collected by size, under pseudo tags",
        format!("HeapAlloc(heap, 0, 100), RtlQueryTagHeap(heap, 0, 0x8000 | {granules})"),
        (format!("{counted:?}"), counted.1 == 1 && counted.3 == 100),
    );
    destroy(heap);
}
