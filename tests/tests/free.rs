//! Section 13.3 of the conformance lines: free.

use core::ptr::null_mut;

use rtl_heap_tests::abi::flags::*;
use rtl_heap_tests::abi::*;
use rtl_heap_tests::child;
use rtl_heap_tests::heap::*;
use rtl_heap_tests::last_error::{PRESET, observe};
use rtl_heap_tests::vm;

#[test]
fn c100_null_of_no_heap() {
    assert_eq!(HeapFree(null_mut(), 0, NULL), TRUE);
}

#[test]
fn c101_null_of_a_heap() {
    let heap = TestHeap::new();
    assert_eq!(observe(|| HeapFree(heap.handle(), 0, NULL)), (TRUE, PRESET));
}

#[test]
fn c102_a_valid_block() {
    let heap = TestHeap::new();
    for size in [0, 1, 100, 0x4000, A] {
        let block = heap.alloc(0, size);
        let freed = observe(|| HeapFree(heap.handle(), 0, block.pointer()));
        assert_eq!(freed, (TRUE, PRESET), "{size:#x}");
    }
}

#[test]
fn c103_a_large_block() {
    let heap = TestHeap::new();
    let block = heap.alloc(0, 5 * A);
    assert!(vm::is_committed(block.address()));
    assert_eq!(HeapFree(heap.handle(), 0, block.pointer()), TRUE);
}

#[test]
fn c105_rtl_null() {
    let heap = TestHeap::new();
    assert_ne!(RtlFreeHeap(heap.handle(), 0, NULL), 0);
}

/// Runs a bad free in a process of its own: NT refuses it or ends the process, ours refuses it.
fn assert_refused_or_terminated(test: &str, bad_free: impl FnOnce(&TestHeap) -> u32) {
    let ending = child::run(test, || {
        let heap = TestHeap::new();
        let (freed, error) = observe(|| bad_free(&heap));
        assert_eq!((freed, error), (0, error::ERROR_INVALID_PARAMETER));
    });
    let may_terminate = cfg!(all(feature = "oracle", windows));
    assert!(
        ending.survived() || (may_terminate && ending.was_terminated()),
        "{ending:?}"
    );
}

#[test]
fn c106_twice() {
    assert_refused_or_terminated("c106_twice", |heap| {
        let pointer = heap.alloc(0, 100).pointer();
        assert_ne!(RtlFreeHeap(heap.handle(), 0, pointer), 0);
        RtlFreeHeap(heap.handle(), 0, pointer)
    });
}

#[test]
fn c107_a_misaligned_pointer() {
    assert_refused_or_terminated("c107_a_misaligned_pointer", |heap| {
        let pointer = heap.alloc(0, 100).pointer();
        RtlFreeHeap(heap.handle(), 0, pointer.wrapping_byte_add(1))
    });
}

#[test]
fn c108_without_serialisation() {
    let heap = TestHeap::new();
    for _ in 0..3 {
        // One block fills nearly all that a fixed heap has, so each round needs the last one's
        // memory.
        let fixed = TestHeap::create(0, A, A);
        for _ in 0..3 {
            let block = fixed.alloc(0, A - (0x400 + 0x100 * P));
            assert_eq!(
                HeapFree(fixed.handle(), HEAP_NO_SERIALIZE, block.pointer()),
                TRUE
            );
        }
        let block = heap.alloc(0, 5 * A);
        assert_eq!(
            HeapFree(heap.handle(), HEAP_NO_SERIALIZE, block.pointer()),
            TRUE
        );
    }
}
