//! `HeapBase`.

use super::*;

#[test]
fn row_heap_base_is_the_memory_used() {
    let region = Region::committed(0x4_0000);
    let heap = create(0, region.base(), 0x4_0000, 0x4_0000, null_mut(), None);
    assert_eq!(heap, region.base());
    let heap = TestHeap::adopt(heap);
    let mut total = 0;
    while let Some(mut block) = heap.try_alloc(0, 0x1000) {
        assert!(region.contains(block.address(), block.size()));
        block.write_pattern(1);
        total += block.size();
    }
    assert!(total >= 0x3_8000, "{total:#x}");
}

#[test]
fn row_heap_base_of_reserved_memory_is_committed_by_the_heap() {
    let region = Region::reserve(0x4_0000);
    let heap = create(0, region.base(), 0x4_0000, PAGE, null_mut(), None);
    assert_eq!(heap, region.base());
    let heap = TestHeap::adopt(heap);
    let mut block = heap.alloc(0, 0x2_0000);
    assert!(region.contains(block.address(), block.size()));
    block.write_pattern(2);
    assert!(block.has_pattern(2, 0x2_0000));
}

#[test]
fn row_heap_base_may_be_any_memory_of_the_caller() {
    let memory = Box::new(Plain(UnsafeCell::new([0xCC; 0x4_0000])));
    let base: *mut c_void = memory.0.get().cast();
    let heap = TestHeap::adopt(create(0, base, 0x4_0000, 0x4_0000, null_mut(), None));
    assert_eq!(heap.handle(), base);
    let mut block = heap.alloc(HEAP_ZERO_MEMORY, 0x2_0000);
    assert!(block.is_filled(0));
    block.write_pattern(3);
    assert!(block.has_pattern(3, 0x2_0000));
    assert!((block.address() - heap.address()) < 0x2_0000);
}

#[test]
fn row_heap_base_may_grow_beyond_the_memory_given() {
    let region = Region::committed(0x2_0000);
    let heap = create(
        HEAP_GROWABLE,
        region.base(),
        0x2_0000,
        0x2_0000,
        null_mut(),
        None,
    );
    let heap = TestHeap::adopt(heap);
    assert_eq!(heap.handle(), region.base());
    let blocks: Vec<_> = (0..64).map(|_| heap.alloc(0, 0x1000)).collect();
    assert!(
        blocks
            .iter()
            .any(|block| region.contains(block.address(), block.size()))
    );
    assert!(
        blocks
            .iter()
            .any(|block| !region.contains(block.address(), block.size()))
    );
    drop(blocks);
    heap.destroy();
    region.probe(0x1_FFFF);
}

#[test]
fn row_heap_base_null_takes_memory_of_the_system() {
    let heap = sized(HEAP_GROWABLE, 0, 0);
    let reservation = vm::reservation_at(heap.address()).expect("a reservation");
    assert_eq!(reservation.base, heap.address());
    let address = heap.address();
    heap.destroy();
    assert_ne!(vm::reservation_at(address), Some(reservation));
}
