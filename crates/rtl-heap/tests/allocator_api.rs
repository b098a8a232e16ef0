//! Collections that live in a private heap.
#![cfg(feature = "allocator-api2")]

use allocator_api2::vec::Vec;
use rtl_heap::Heap;

#[test]
fn a_vector_grows_in_a_private_heap_and_leaves_nothing_behind() {
    let heap = Heap::builder().create().unwrap();
    let mut numbers = Vec::new_in(&heap);
    numbers.extend(0..10_000u64);
    assert_eq!(numbers.iter().sum::<u64>(), 49_995_000);
    assert!(heap.accounting().unwrap().live_bytes >= 80_000);
    drop(numbers);
    assert_eq!(heap.accounting().unwrap().live_blocks, 0);
}
