//! Reliability line R15: no panic crosses the interface. One that comes out of a commit routine
//! finds the heap half-way and its lock held, and ends the process with its message.
#![cfg(not(all(feature = "oracle", windows)))]

use core::ffi::c_void;
use core::ptr::NonNull;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rtl_heap::nt::{self, CreateRequest, HeapHandle};
use rtl_heap::{HeapFlags, HeapParameters, Limits, PAGE, caller_memory};
use rtl_heap_tests::abi::{HANDLE, HeapAlloc, RtlAllocateHeap};
use rtl_heap_tests::child;

const NONE: HeapFlags = HeapFlags::empty();
const SIZE: usize = 0x4_0000;

unsafe extern "system-unwind" fn fail(
    _base: *mut c_void,
    _address: *mut *mut c_void,
    _size: *mut usize,
) -> i32 {
    panic!("the routine failed");
}

/// A heap that needs its routine for anything that does not fit a page.
fn heap() -> HeapHandle {
    let memory = caller_memory::reserve(SIZE).expect("memory");
    // SAFETY: the reservation is ours.
    unsafe { caller_memory::commit(memory.as_ptr() as usize, PAGE) }.expect("memory");
    let mut request = CreateRequest::new(Limits::WINDOWS);
    request.flags = NONE;
    request.base = NonNull::new(memory.as_ptr());
    request.parameters = HeapParameters {
        initial_commit: PAGE,
        initial_reserve: SIZE,
        commit_routine: Some(fail),
        ..HeapParameters::default()
    };
    // SAFETY: the memory is the heap's alone, the routine lives for ever.
    unsafe { nt::create_heap(&request) }.expect("a heap")
}

/// The child dies of the panic, although there is somebody who would catch it.
#[track_caller]
fn assert_ends(test: &str, call: impl FnOnce(HeapHandle)) {
    let ending = child::run(test, || {
        let heap = heap();
        let _ = catch_unwind(AssertUnwindSafe(|| call(heap)));
    });
    assert!(ending.was_terminated(), "{ending:?}");
    assert!(ending.stderr.contains("the routine failed"), "{ending:?}");
}

#[test]
fn an_allocation_ends_the_process() {
    assert_ends("an_allocation_ends_the_process", |heap| {
        let _ = nt::allocate(heap, NONE, 0x8000);
    });
}

#[test]
fn a_reallocation_ends_the_process() {
    assert_ends("a_reallocation_ends_the_process", |heap| {
        let block = nt::allocate(heap, NONE, 100).expect("a block").as_ptr();
        // SAFETY: the block is ours.
        let _ = unsafe { nt::reallocate(heap, NONE, block, 0x8000) };
    });
}

#[test]
fn an_allocation_by_its_c_names_ends_the_process() {
    assert_ends("an_allocation_by_its_c_names_ends_the_process", |heap| {
        RtlAllocateHeap(heap.0 as HANDLE, 0, 0x8000);
        HeapAlloc(heap.0 as HANDLE, 0, 0x8000);
    });
}
