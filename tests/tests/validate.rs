//! Section 13.5 of the conformance lines, and those of other sections that need validate.

use core::ffi::c_void;

use rtl_heap_tests::abi::*;
use rtl_heap_tests::heap::*;
use rtl_heap_tests::last_error::{PRESET, observe};

#[track_caller]
fn assert_valid(heap: &TestHeap, pointer: *const c_void) {
    assert_eq!(
        observe(|| HeapValidate(heap.handle(), 0, pointer)),
        (TRUE, PRESET)
    );
}

#[track_caller]
fn assert_invalid(heap: &TestHeap, pointer: *const c_void) {
    assert_eq!(
        observe(|| HeapValidate(heap.handle(), 0, pointer)),
        (FALSE, PRESET)
    );
}

#[test]
fn c084_a_large_block_of_the_process_heap_is_valid() {
    let heap = TestHeap::process();
    let block = heap.alloc(0, 3000 * 1024 + 37);
    assert_valid(&heap, block.pointer());
    heap.free(block);
}

#[test]
fn c126_a_refused_reallocation_leaves_the_block_valid() {
    let heap = TestHeap::new();
    let block = heap.alloc(0, 0);
    for size in [usize::MAX - 7, usize::MAX] {
        heap.assert_resize_refused(0, &block, size);
        assert_valid(&heap, block.pointer());
    }
}

#[test]
fn c160_a_heap() {
    let heap = TestHeap::new();
    assert_valid(&heap, NULL);
    for size in [0, 1, 100, 0x5000, A, 5 * A] {
        let _ = heap.alloc(0, size);
        assert_valid(&heap, NULL);
    }
}

#[test]
fn c161_a_block() {
    let heap = TestHeap::new();
    for size in [0, 1, 100, 0x5000, A, 5 * A] {
        assert_valid(&heap, heap.alloc(0, size).pointer());
    }
}

#[test]
fn c162_a_freed_block() {
    let heap = TestHeap::new();
    for size in [0, 1, 100, 0x5000, A] {
        let block = heap.alloc(0, size);
        let pointer = block.pointer();
        heap.free(block);
        assert_invalid(&heap, pointer);
    }
}

#[repr(align(64))]
struct Buffer([u8; 512]);

static BUFFER: Buffer = Buffer([0; 512]);

#[test]
fn c163_a_static_buffer() {
    assert_invalid(&TestHeap::new(), BUFFER.0.as_ptr().cast());
}

#[test]
fn c164_an_unmapped_address() {
    let heap = TestHeap::new();
    let ending = rtl_heap_tests::child::run("c164_an_unmapped_address", || {
        assert_eq!(
            HeapValidate(heap.handle(), 0, 0xDEAD_BE00_usize as *const c_void),
            FALSE
        );
    });
    let may_fault = cfg!(all(feature = "oracle", windows));
    assert!(
        ending.survived() || (may_fault && ending.was_access_violation()),
        "{ending:?}"
    );
}

#[test]
fn c165_an_entry_of_the_handle_table() {
    let handle = GlobalAlloc(mem::MOVEABLE, 100);
    assert!(!handle.is_null());
    let entry = handle.wrapping_byte_sub(P);
    assert_invalid(&TestHeap::process(), entry);
    assert!(GlobalFree(handle).is_null());
}

#[test]
fn c166_a_fixed_global_block() {
    let handle = GlobalAlloc(mem::FIXED, 100);
    assert!(!handle.is_null());
    assert_valid(&TestHeap::process(), handle);
    assert!(GlobalFree(handle).is_null());
}

#[test]
fn c167_all_heaps_of_the_process() {
    let heap = TestHeap::new();
    let _ = heap.alloc(0, 100);
    assert_eq!(boolean(RtlValidateProcessHeaps()), TRUE);
}
