//! `Parameters`, member by member.

use super::*;

/// A growable heap of the default size with parameters.
fn with(parameters: RTL_HEAP_PARAMETERS) -> TestHeap {
    TestHeap::adopt(create(
        HEAP_GROWABLE,
        null_mut(),
        0,
        0,
        null_mut(),
        Some(&parameters),
    ))
}

#[test]
fn row_parameters_all_zero_are_the_defaults() {
    let heap = with(NONE);
    assert_eq!((reserved(&heap), committed(&heap)), (64 * PAGE, PAGE));
}

/// The reservations behind the first, in the order blocks of 0x10000 bytes come to lie in them.
fn later_segments(heap: &TestHeap, count: usize) -> Vec<usize> {
    let mut seen = vec![vm::reservation_at(heap.address()).expect("the first segment")];
    while seen.len() <= count {
        let block = heap.alloc(0, 0x1_0000);
        let reservation = vm::reservation_at(block.address()).expect("a segment");
        if !seen.contains(&reservation) {
            seen.push(reservation);
        }
    }
    seen[1..]
        .iter()
        .map(|reservation| reservation.size)
        .collect()
}

#[test]
fn row_parameters_segment_reserve() {
    assert_eq!(later_segments(&with(NONE), 1), [0x10_0000]);
    let heap = with(RTL_HEAP_PARAMETERS {
        SegmentReserve: 0x20_0000,
        ..NONE
    });
    assert_eq!(later_segments(&heap, 1), [0x20_0000]);
    let heap = with(RTL_HEAP_PARAMETERS {
        SegmentReserve: 0x4_0000,
        ..NONE
    });
    assert_eq!(later_segments(&heap, 1), [0x4_0000]);
}

#[test]
fn row_parameters_segment_commit() {
    let growth = |parameters| {
        let heap = with(parameters);
        let before = committed(&heap);
        // One page more than there is.
        let _ = heap.alloc(0, PAGE);
        committed(&heap) - before
    };
    assert_eq!(growth(NONE), 0x2000);
    assert_eq!(
        growth(RTL_HEAP_PARAMETERS {
            SegmentCommit: 0x8000,
            ..NONE
        }),
        0x8000
    );
}

/// Whether the middle of a freed block of 0x20000 bytes is still committed.
fn stays_committed(parameters: RTL_HEAP_PARAMETERS) -> bool {
    let heap = with(parameters);
    let block = heap.alloc(0, 0x2_0000);
    let _wall = heap.alloc(0, 16);
    let middle = block.address() + 0x1_0000;
    assert!(vm::is_committed(middle));
    heap.free(block);
    vm::is_committed(middle)
}

#[test]
fn row_parameters_decommit_free_block_threshold() {
    assert!(!stays_committed(NONE));
    assert!(stays_committed(RTL_HEAP_PARAMETERS {
        DeCommitFreeBlockThreshold: 0x4_0000,
        ..NONE
    }));
}

#[test]
fn row_parameters_decommit_total_free_threshold() {
    assert!(stays_committed(RTL_HEAP_PARAMETERS {
        DeCommitTotalFreeThreshold: 0x10_0000,
        ..NONE
    }));
    let both = RTL_HEAP_PARAMETERS {
        DeCommitFreeBlockThreshold: 0x1000,
        DeCommitTotalFreeThreshold: 0x1000,
        ..NONE
    };
    assert!(!stays_committed(both));
}

#[test]
fn row_parameters_maximum_allocation_size() {
    let heap = with(RTL_HEAP_PARAMETERS {
        MaximumAllocationSize: 0x2000,
        ..NONE
    });
    let block = heap.alloc(0, 0x1000);
    heap.assert_no_memory(0, 0x2001);
    heap.assert_no_memory(0, 0x20_0000);
    heap.assert_resize_refused(0, &block, 0x4000);
}

#[test]
fn row_parameters_virtual_memory_threshold() {
    let has_own_reservation = |heap: &TestHeap, size| {
        let block = heap.alloc(0, size);
        let reservation = vm::reservation_at(block.address()).expect("a reservation");
        block.address() == reservation.base + 8 * P
    };
    let lower = RTL_HEAP_PARAMETERS {
        VirtualMemoryThreshold: 0x8000,
        ..NONE
    };
    let heap = with(lower);
    assert!(!has_own_reservation(&heap, 0x7000));
    assert!(has_own_reservation(&heap, 0x8001));
    let fixed = create(0, null_mut(), 0x10_0000, 0, null_mut(), Some(&lower));
    let fixed = TestHeap::adopt(fixed);
    let _ = fixed.alloc(0, 0x7000);
    fixed.assert_no_memory(0, 0x8001);
    // Whichever is less: a greater value does not raise the limit.
    let greater = RTL_HEAP_PARAMETERS {
        VirtualMemoryThreshold: 0x100_0000,
        ..NONE
    };
    assert!(has_own_reservation(&with(greater), LARGEST_BLOCK + 1));
}

#[test]
fn row_parameters_initial_commit_and_reserve_and_commit_routine() {
    let region = Region::reserve(0x8_0000);
    region.commit(0, 0x2000);
    commit::behave(Manner::Obey);
    commit::asked();
    let parameters = RTL_HEAP_PARAMETERS {
        InitialReserve: 0x4_0000,
        ..commit::parameters(&region, 0x2000)
    };
    // The sizes of the call are replaced by those of the parameters.
    let heap = create(
        0,
        region.base(),
        0x1000,
        0x8_0000,
        null_mut(),
        Some(&parameters),
    );
    assert_eq!(heap, region.base());
    let heap = TestHeap::adopt(heap);
    let mut total = 0;
    while let Some(mut block) = heap.try_alloc(0, 0x800) {
        block.write_pattern(4);
        assert!(block.address() + block.size() <= region.address() + 0x4_0000);
        total += block.size();
    }
    assert!(total >= 0x3_8000, "{total:#x}");
    let asked = commit::asked();
    assert!(!asked.is_empty());
    for call in asked {
        assert_eq!(call.base, region.address());
        assert!(
            call.address >= region.address() + 0x2000,
            "that was committed already"
        );
        assert!(call.address + call.size <= region.address() + 0x4_0000);
    }
}
