//! Looking at a heap's blocks.

use super::super::calls::{Heap, HeapCreate};
use super::super::row::Tour;
use super::P;
use super::calls::{Step, allocate, allocated, free, is_valid, walk};

/// `PROCESS_HEAP_REGION`.
const REGION: u16 = 1;
/// `PROCESS_HEAP_UNCOMMITTED_RANGE`.
const UNCOMMITTED: u16 = 2;
/// `PROCESS_HEAP_ENTRY_BUSY`.
const BUSY: u16 = 4;
const ERROR_NO_MORE_ITEMS: u32 = 259;

pub fn visit(tour: &mut Tour) {
    tour.section("Walking a heap");
    let create = HeapCreate::default();
    let Some(heap) = create.call() else {
        return tour.row("a heap to walk", create, ("NULL", false));
    };
    let handle = heap.handle();
    let fresh = the_fresh_heap(tour, &create, &heap);
    a_large_block(tour, handle, &fresh);
    small_blocks(tour, handle);
    sums(tour, handle);
}

fn kinds(steps: &[Step]) -> String {
    let kind = |step: &Step| match step.flags {
        REGION => "region",
        UNCOMMITTED => "uncommitted range",
        BUSY => "busy",
        _ => "free",
    };
    steps.iter().map(kind).collect::<Vec<_>>().join(", ")
}

fn the_fresh_heap(tour: &mut Tour, create: &HeapCreate, heap: &Heap) -> Vec<Step> {
    let (steps, error) = walk(heap.handle());
    let flags: Vec<u16> = steps.iter().map(|step| step.flags).collect();
    tour.row(
        "C185, C192, C194: a fresh heap is a region at the handle, a free block, and a range of \
         pages that are not committed",
        format!("{create}, HeapWalk(heap) to its end"),
        (
            format!("{}; then error {error}", kinds(&steps)),
            flags == [REGION, 0, UNCOMMITTED]
                && steps[0].data == heap.handle()
                && error == ERROR_NO_MORE_ITEMS,
        ),
    );
    let sums = steps
        .first()
        .map(|region| (region.committed, region.uncommitted));
    let (committed, uncommitted) = sums.unwrap_or_default();
    tour.row(
        "C188, C189: 0x400 P bytes of the region are committed, the rest of 0x10000 is not",
        "HeapWalk(heap): the region's dwCommittedSize and dwUnCommittedSize",
        (
            format!("{committed:#x} and {uncommitted:#x}"),
            committed == 0x400 * P && committed + uncommitted == 0x1_0000,
        ),
    );
    steps
}

fn a_large_block(tour: &mut Tour, heap: usize, fresh: &[Step]) {
    let size = 5 * 0x8000 * P;
    let block = allocate(heap, 0, size);
    let (steps, _) = walk(heap);
    let last = steps.last().copied();
    let at_the_end = last.is_some_and(|step| {
        (step.data, step.size, step.flags, step.region) == (block, size, BUSY, 64)
    });
    let same = steps.len() == fresh.len() + 1 && steps[..fresh.len()] == *fresh;
    tour.row(
        "C199 to C203: a large block comes last, in region 64, with its exact size; what was before \
         it is the same byte by byte",
        format!("HeapAlloc(heap, 0, {size:#x}), HeapWalk(heap)"),
        (
            last.map_or("no entry".to_owned(), |step| {
                format!("{:#x} bytes, region {}", step.size, step.region)
            }),
            at_the_end && same,
        ),
    );
    let freed = free(heap, block);
    let (steps, _) = walk(heap);
    tour.row(
        "C205: once it is freed the heap is as it was when it was made",
        "HeapFree(heap, 0, block), HeapWalk(heap)",
        (kinds(&steps), freed && steps == fresh),
    );
}

fn small_blocks(tour: &mut Tour, heap: usize) {
    let blocks = [allocate(heap, 0, 123), allocate(heap, 0, 456)];
    let (steps, _) = walk(heap);
    let [_, first, second, free_block, _] = steps[..] else {
        return tour.row(
            "C210: five entries",
            "HeapWalk(heap)",
            (kinds(&steps), false),
        );
    };
    let adjoin = |busy: Step, next: usize| busy.data + busy.size + busy.overhead == next;
    tour.row(
        "C207 to C212: blocks follow in order of their addresses; data and overhead lead to the next \
         one, and two links further to a free one",
        "HeapAlloc(heap, 0, 123), HeapAlloc(heap, 0, 456), HeapWalk(heap)",
        (
            format!(
                "{} with {} more, {} with {} more, {} free",
                first.size, first.overhead, second.size, second.overhead, free_block.size
            ),
            [first.data, second.data] == blocks
                && [first.size, second.size] == [123, 456]
                && adjoin(first, second.data)
                && adjoin(second, free_block.data - 2 * P),
        ),
    );
}

fn sums(tour: &mut Tour, heap: usize) {
    let (steps, _) = walk(heap);
    let busy: usize = steps
        .iter()
        .filter(|step| step.flags == BUSY)
        .map(|step| step.size)
        .sum();
    let summed = allocated(heap);
    tour.row(
        "C255: cbAllocated is what was asked for and not freed",
        "HeapSummary(heap), HeapWalk(heap), HeapValidate(heap, 0, NULL)",
        (
            format!(
                "{summed} bytes, {busy} in busy entries, valid: {}",
                is_valid(heap)
            ),
            summed == 579 && busy == 579 && is_valid(heap),
        ),
    );
}
