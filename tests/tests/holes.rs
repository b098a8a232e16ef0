//! Free memory of a heap is not left in pieces that nobody can use.
#![cfg(not(all(feature = "oracle", windows)))]

use rtl_heap::HeapFlags;
use rtl_heap::limits::Limits;
use rtl_heap::nt::{self, CreateRequest, HeapHandle};

const NONE: HeapFlags = HeapFlags::empty();
const PAGE: usize = 0x1000;

fn heap(flags: HeapFlags) -> HeapHandle {
    let request = CreateRequest {
        flags: flags | HeapFlags::GROWABLE,
        ..CreateRequest::new(Limits::WINDOWS)
    };
    // SAFETY: no caller memory.
    unsafe { nt::create_heap(&request) }.unwrap()
}

fn free(heap: HeapHandle, block: *mut u8) {
    // SAFETY: nobody uses the block any more.
    unsafe { nt::free(heap, NONE, block) }.unwrap();
}

fn committed(heap: HeapHandle) -> usize {
    nt::accounting(heap).unwrap().committed
}

fn destroy(heap: HeapHandle) {
    // SAFETY: nobody uses it.
    unsafe { nt::destroy_heap(heap) }.unwrap();
}

#[test]
fn a_small_rest_of_a_block_is_not_parked_where_the_front_end_serves_its_size() {
    const SIZE: usize = 20_000;
    let heap = heap(NONE);
    // The front end serves such small ones from here on.
    for _ in 0..40 {
        let block = nt::allocate(heap, NONE, 16).unwrap();
        free(heap, block.as_ptr());
    }
    let before = committed(heap);
    let blocks: Vec<_> = (0..400)
        .map(|_| nt::allocate(heap, NONE, SIZE).unwrap())
        .collect();
    assert!(committed(heap) > before + 400 * SIZE / 2);
    let in_place = HeapFlags::REALLOC_IN_PLACE_ONLY;
    for block in &blocks {
        // SAFETY: the block is ours.
        let same = unsafe { nt::reallocate(heap, in_place, block.as_ptr(), 16) }.unwrap();
        assert_eq!(same, *block);
    }
    for block in blocks {
        free(heap, block.as_ptr());
    }
    let after = committed(heap);
    assert!(after < before + 20 * SIZE, "{before} {after}");
    destroy(heap);
}

#[test]
fn what_was_aligned_and_freed_is_had_again() {
    // With its header such a block fills pages.
    const SIZE: usize = 2 * PAGE - 2 * size_of::<usize>();
    let heap = heap(HeapFlags::NO_SERIALIZE);
    let aligned = || nt::allocate_aligned(heap, NONE, SIZE, PAGE).unwrap();
    let mut blocks: Vec<_> = (0..400).map(|_| aligned()).collect();
    for block in blocks.iter_mut().step_by(2) {
        free(heap, block.as_ptr());
    }
    let reserved = || nt::accounting(heap).unwrap().reserved;
    let (before, of_address_space) = (committed(heap), reserved());
    for block in blocks.iter_mut().step_by(2) {
        *block = aligned();
        assert!((block.as_ptr() as usize).is_multiple_of(PAGE));
    }
    let after = committed(heap);
    assert!(after <= before + 200 * PAGE / 8, "{before} {after}");
    assert_eq!(reserved(), of_address_space);
    for block in blocks {
        free(heap, block.as_ptr());
    }
    destroy(heap);
}
