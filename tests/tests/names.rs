//! The functions without prefix are the ones with it. On Windows they belong to the system.
#![cfg(not(windows))]
#![allow(non_snake_case)]

use core::ffi::c_void;
use core::ptr::{null, null_mut};

use rtl_heap_tests::abi;
use rtl_heap_tests::heap::TestHeap;

unsafe extern "C" {
    safe fn GetProcessHeap() -> *mut c_void;
    safe fn HeapCreate(options: u32, initial: usize, maximum: usize) -> *mut c_void;
    safe fn HeapDestroy(heap: *mut c_void) -> i32;
    safe fn HeapAlloc(heap: *mut c_void, flags: u32, size: usize) -> *mut c_void;
    safe fn HeapReAlloc(
        heap: *mut c_void,
        flags: u32,
        pointer: *mut c_void,
        size: usize,
    ) -> *mut c_void;
    safe fn HeapFree(heap: *mut c_void, flags: u32, pointer: *mut c_void) -> i32;
    safe fn HeapSize(heap: *mut c_void, flags: u32, pointer: *const c_void) -> usize;
    safe fn HeapLock(heap: *mut c_void) -> i32;
    safe fn HeapUnlock(heap: *mut c_void) -> i32;
    safe fn GetLastError() -> u32;
    safe fn SetLastError(error: u32);
    fn RtlCreateHeap(
        flags: u32,
        base: *mut c_void,
        reserve: usize,
        commit: usize,
        lock: *mut c_void,
        parameters: *const c_void,
    ) -> *mut c_void;
    safe fn RtlDestroyHeap(heap: *mut c_void) -> *mut c_void;
    safe fn RtlAllocateHeap(heap: *mut c_void, flags: u32, size: usize) -> *mut c_void;
    safe fn RtlSizeHeap(heap: *mut c_void, flags: u32, pointer: *const c_void) -> usize;
    safe fn RtlFreeHeap(heap: *mut c_void, flags: u32, pointer: *mut c_void) -> u32;
}

#[test]
fn a_heap_of_one_name_serves_the_other() {
    let heap = HeapCreate(0, 0, 0);
    let block = abi::HeapAlloc(heap, 0, 100);
    assert_eq!(HeapSize(heap, 0, block), 100);
    let block = HeapReAlloc(heap, 0, block, 200);
    assert_eq!(abi::HeapSize(heap, 0, block), 200);
    assert_eq!(HeapFree(heap, 0, block), abi::TRUE);
    assert_eq!(abi::HeapDestroy(heap), abi::TRUE);

    let other = TestHeap::new();
    let block = HeapAlloc(other.handle(), 0, 100);
    assert_eq!(abi::HeapFree(other.handle(), 0, block), abi::TRUE);
    assert_eq!(HeapDestroy(other.handle()), abi::TRUE);
    other.forget();
}

#[test]
fn a_heap_of_one_rtl_name_serves_the_other() {
    const GROWABLE: u32 = abi::flags::HEAP_GROWABLE;
    // SAFETY: no caller memory, no lock, no parameters.
    let heap = unsafe { RtlCreateHeap(GROWABLE, null_mut(), 0, 0, null_mut(), null()) };
    let block = RtlAllocateHeap(heap, 0, 100);
    assert_eq!(abi::RtlSizeHeap(heap, 0, block), 100);
    assert_eq!(RtlSizeHeap(heap, 0, block), 100);
    assert_ne!(RtlFreeHeap(heap, 0, block), 0);
    assert!(RtlDestroyHeap(heap).is_null());
}

#[test]
fn there_is_one_process_heap() {
    assert_eq!(GetProcessHeap(), abi::GetProcessHeap());
}

#[test]
fn there_is_one_last_error() {
    SetLastError(1234);
    assert_eq!(abi::GetLastError(), 1234);
    abi::SetLastError(4321);
    assert_eq!(GetLastError(), 4321);
}

#[test]
fn there_is_one_lock() {
    let heap = TestHeap::new();
    assert_eq!(HeapLock(heap.handle()), abi::TRUE);
    assert_eq!(abi::HeapUnlock(heap.handle()), abi::TRUE);
    assert_eq!(HeapUnlock(heap.handle()), abi::FALSE);
}
