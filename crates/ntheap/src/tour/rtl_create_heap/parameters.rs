//! The parts on the other parameters.

use super::{fixed, of, sizes};
use crate::tour::calls::{
    CallerMemory, GROWABLE, Heap, NO_SERIALIZE, PAGE, Resource, RtlCreateHeap, query, shown,
};
use crate::tour::row::Tour;

/// Goes through the part.
pub fn heap_base(tour: &mut Tour) {
    tour.section("HeapBase");
    let memory = CallerMemory::new(0x10_0000, true);
    let call = RtlCreateHeap {
        base: Some((&memory, 0)),
        ..RtlCreateHeap::default()
    };
    let heap = call.call();
    let inside = memory.address()..memory.address() + 0x10_0000;
    let blocks = of(&heap, |heap| heap.exhaust(0x1000, 100)).unwrap_or_default();
    let met = of(&heap, Heap::handle) == Some(memory.address())
        && blocks.len() == 100
        && blocks.iter().all(|block| inside.contains(&block.address));
    tour.row(
        "\"If HeapBase is a non-NULL value, it specifies the base address for a block of \
         caller-allocated memory to use for the heap\"",
        format!("{call}, 100 x RtlAllocateHeap(heap, 0, 0x1000)"),
        (
            format!(
                "{}, {} blocks in the caller's memory",
                shown(&heap),
                blocks.len()
            ),
            met,
        ),
    );
    drop(heap);

    let call = sizes(0, 0);
    let heap = call.call();
    let met = of(&heap, |heap| {
        let region = heap.region();
        region.base == heap.handle() && region.heap == heap.handle() && region.committed
    });
    tour.row(
        "\"If HeapBase is NULL, RtlCreateHeap allocates system memory for the heap from the \
         process's virtual address space\"",
        format!("{call}, rtlheap_vm_query(handle)"),
        (
            format!("{}, the base of a reservation of its own", shown(&heap)),
            met == Some(true),
        ),
    );
}

/// Goes through the part.
pub fn reserve_and_commit(tour: &mut Tour) {
    tour.section("ReserveSize and CommitSize");
    sized(
        tour,
        "\"rounds ReserveSize up to the next page boundary, and then reserves a block of that size\"",
        &sizes(0x1_2345, 0),
        [0x1_3000, PAGE],
    );
    sized(
        tour,
        "\"rounds CommitSize up to the next page boundary, and then commits a block of that size\"",
        &sizes(0x2_0000, 0x1801),
        [0x2_0000, 2 * PAGE],
    );
    sized(
        tour,
        "zero, zero: \"64 pages are initially reserved for the heap. One page is initially \
         committed.\"",
        &sizes(0, 0),
        [64 * PAGE, PAGE],
    );
    sized(
        tour,
        "zero, nonzero: \"sets ReserveSize to be equal to CommitSize, and then rounds ReserveSize \
         up to the nearest multiple of (PAGE_SIZE * 16)\"",
        &sizes(0, 0x1_1000),
        [32 * PAGE, 0x1_1000],
    );
    sized(
        tour,
        "nonzero, zero: \"One page is initially committed for the heap.\"",
        &sizes(0x5_0000, 0),
        [0x5_0000, PAGE],
    );
    sized(
        tour,
        "nonzero, nonzero: \"If CommitSize is greater than ReserveSize, RtlCreateHeap reduces \
         CommitSize to ReserveSize.\"",
        &fixed_with_commit(0x2_0000, 0x5_0000),
        [0x2_0000, 0x2_0000],
    );
}

/// A row about the bytes reserved and committed.
fn sized(tour: &mut Tour, statement: &'static str, call: &RtlCreateHeap<'_>, expected: [usize; 2]) {
    let heap = call.call();
    let found = of(&heap, |heap| [heap.region().size, heap.committed()]);
    let answer = match found {
        Some([reserved, committed]) => format!(
            "{reserved:#x} bytes reserved ({} pages), {committed:#x} committed ({})",
            reserved / PAGE,
            committed / PAGE
        ),
        None => "NULL".to_owned(),
    };
    tour.row(statement, call, (answer, found == Some(expected)));
}

fn fixed_with_commit(reserve: usize, commit: usize) -> RtlCreateHeap<'static> {
    RtlCreateHeap {
        commit,
        ..fixed(reserve)
    }
}

/// Goes through the part.
pub fn lock(tour: &mut Tour) {
    tour.section("Lock");
    let resource = Resource::initialised();
    let call = RtlCreateHeap {
        lock: Some(&resource),
        ..sizes(0, 0)
    };
    let heap = call.call();
    let block = of(&heap, |heap| {
        heap.lock() && heap.allocate(100).is_some_and(|block| heap.free(block)) && heap.unlock()
    });
    let handle = shown(&heap);
    drop(heap);
    let free = resource.delete();
    tour.row(
        "\"Pointer to an opaque ERESOURCE structure to be used as a resource lock ... initialized by \
         calling ExInitializeResourceLite\"",
        "ExInitializeResourceLite(&resource), RtlCreateHeap(HEAP_GROWABLE, NULL, 0x0, 0x0, \
         &resource, NULL), RtlLockHeap, RtlAllocateHeap, RtlFreeHeap, RtlUnlockHeap, \
         RtlDestroyHeap, ExDeleteResourceLite(&resource)",
        (
            format!("{handle}; the resource was free at the end"),
            block == Some(true) && free,
        ),
    );

    let resource = Resource::initialised();
    let call = RtlCreateHeap {
        flags: GROWABLE | NO_SERIALIZE,
        lock: Some(&resource),
        ..RtlCreateHeap::default()
    };
    let heap = call.call();
    tour.row(
        "\"If the HEAP_NO_SERIALIZE flag is set, this parameter must be NULL.\"",
        &call,
        (shown(&heap), heap.is_none()),
    );
}

/// Goes through the part.
pub fn parameters(tour: &mut Tour) {
    tour.section("Parameters");
    let call = RtlCreateHeap {
        parameters: vec![("SegmentReserve", 0x20_0000)],
        ..sizes(0x1_0000, 0)
    };
    let heap = call.call();
    let second = of(&heap, |heap| {
        let block = heap
            .exhaust(0x8000, 8)
            .into_iter()
            .find(|block| query(block.address).is_some_and(|region| region.base != heap.handle()));
        block
            .and_then(|block| query(block.address))
            .map(|region| region.size)
    });
    tour.row(
        "\"Pointer to a RTL_HEAP_PARAMETERS structure that contains parameters to be applied when \
         creating the heap\"",
        format!("{call}, RtlAllocateHeap(heap, 0, 0x8000) until there is a second segment"),
        (
            format!(
                "a second segment of {:#x} bytes",
                second.flatten().unwrap_or(0)
            ),
            second.flatten() == Some(0x20_0000),
        ),
    );
}
