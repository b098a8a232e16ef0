//! Misuse group G: locks. Each test is one row of the catalogue.
#![cfg(not(all(feature = "oracle", windows)))]

use core::ptr::null;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rtl_heap_tests::abi::*;
use rtl_heap_tests::frontend::activate;
use rtl_heap_tests::heap::*;
use rtl_heap_tests::last_error::observe;
use rtl_heap_tests::threads::{assert_blocks, assert_blocks_until, assert_does_not_block};

fn assert_not_owner(heap: &TestHeap) {
    let (unlocked, error) = observe(|| HeapUnlock(heap.handle()));
    assert_eq!((unlocked, error), (FALSE, error::ERROR_NOT_OWNER));
}

fn lock_and_unlock(heap: &TestHeap) {
    assert_eq!(HeapLock(heap.handle()), TRUE);
    assert_eq!(HeapUnlock(heap.handle()), TRUE);
}

#[test]
fn g1_unlock_without_a_lock() {
    for heap in [
        TestHeap::new(),
        TestHeap::create(0, A, A),
        TestHeap::process(),
    ] {
        assert_not_owner(&heap);
        lock_and_unlock(&heap);
        assert_not_owner(&heap);
        let block = heap.alloc(0, 100);
        heap.free(block);
    }
}

#[test]
fn g1_a_refused_unlock_leaves_the_lock_working() {
    let heap = TestHeap::new();
    for _ in 0..3 {
        assert_not_owner(&heap);
    }
    assert_blocks(&heap, lock_and_unlock);
}

#[test]
fn g2_unlock_by_another_thread() {
    let heap = TestHeap::new();
    assert_eq!(HeapLock(heap.handle()), TRUE);
    thread::scope(|scope| {
        scope
            .spawn(|| assert_not_owner(&heap))
            .join()
            .expect("a thread")
    });
    assert_blocks_until(&heap, lock_and_unlock, || {
        assert_eq!(HeapUnlock(heap.handle()), TRUE);
    });
}

#[test]
fn g3_one_unlock_too_few() {
    let heap = TestHeap::new();
    for _ in 0..3 {
        assert_eq!(HeapLock(heap.handle()), TRUE);
    }
    for _ in 0..2 {
        assert_eq!(HeapUnlock(heap.handle()), TRUE);
    }
    assert_blocks_until(&heap, lock_and_unlock, || {
        assert_eq!(HeapUnlock(heap.handle()), TRUE);
    });
    assert_not_owner(&heap);
}

#[test]
fn g4_the_lock_of_a_heap_without_serialisation() {
    let heap = TestHeap::create(flags::HEAP_NO_SERIALIZE, 0, 0);
    assert_does_not_block(&heap, lock_and_unlock);
    lock_and_unlock(&heap);
}

#[test]
fn g15_a_slot_for_others_while_the_lock_is_held() {
    let heap = TestHeap::new();
    activate(&heap, 0);
    assert_does_not_block(&heap, |heap| {
        let block = heap.alloc(0, 0);
        heap.free(block);
    });
}

#[test]
fn g16_validate_while_others_use_the_heap() {
    let heap = TestHeap::new();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for seed in 0..2 {
            let (heap, done) = (&heap, &done);
            scope.spawn(move || {
                let mut n = seed;
                while !done.load(Ordering::Relaxed) {
                    n = (n * 31 + 7) % 3000;
                    let block = heap.alloc(0, n);
                    heap.free(block);
                }
            });
        }
        for _ in 0..2000 {
            assert_eq!(HeapValidate(heap.handle(), 0, null()), TRUE);
        }
        done.store(true, Ordering::Relaxed);
    });
    // As any other call it waits for the lock.
    assert_blocks(&heap, |heap| {
        assert_eq!(HeapValidate(heap.handle(), 0, null()), TRUE);
    });
}
