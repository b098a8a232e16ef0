//! Section 13.8 of the conformance lines: the heap lock and what it holds up.

use core::ffi::c_void;

use rtl_heap_tests::abi::flags::HEAP_NO_SERIALIZE;
use rtl_heap_tests::abi::*;
use rtl_heap_tests::heap::*;
use rtl_heap_tests::threads::{assert_blocks, assert_blocks_until, assert_does_not_block};

fn lock_and_unlock(heap: &TestHeap) {
    assert_eq!(HeapLock(heap.handle()), TRUE);
    assert_eq!(HeapUnlock(heap.handle()), TRUE);
}

fn allocate_and_free(heap: &TestHeap, flags: u32) {
    let pointer = HeapAlloc(heap.handle(), flags, 0);
    assert!(!pointer.is_null());
    assert_eq!(HeapFree(heap.handle(), flags, pointer), TRUE);
}

#[test]
fn c270_lock_and_unlock() {
    lock_and_unlock(&TestHeap::new());
}

#[test]
fn c271_the_lock_without_serialisation_holds_nobody_up() {
    let heap = TestHeap::create(HEAP_NO_SERIALIZE, 0, 0);
    assert_does_not_block(&heap, |heap| {
        assert_eq!(HeapLock(heap.handle()), TRUE);
        allocate_and_free(heap, 0);
        assert_eq!(HeapUnlock(heap.handle()), TRUE);
    });
}

#[test]
fn c272_without_serialisation_allocation_goes_on() {
    let heap = TestHeap::create(HEAP_NO_SERIALIZE, 0, 0);
    assert_does_not_block(&heap, |heap| allocate_and_free(heap, 0));
}

#[test]
fn c273_a_second_lock_waits() {
    assert_blocks(&TestHeap::new(), lock_and_unlock);
}

#[test]
fn c274_allocation_waits() {
    assert_blocks(&TestHeap::new(), |heap| allocate_and_free(heap, 0));
}

#[test]
fn c275_allocation_without_serialisation_does_not_wait() {
    assert_does_not_block(&TestHeap::new(), |heap| {
        allocate_and_free(heap, HEAP_NO_SERIALIZE)
    });
}

#[test]
fn c278_as_many_unlocks_as_locks() {
    let heap = TestHeap::new();
    assert_eq!(HeapLock(heap.handle()), TRUE);
    assert_eq!(HeapLock(heap.handle()), TRUE);
    assert_eq!(HeapUnlock(heap.handle()), TRUE);
    assert_blocks_until(&heap, lock_and_unlock, || {
        assert_eq!(HeapUnlock(heap.handle()), TRUE);
    });
}

#[test]
fn c279_the_lock_of_no_heap() {
    static NO_HEAP: [u64; 64] = [0; 64];
    let handle: *mut c_void = NO_HEAP.as_ptr().cast_mut().cast();
    assert_eq!(boolean(RtlLockHeap(handle)), FALSE);
}
