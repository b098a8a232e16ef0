//! The debug heap and page heap, which NtGlobalFlag makes of every heap.

use rtlheap::debug_heap::{rtlheap_set_global_flags, rtlheap_set_page_heap};

use super::super::calls::{Heap, HeapCreate};
use super::super::row::Tour;
use super::P;
use super::calls::{allocate, byte, change_byte, free, is_valid, reallocate, word};

/// Tail checks, free checks, validation of parameters.
const UNDER_A_DEBUGGER: u32 = 0x70;
const TAIL_CHECK: u32 = 0x10;
const FREE_CHECK: u32 = 0x20;
const PAGE_HEAP: u32 = 0x0200_0000;
const ZERO_MEMORY: u32 = 8;
const PAGE: usize = 0x1000;

pub fn visit(tour: &mut Tour) {
    tour.section("The debug heap");
    flags(tour);
    tails(tour);
    free_memory(tour);
    page_heap(tour);
}

/// A heap made under a global flag, and the calls as they are written down.
fn heap_under(flags: u32) -> (Option<Heap<'static>>, String) {
    let create = HeapCreate::default();
    let before = rtlheap_set_global_flags(flags);
    let heap = create.call();
    rtlheap_set_global_flags(before);
    (
        heap,
        format!("rtlheap_set_global_flags({flags:#x}), {create}"),
    )
}

/// `Flags` and `ForceFlags` of a heap's header.
fn flags_of(heap: &Heap<'_>) -> (u32, u32) {
    let at = heap.handle() + if P == 8 { 0x70 } else { 0x40 };
    (word(at), word(at + 4))
}

fn flags(tour: &mut Tour) {
    let (heap, calls) = heap_under(UNDER_A_DEBUGGER);
    let flags = heap.as_ref().map(flags_of);
    let said = flags.map(|(flags, force)| format!("Flags {flags:#x}, ForceFlags {force:#x}"));
    tour.row(
        "10.1, 10.2: NtGlobalFlag is in the flags of every heap, which its header shows",
        calls,
        (
            said.unwrap_or_default(),
            flags == Some((0x4000_1062, 0x4000_0060)),
        ),
    );
}

fn tails(tour: &mut Tour) {
    let (heap, calls) = heap_under(TAIL_CHECK);
    let found = heap.map(|heap| {
        let heap = heap.handle();
        let block = allocate(heap, ZERO_MEMORY, 17);
        let tail = [17, 18, 19].map(|at| byte(block + at));
        change_byte(block + 17, 0xCC);
        let damaged = is_valid(heap);
        change_byte(block + 17, 0xAB);
        let repaired = is_valid(heap) && reallocate(heap, 0, block, 14) != 0;
        (tail, damaged, repaired)
    });
    let said = found.map(|(tail, damaged, repaired)| {
        format!(
            "bytes 17 to 19 are {tail:#x?}; whole when damaged: {damaged}, repaired: {repaired}"
        )
    });
    tour.row(
        "C348, C168, C169: 0xAB stands behind a block, and HeapValidate sees when it does not",
        format!("{calls}, HeapAlloc(heap, HEAP_ZERO_MEMORY, 17)"),
        (
            said.unwrap_or_default()
                .replace('\n', "")
                .replace("    ", " "),
            found == Some(([0xAB; 3], false, true)),
        ),
    );
}

fn free_memory(tour: &mut Tour) {
    let (heap, calls) = heap_under(FREE_CHECK);
    let found = heap.map(|heap| {
        let heap = heap.handle();
        let block = allocate(heap, 0, 37);
        let fresh = word(block);
        let freed = free(heap, block);
        let at = block + 16;
        let after = word(at);
        change_byte(at, 0xCC);
        let damaged = is_valid(heap);
        change_byte(at, 0xEE);
        (fresh, after, damaged, freed && is_valid(heap))
    });
    let said = found.map(|(fresh, after, damaged, repaired)| {
        format!("{fresh:#x}, {after:#x}; whole when damaged: {damaged}, repaired: {repaired}")
    });
    tour.row(
        "C352, C354, C170, C171: new memory is 0xBAADF00D, free memory 0xFEEEFEEE, and watched",
        format!("{calls}, HeapAlloc(heap, 0, 37), HeapFree(heap, 0, block)"),
        (
            said.unwrap_or_default(),
            found == Some((0xBAAD_F00D, 0xFEEE_FEEE, false, true)),
        ),
    );
}

fn page_heap(tour: &mut Tour) {
    rtlheap_set_page_heap(1);
    let (heap, calls) = heap_under(PAGE_HEAP);
    let found = heap.as_ref().map(|heap| {
        let (flags, force) = flags_of(heap);
        let shown = (0..8)
            .chain(PAGE - 8..PAGE)
            .all(|at| byte(heap.handle() + at) == 0xEE);
        (flags, force, shown)
    });
    let said = found.map(|(flags, force, shown)| {
        format!("Flags {flags:#x}, ForceFlags {force:#x}, both ends of the page 0xEE: {shown}")
    });
    tour.row(
        "C356, C357: of a page heap the first page shows the flags and nothing else",
        calls.clone(),
        (
            said.unwrap_or_default(),
            found == Some((0x0100_1002, 0x0100_1002, true)),
        ),
    );
    let ends = heap
        .map(|heap| [16, 160, 4096].map(|size| (allocate(heap.handle(), 0, size) + size) % PAGE));
    tour.row(
        "10.6: its blocks end where a page ends; the next one faults",
        format!("{calls}, HeapAlloc(heap, 0, size) with 16, 160, 4096"),
        (
            format!("{ends:?}: bytes from the last page boundary to the blocks' ends"),
            ends == Some([0; 3]),
        ),
    );
}
