//! Misuse group F: handles and the life of a heap. Each test is one row of the catalogue; F18
//! stands with the heap list.
#![cfg(not(all(feature = "oracle", windows)))]

use core::ffi::c_void;
use core::fmt::Debug;
use core::ptr::null_mut;

use rtl_heap_tests::abi::flags::HEAP_NO_SERIALIZE;
use rtl_heap_tests::abi::own::rtlheap_enable_termination_on_corruption;
use rtl_heap_tests::abi::*;
use rtl_heap_tests::child;
use rtl_heap_tests::heap::*;
use rtl_heap_tests::last_error::observe;
use rtl_heap_tests::misuse::BadCall::Free;
use rtl_heap_tests::vm::{self, Region};

const INVALID: u32 = error::ERROR_INVALID_HANDLE;

#[track_caller]
fn assert_invalid_handle<T: PartialEq + Debug>(refused: T, call: impl FnOnce() -> T) {
    assert_eq!(observe(call), (refused, INVALID));
}

/// Asserts that no call takes `handle` for a heap.
#[track_caller]
fn assert_no_heap(handle: HANDLE) {
    let block = TestHeap::process().alloc(0, 16).pointer();
    assert_invalid_handle(NULL, || HeapAlloc(handle, 0, 16));
    assert_invalid_handle(NULL, || HeapReAlloc(handle, 0, block, 32));
    assert_invalid_handle(FALSE, || HeapFree(handle, 0, block));
    assert_invalid_handle(usize::MAX, || HeapSize(handle, 0, block));
    assert_invalid_handle(FALSE, || HeapLock(handle));
    assert_invalid_handle(FALSE, || HeapUnlock(handle));
    assert_eq!(
        HeapSize(GetProcessHeap(), 0, block),
        16,
        "the block is as it was"
    );
    assert_eq!(HeapFree(GetProcessHeap(), 0, block), TRUE);
}

#[test]
fn f1_allocate_from_no_heap() {
    child::assert_terminates("f1_allocate_from_no_heap", || {
        rtlheap_enable_termination_on_corruption();
        HeapAlloc(null_mut(), 0, 16);
    });
    assert_invalid_handle(NULL, || HeapAlloc(null_mut(), 0, 16));
    assert_invalid_handle(NULL, || RtlAllocateHeap(null_mut(), 0, 16));
}

#[test]
fn f2_calls_without_a_heap() {
    assert_no_heap(null_mut());
    assert_eq!(HeapFree(null_mut(), 0, NULL), TRUE);
}

#[test]
fn f3_a_handle_to_something_else() {
    static NO_HEAP: [u64; 256] = [0xEEFF_EEFF_FFEE_FFEE; 256];
    assert_no_heap(NO_HEAP.as_ptr().cast_mut().cast());
    let region = Region::committed(0x1_0000);
    assert_no_heap(region.base());
    let heap = TestHeap::new();
    let block = heap.alloc(0, 0x1000);
    assert_no_heap(block.pointer());
    assert_no_heap(heap.handle().wrapping_byte_add(1));
    assert_no_heap(heap.handle().wrapping_byte_add(0x1000));
}

#[test]
fn f3_a_forged_header() {
    let heap = TestHeap::new();
    let region = Region::committed(0x1_0000);
    // SAFETY: the header of a heap fills less than its first committed page.
    unsafe {
        core::ptr::copy_nonoverlapping(heap.handle().cast::<u8>(), region.base().cast(), 0x1000)
    };
    assert_no_heap(region.base());
    assert_eq!(RtlDestroyHeap(region.base()), region.base());
}

#[test]
fn f4_an_unreadable_handle() {
    let released = Region::reserve(0x10_0000).base();
    let reserved = Region::reserve(0x1_0000);
    let top = (usize::MAX & !0xFFFF) as *mut c_void;
    let numbers = [1_usize, 0x1_0000, 0xDEAD_0000, 0x4141_4141].map(|n| n as *mut c_void);
    for handle in numbers.into_iter().chain([released, reserved.base(), top]) {
        assert_no_heap(handle);
    }
}

/// A handle whose heap is gone. Every test of this kind makes no other heap meanwhile that could
/// take its place.
fn dead_heap() -> (HANDLE, *mut c_void) {
    let heap = TestHeap::new();
    let dead = (heap.handle(), heap.alloc(0, 16).pointer());
    heap.destroy();
    dead
}

/// Runs `body` in a process where nothing else makes heaps.
#[track_caller]
fn alone(test: &str, body: impl FnOnce()) {
    let ending = child::run(test, body);
    assert!(ending.survived(), "{ending:?}");
}

#[test]
fn f5_allocate_after_destroy() {
    alone("f5_allocate_after_destroy", || {
        let (heap, _) = dead_heap();
        assert_invalid_handle(NULL, || HeapAlloc(heap, 0, 16));
    });
}

#[test]
fn f5_terminates() {
    child::assert_terminates("f5_terminates", || {
        let (heap, _) = dead_heap();
        rtlheap_enable_termination_on_corruption();
        HeapAlloc(heap, 0, 16);
    });
}

