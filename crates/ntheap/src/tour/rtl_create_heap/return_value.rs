//! The part on what comes back.

use super::{of, sizes};
use crate::tour::calls::{CallerMemory, Heap, Resource, RtlCreateHeap, process_heaps, shown};
use crate::tour::exhausted::Memory;
use crate::tour::row::Tour;

/// Goes through the part.
pub fn return_value(tour: &mut Tour, memory: &Memory) {
    tour.section("Return value");
    let call = sizes(0, 0);
    let heap = call.call();
    let met = of(&heap, |heap| {
        heap.allocate(10)
            .is_some_and(|block| heap.size(block) == 10)
    });
    tour.row(
        "\"returns a handle to be used in accessing the created heap\"",
        format!("{call}, RtlAllocateHeap(heap, 0, 10), RtlSizeHeap(heap, 0, block)"),
        (
            format!("{}, a block of 10 bytes", shown(&heap)),
            met == Some(true),
        ),
    );
    drop(heap);

    let null = |tour: &mut Tour, statement, call: &RtlCreateHeap<'_>| {
        let heap = call.call();
        tour.row(statement, call, (shown(&heap), heap.is_none()));
    };
    null(
        tour,
        "NULL: \"Invalid parameter combinations (for example, incompatible flags)\"",
        &RtlCreateHeap {
            parameters: vec![("CommitRoutine", 1)],
            ..sizes(0, 0)
        },
    );
    null(
        tour,
        "NULL: \"Memory allocation failures\"",
        &sizes(usize::MAX / 2, 0),
    );
    let region = CallerMemory::new(0x10_0000, true);
    null(
        tour,
        "NULL: \"Virtual memory query failures\"",
        &RtlCreateHeap {
            base: Some((&region, 0x1_0000)),
            ..RtlCreateHeap::default()
        },
    );
    let resource = Resource::uninitialised();
    null(
        tour,
        "NULL: \"Lock initialization failures\"",
        &RtlCreateHeap {
            lock: Some(&resource),
            ..sizes(0, 0)
        },
    );
    null(
        tour,
        "NULL: \"Heap segment initialization failures\"",
        &RtlCreateHeap {
            base: Some((&region, 0)),
            parameters: vec![
                ("CommitRoutine", 1),
                ("InitialCommit", 0x2000),
                ("InitialReserve", 0x1000),
            ],
            ..RtlCreateHeap::default()
        },
    );
    list_insertion(tour, memory);
}

/// The list of heaps is kept in memory too. A creation that has to extend it is made with each
/// piece of memory it asks for refused in turn; one of them is the list's.
fn list_insertion(tour: &mut Tour, memory: &Memory) {
    let call = sizes(0, 0);
    // So many that the list and the records of heaps have to grow while they are made.
    let mut heaps: Vec<Heap<'_>> = Vec::new();
    let (mut refused, mut wrong) = (0, 0);
    for _ in 0..300 {
        let before = process_heaps();
        for n in 1.. {
            let (heap, was_refused) = memory.refusing(n, || call.call());
            match heap {
                None if was_refused && process_heaps() == before => refused += 1,
                None => wrong += 1,
                Some(heap) => {
                    wrong += u32::from(process_heaps() != before + 1);
                    heaps.push(heap);
                    break;
                }
            }
        }
    }
    tour.row(
        "NULL: \"Process heap list insertion failures\"",
        format!("300 x {call}, each piece of memory it asks for refused in turn"),
        (
            format!("NULL {refused} times, and each time no heap more in the list; then a handle"),
            refused > 300 && wrong == 0 && heaps.len() == 300,
        ),
    );
}
