//! The low-fragmentation heap.

use super::super::calls::{Heap, HeapCreate, last_error};
use super::super::row::Tour;
use super::calls::{allocate, compatibility, free, reallocate, set_compatibility, walk};
use super::{IN_PLACE_ONLY, NO_SERIALIZE, P};

const ERROR_NOT_ENOUGH_MEMORY: u32 = 8;
const ERROR_GEN_FAILURE: u32 = 31;
const ERROR_INVALID_PARAMETER: u32 = 87;

pub fn visit(tour: &mut Tour) {
    tour.section("The low-fragmentation heap");
    let create = HeapCreate::default();
    let Some(heap) = create.call() else {
        return tour.row("a heap", create, ("NULL", false));
    };
    activation(tour, &create, &heap);
    setting(tour);
    its_blocks(tour, &heap);
    walking(tour);
}

fn activation(tour: &mut Tour, create: &HeapCreate, heap: &Heap) {
    let before = compatibility(heap.handle());
    let blocks: Vec<usize> = (0..18).map(|_| allocate(heap.handle(), 0, 0)).collect();
    let freed = blocks.into_iter().all(|block| free(heap.handle(), block));
    let after = compatibility(heap.handle());
    tour.row(
        "C244, C249: a fresh heap has the value 0; 18 requests of one size turn it to 2",
        format!(
            "{create}, HeapQueryInformation(heap, 0), 18 x HeapAlloc(heap, 0, 0), \
             HeapQueryInformation(heap, 0)"
        ),
        (
            format!("{before}, then {after}"),
            (before, after) == (0, 2) && freed,
        ),
    );
}

fn setting(tour: &mut Tour) {
    let create = HeapCreate::default();
    let errors = create.call().map(|heap| {
        let errors = [2, 0, 1].map(|value| set_compatibility(heap.handle(), value));
        (errors, compatibility(heap.handle()))
    });
    tour.row(
        "C245 to C248: it can be turned on, and not off",
        format!("{create}, HeapSetInformation(heap, 0) with 2, 0, 1"),
        (
            format!("{errors:?}: errors, and the value then"),
            errors == Some(([0, ERROR_GEN_FAILURE, ERROR_GEN_FAILURE], 2)),
        ),
    );
    let create = HeapCreate {
        options: NO_SERIALIZE,
        ..HeapCreate::default()
    };
    let error = create.call().map(|heap| {
        (
            set_compatibility(heap.handle(), 2),
            compatibility(heap.handle()),
        )
    });
    tour.row(
        "C250: not in a heap without a lock",
        format!("{create}, HeapSetInformation(heap, 0) with 2"),
        (
            format!("{error:?}: error, and the value then"),
            error == Some((ERROR_INVALID_PARAMETER, 0)),
        ),
    );
}

fn its_blocks(tour: &mut Tour, heap: &Heap) {
    let heap = heap.handle();
    let many: Vec<usize> = (0..40).map(|_| allocate(heap, 0, 12)).collect();
    let block = many[39];
    let in_place = reallocate(heap, IN_PLACE_ONLY, block, 10);
    let error = last_error();
    let moved = reallocate(heap, 0, block, 13);
    tour.row(
        "C145, C146: its blocks never change their size where they are",
        "40 x HeapAlloc(heap, 0, 12), HeapReAlloc(heap, HEAP_REALLOC_IN_PLACE_ONLY, block, 10), \
         HeapReAlloc(heap, 0, block, 13)",
        (
            format!("{in_place:#x} and error {error}; {block:#x} became {moved:#x}"),
            in_place == 0 && error == ERROR_NOT_ENOUGH_MEMORY && moved != 0 && moved != block,
        ),
    );
}

fn walking(tour: &mut Tour) {
    let create = HeapCreate::default();
    let size = 24 + 2 * P;
    let steps = create.call().map(|heap| {
        let heap = heap.handle();
        set_compatibility(heap, 2);
        let round = |count: usize| {
            let blocks: Vec<usize> = (0..count).map(|_| allocate(heap, 0, size)).collect();
            blocks
                .into_iter()
                .all(|block| free(heap, block))
                .then(|| walk(heap).0.len())
        };
        (round(17), round(18))
    });
    let met = matches!(steps, Some((Some(3), Some(more))) if more > 24);
    tour.row(
        "C218, C219: after 17 blocks came and went a walk has 3 entries; after 18 more, over 24: the \
         free slots",
        format!("{create}, 17 and 18 x HeapAlloc(heap, 0, {size}) and HeapFree, HeapWalk(heap)"),
        (format!("{steps:?}"), met),
    );
}