#[test]
fn f5_the_same_where_nobody_serialises() {
    let test = "f5_the_same_where_nobody_serialises";
    alone(test, || {
        // More heaps than any short-cut to them has places, each as good as the others.
        let heaps: Vec<_> = (0..600)
            .map(|_| TestHeap::create(HEAP_NO_SERIALIZE, 0, 0))
            .collect();
        for _ in 0..3 {
            let blocks: Vec<_> = heaps.iter().map(|heap| heap.alloc(0, 64)).collect();
            for (heap, block) in heaps.iter().zip(blocks) {
                let stranger = if heap.handle() == heaps[0].handle() {
                    1
                } else {
                    0
                };
                let of_another = || HeapFree(heaps[stranger].handle(), 0, block.pointer());
                assert_eq!(of_another(), FALSE);
                heap.free(block);
            }
        }
        let (dead, left): (Vec<_>, Vec<_>) =
            heaps.into_iter().enumerate().partition(|(n, _)| n % 2 == 0);
        let dead = dead.into_iter().map(|(_, heap)| {
            let handle = heap.handle();
            heap.destroy();
            handle
        });
        for handle in dead.collect::<Vec<_>>() {
            assert_invalid_handle(NULL, || HeapAlloc(handle, 0, 64));
        }
        for (_, heap) in left {
            heap.free(heap.alloc(0, 64));
        }
    });
}

#[test]
fn f6_free_after_destroy() {
    alone("f6_free_after_destroy", || {
        let (heap, block) = dead_heap();
        assert_invalid_handle(FALSE, || HeapFree(heap, 0, block));
        assert_invalid_handle(usize::MAX, || HeapSize(heap, 0, block));
        assert_invalid_handle(NULL, || HeapReAlloc(heap, 0, block, 32));
    });
}

#[test]
fn f6_terminates() {
    child::assert_terminates("f6_terminates", || {
        let (heap, block) = dead_heap();
        rtlheap_enable_termination_on_corruption();
        HeapFree(heap, 0, block);
    });
}

#[test]
fn f7_destroy_twice() {
    alone("f7_destroy_twice", || {
        let (heap, _) = dead_heap();
        assert_invalid_handle(FALSE, || HeapDestroy(heap));
        assert_eq!(RtlDestroyHeap(heap), heap);
    });
}

#[test]
fn f8_destroy_the_process_heap() {
    let process = TestHeap::process();
    let block = process.alloc(0, 0x100);
    assert_invalid_handle(FALSE, || HeapDestroy(GetProcessHeap()));
    assert_eq!(RtlDestroyHeap(GetProcessHeap()), GetProcessHeap());
    process.free(block);
}

#[test]
fn f9_destroy_with_live_blocks_releases_everything() {
    alone("f9_destroy_with_live_blocks_releases_everything", || {
        let heap = TestHeap::new();
        let sizes = [
            0, 100, 0x5000, 0x6_0000, 0x6_0000, 0x6_0000, 0x30_0000, 0x50_0000,
        ];
        let mut addresses = vec![heap.address()];
        addresses.extend(sizes.map(|size| heap.alloc(0, size).address()));
        assert!(
            addresses
                .iter()
                .all(|&address| vm::reservation_at(address).is_some())
        );
        heap.destroy();
        assert!(
            addresses
                .iter()
                .all(|&address| vm::reservation_at(address).is_none())
        );
    });
}

#[test]
fn f11_destroy_while_the_caller_holds_the_lock() {
    let heap = TestHeap::new();
    assert_eq!(HeapLock(heap.handle()), TRUE);
    let _ = heap.alloc(0, 100);
    heap.destroy();
}

#[test]
fn f12_a_handle_that_comes_again_is_the_new_heap() {
    alone("f12_a_handle_that_comes_again_is_the_new_heap", || {
        let (dead, stale) = dead_heap();
        let heaps: Vec<_> = (0..100).map(|_| TestHeap::new()).collect();
        for heap in &heaps {
            let block = heap.alloc(0, 0x500);
            if heap.handle() == dead && block.pointer() != stale {
                Free(stale).assert_refused(heap);
            }
            heap.free(block);
        }
    });
}

#[test]
fn f13_ten_thousand_heaps_leave_nothing_behind() {
    alone("f13_ten_thousand_heaps_leave_nothing_behind", || {
        let mut sizes = Vec::new();
        for round in 0..10_000 {
            let heap = TestHeap::new();
            let _ = heap.alloc(0, 100 + round);
            if round % 16 == 0 {
                let _ = heap.alloc(0, 0x30_0000);
            }
            heap.destroy();
            if round == 1000 || round == 9_999 {
                sizes.push(address_space());
            }
        }
        // The rest of the process may map a little; one heap leaked in a hundred would be 6 MiB.
        assert!(sizes[1] <= sizes[0] + 0x10_0000, "{sizes:x?}");
    });
}

/// Bytes of address space the process has mapped; zero where the system does not say.
fn address_space() -> usize {
    std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split(' ').next()?.parse::<usize>().ok())
        .map_or(0, |pages| pages * 0x1000)
}

#[test]
fn f14_unknown_creation_flags() {
    // Without exceptions, so that a refused request returns.
    let heap = TestHeap::create(!flags::HEAP_GENERATE_EXCEPTIONS, 0, 0);
    for size in [0, 100, 0x5000, 0x30_0000] {
        let mut block = heap.alloc(0, size);
        block.write_pattern(1);
        assert!(block.has_pattern(1, size));
        heap.free(block);
    }
    let rtl = TestHeap::rtl(0xF000_0002, 0, 0);
    let _ = rtl.alloc(0, 100);
}

#[test]
fn f15_unknown_call_flags() {
    let heap = TestHeap::new();
    let flags = 0xF000_0000;
    let mut block = heap.alloc(flags, 100);
    assert_eq!(HeapSize(heap.handle(), flags, block.pointer()), 100);
    heap.resize(flags, &mut block, 200);
    assert_eq!(HeapFree(heap.handle(), flags, block.pointer()), TRUE);
}
