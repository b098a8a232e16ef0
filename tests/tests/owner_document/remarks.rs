//! The remarks: limits, growth, overhead, serialisation.

use super::*;

#[test]
fn row_initial_sizes_leave_room_to_expand() {
    let heap = sized(0, 0x4_0000, 0x1000);
    assert_eq!(committed(&heap), 0x1000);
    let _ = heap.alloc(0, 0x2_0000);
    assert!(committed(&heap) >= 0x2_1000);
    assert!(committed(&heap) < 0x4_0000);
}

#[test]
fn row_a_nongrowable_heap_is_limited_to_its_initial_reserve() {
    let heap = sized(0, 0x4_0000, 0x1000);
    let mut total = 0;
    while let Some(block) = heap.try_alloc(0, 0x1000) {
        assert!(block.address() + block.size() <= heap.address() + 0x4_0000);
        total += block.size();
    }
    assert!((0x3_8000..0x4_0000).contains(&total), "{total:#x}");
    assert_eq!(reserved(&heap), 0x4_0000);
}

#[test]
fn row_a_growable_heap_is_limited_by_memory_only() {
    let heap = sized(HEAP_GROWABLE, 0x1000, 0x1000);
    for _ in 0..1024 {
        let mut block = heap.alloc(0, 0x1_0000);
        block.bytes_mut()[0xFFFF] = 1;
    }
}

#[test]
fn row_the_largest_block_of_a_nongrowable_heap() {
    let heap = sized(0, 0x40_0000, 0);
    heap.assert_no_memory(0, LARGEST_BLOCK + 1);
    heap.assert_no_memory(0, 0x10_0000);
    // Requests within a page of the limit may fail; smaller ones do not.
    let mut block = heap.alloc(0, LARGEST_BLOCK - PAGE);
    block.write_pattern(5);
    assert!(block.has_pattern(5, LARGEST_BLOCK - PAGE));
}

#[test]
fn row_the_largest_block_of_a_nongrowable_heap_with_a_threshold() {
    let parameters = RTL_HEAP_PARAMETERS {
        VirtualMemoryThreshold: 0x1_0000,
        ..NONE
    };
    let heap = create(0, null_mut(), 0x40_0000, 0, null_mut(), Some(&parameters));
    let heap = TestHeap::adopt(heap);
    heap.assert_no_memory(0, 0x1_0001);
    let _ = heap.alloc(0, 0xF000);
}

#[test]
fn row_a_growable_heap_takes_larger_blocks_from_the_system() {
    let heap = sized(HEAP_GROWABLE, 0, 0);
    for size in [LARGEST_BLOCK + 1, 0x10_0000, 0x200_0000] {
        let mut block = heap.alloc(0, size);
        let reservation = vm::reservation_at(block.address()).expect("a reservation");
        assert_ne!(reservation.base, heap.address());
        assert_eq!(
            block.address(),
            reservation.base + 8 * P,
            "it has its own reservation"
        );
        block.bytes_mut()[size - 1] = 1;
        heap.free(block);
        assert_ne!(
            vm::reservation_at(reservation.base),
            Some(reservation),
            "it is given back"
        );
    }
}

#[test]
fn row_overhead_makes_64k_of_64k_fail() {
    let heap = sized(0, 0x1_0000, 0);
    let (pointer, error) = observe(|| RtlAllocateHeap(heap.handle(), 0, 0x1_0000));
    assert!(pointer.is_null());
    assert_eq!(error, error::ERROR_NOT_ENOUGH_MEMORY);
    let _ = heap.alloc(0, 0xE000);
}

#[test]
fn row_serialisation_lets_threads_share_a_heap() {
    let heap = sized(HEAP_GROWABLE, 0, 0);
    thread::scope(|scope| {
        for seed in 0..4 {
            let heap = &heap;
            scope.spawn(move || {
                let mut blocks: Vec<Block<'_>> = Vec::new();
                for round in 0..2000 {
                    let mut block = heap.alloc(0, (round * 37 + usize::from(seed)) % 3000);
                    block.write_pattern(seed);
                    blocks.push(block);
                    if blocks.len() > 50 {
                        let block = blocks.swap_remove(round % 50);
                        assert!(block.has_pattern(seed, block.size()));
                        heap.free(block);
                    }
                }
                for block in blocks {
                    assert!(block.has_pattern(seed, block.size()));
                    heap.free(block);
                }
            });
        }
    });
}

#[test]
fn row_no_serialize_is_safe_with_the_caller_s_own_exclusion() {
    let heap = std::sync::Mutex::new(sized(HEAP_GROWABLE | HEAP_NO_SERIALIZE, 0, 0));
    thread::scope(|scope| {
        for seed in 0..4 {
            let heap = &heap;
            scope.spawn(move || {
                for round in 0..500 {
                    let heap = heap.lock().expect("no thread fails");
                    let mut block = heap.alloc(0, round);
                    block.write_pattern(seed);
                    assert!(block.has_pattern(seed, round));
                    heap.free(block);
                }
            });
        }
    });
}
