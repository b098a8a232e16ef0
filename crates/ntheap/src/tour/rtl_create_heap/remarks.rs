//! The remarks: growth, limits, large blocks.

use super::{fixed, of, sizes};
use crate::tour::calls::{Heap, PAGE, RtlCreateHeap, query};
use crate::tour::row::Tour;

/// The largest block of a heap that cannot grow, in bytes.
const LARGEST: usize = 0x7_F000;

/// Goes through the part.
pub fn remarks(tour: &mut Tour) {
    tour.section("Remarks");
    let call = sizes(0x4_0000, 0x1000);
    let heap = call.call();
    let before = of(&heap, Heap::committed).unwrap_or(0);
    let block = of(&heap, |heap| heap.allocate(0x1_0000)).flatten();
    let after = of(&heap, Heap::committed).unwrap_or(0);
    let same = block
        .and_then(|block| query(block.address))
        .map(|region| region.base)
        == of(&heap, Heap::handle);
    tour.row(
        "\"Pages that are reserved but uncommitted create a block in the process's virtual address \
         space into which the heap can expand\"; \"the system commits additional pages\"",
        format!("{call}, RtlAllocateHeap(heap, 0, 0x10000)"),
        (
            format!("{before:#x} bytes committed before, {after:#x} after, in one reservation"),
            before == PAGE && after >= 0x1_0000 && same,
        ),
    );

    let call = fixed(0x4_0000);
    let heap = call.call();
    let total = of(&heap, |heap| heap.exhaust(0x1000, 1000).len() * 0x1000).unwrap_or(0);
    tour.row(
        "\"If the heap is nongrowable, its maximum size is limited to its initial reserve size.\"",
        format!("{call}, RtlAllocateHeap(heap, 0, 0x1000) until NULL"),
        (
            format!("{total:#x} bytes, then NULL"),
            (0x3_0000..0x4_0000).contains(&total),
        ),
    );

    let call = sizes(0x1_0000, 0);
    let heap = call.call();
    let total = of(&heap, |heap| heap.exhaust(0x1_0000, 2048).len() * 0x1_0000).unwrap_or(0);
    tour.row(
        "\"If the heap is growable, its size is limited only by available memory.\"",
        format!("{call}, 2048 x RtlAllocateHeap(heap, 0, 0x10000)"),
        (format!("{total:#x} bytes"), total == 2048 * 0x1_0000),
    );

    largest_blocks(tour);

    let call = fixed(0x1_0000);
    let heap = call.call();
    let block = of(&heap, |heap| heap.allocate(0x1_0000)).flatten();
    tour.row(
        "\"if RtlAllocateHeap requests 64 kilobytes (K) from a heap with a maximum size of 64K, the \
         request may fail because of system overhead\"",
        format!("{call}, RtlAllocateHeap(heap, 0, 0x10000)"),
        (block.map_or("NULL", |_| "a block"), heap.is_some() && block.is_none()),
    );
}

fn largest_blocks(tour: &mut Tour) {
    let attempt = |call: &RtlCreateHeap<'_>, sizes: [usize; 2]| {
        let heap = call.call();
        sizes.map(|size| of(&heap, |heap| heap.allocate(size)).flatten().is_some())
    };
    let yes_no = |granted: bool| if granted { "a block" } else { "NULL" };

    // A block within a page of the limit "may fail"; no size there is asked for.
    let call = fixed(0x40_0000);
    let sizes_asked = [LARGEST - 2 * PAGE, LARGEST + 1];
    let [below, above] = attempt(&call, sizes_asked);
    tour.row(
        "\"if the heap is nongrowable ... the maximum size of a memory block in the heap is 0x7F000 \
         bytes\"",
        format!("{call}, RtlAllocateHeap(heap, 0, {:#x}), (.., {:#x})", sizes_asked[0], sizes_asked[1]),
        (format!("{}, {}", yes_no(below), yes_no(above)), below && !above),
    );

    let call = RtlCreateHeap {
        parameters: vec![("VirtualMemoryThreshold", 0x1_0000)],
        ..fixed(0x40_0000)
    };
    let [below, above] = attempt(&call, [0xE000, 0x1_0001]);
    let raised = RtlCreateHeap {
        parameters: vec![("VirtualMemoryThreshold", 0x10_0000)],
        ..fixed(0x40_0000)
    };
    let [_, over] = attempt(&raised, [0, LARGEST + 1]);
    tour.row(
        "\"The virtual memory threshold of the heap is equal to the maximum heap block size or the \
         value of the VirtualMemoryThreshold member ..., whichever is less.\"",
        format!(
            "{call}, RtlAllocateHeap(heap, 0, 0xE000), (.., 0x10001); the same with 0x100000, \
             RtlAllocateHeap(heap, 0, {:#x})",
            LARGEST + 1
        ),
        (
            format!("{}, {}; {}", yes_no(below), yes_no(above), yes_no(over)),
            below && !above && !over,
        ),
    );

    let call = sizes(0, 0);
    let heap = call.call();
    let block = of(&heap, |heap| heap.allocate(0x100_0000)).flatten();
    let region = block.and_then(|block| query(block.address));
    let own = region.is_some_and(|region| {
        Some(region.heap) == of(&heap, Heap::handle)
            && Some(region.base) != of(&heap, Heap::handle)
            && region.size >= 0x100_0000
    });
    tour.row(
        "\"If the heap is growable, requests to allocate blocks larger than the heap's virtual \
         memory threshold do not automatically fail; the system calls ZwAllocateVirtualMemory\"",
        format!("{call}, RtlAllocateHeap(heap, 0, 0x1000000), rtlheap_vm_query(block)"),
        (
            region.map_or("NULL".to_owned(), |region| {
                format!(
                    "a block in a reservation of its own, of {:#x} bytes",
                    region.size
                )
            }),
            own,
        ),
    );
}
