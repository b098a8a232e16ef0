//! Section 13.7 of the conformance lines but for the low-fragmentation heap: information classes.

use core::ptr::{null, null_mut};

use rtl_heap_tests::abi::*;
use rtl_heap_tests::heap::*;
use rtl_heap_tests::last_error::observe;

/// `HeapQueryInformation` into a buffer of `length` bytes: result, last error and value.
fn query(
    heap: HANDLE,
    class: u32,
    length: usize,
    returned: Option<&mut usize>,
) -> (BOOL, u32, [u8; 8]) {
    let mut value = [0xA5; 8];
    assert!(length <= value.len());
    let buffer = if length == 0 {
        null_mut()
    } else {
        value.as_mut_ptr().cast()
    };
    // SAFETY: the buffer has that length.
    let (asked, error) =
        observe(|| unsafe { HeapQueryInformation(heap, class, buffer, length, returned) });
    (asked, error, value)
}

const COMPATIBILITY: u32 = class::HEAP_COMPATIBILITY_INFORMATION;

#[test]
fn c240_no_heap() {
    let mut returned = 0;
    let (asked, error, _) = query(null_mut(), COMPATIBILITY, 4, Some(&mut returned));
    assert_eq!((asked, error, returned), (FALSE, error::ERROR_NOACCESS, 0));
}

#[test]
fn c241_no_buffer_gives_the_length() {
    let heap = TestHeap::new();
    let mut returned = 0;
    let (asked, error, _) = query(heap.handle(), COMPATIBILITY, 0, Some(&mut returned));
    assert_eq!(
        (asked, error, returned),
        (FALSE, error::ERROR_INSUFFICIENT_BUFFER, 4)
    );
}

#[test]
fn c242_no_buffer_and_no_length() {
    let heap = TestHeap::new();
    let (asked, error, _) = query(heap.handle(), COMPATIBILITY, 0, None);
    assert_eq!((asked, error), (FALSE, error::ERROR_INSUFFICIENT_BUFFER));
}

#[test]
fn c243_a_longer_buffer() {
    let heap = TestHeap::new();
    let (asked, _, value) = query(heap.handle(), COMPATIBILITY, 5, None);
    assert_eq!(asked, TRUE);
    assert_eq!(value, [0, 0, 0, 0, 0xA5, 0xA5, 0xA5, 0xA5]);
}

#[test]
fn c251_termination_on_corruption() {
    let ending = rtl_heap_tests::child::run("c251_termination_on_corruption", || {
        // SAFETY: no buffer.
        let set = unsafe {
            HeapSetInformation(
                null_mut(),
                class::HEAP_ENABLE_TERMINATION_ON_CORRUPTION,
                null(),
                0,
            )
        };
        assert_eq!(set, TRUE);
    });
    assert!(ending.survived(), "{ending:?}");
}

#[test]
fn c252_optimize_resources() {
    let version_and_flags = [1_u32, 0];
    let buffer = version_and_flags.as_ptr().cast();
    // SAFETY: the buffer has eight bytes.
    let set = unsafe { HeapSetInformation(null_mut(), class::HEAP_OPTIMIZE_RESOURCES, buffer, 8) };
    assert_eq!(set, TRUE);
}

#[test]
fn c253_an_unknown_class() {
    let heap = TestHeap::new();
    let (asked, error, _) = query(heap.handle(), 99, 8, None);
    assert_eq!((asked, error), (FALSE, error::ERROR_INVALID_PARAMETER));
}

#[test]
fn c254_a_summary_of_no_size() {
    let heap = TestHeap::new();
    let mut summary = HEAP_SUMMARY::default();
    let (asked, error) = observe(|| HeapSummary(heap.handle(), 0, Some(&mut summary)));
    assert_eq!((asked, error), (FALSE, error::ERROR_INVALID_PARAMETER));
}

/// The sums of C255 and C256.
fn summary() -> HEAP_SUMMARY {
    let heap = TestHeap::new();
    let _blocks = (heap.alloc(0, 0x100), heap.alloc(0, 0x200));
    let freed = heap.alloc(0, 0x300);
    heap.free(freed);
    let _last = heap.alloc(0, 0x6_0000);
    let mut summary = HEAP_SUMMARY {
        cb: size_of::<HEAP_SUMMARY>() as u32,
        ..Default::default()
    };
    assert_eq!(HeapSummary(heap.handle(), 0, Some(&mut summary)), TRUE);
    summary
}

#[test]
fn c255_allocated_bytes_are_those_asked_for() {
    assert_eq!(summary().cbAllocated, 0x6_0300);
}

#[test]
fn c256_committed_and_reserved_bytes() {
    let summary = summary();
    assert!(summary.cbCommitted >= summary.cbAllocated);
    assert!(summary.cbReserved >= summary.cbCommitted);
    assert!(summary.cbMaxReserve >= summary.cbReserved);
}
