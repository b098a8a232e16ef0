//! Misuse group A: double free and lifetime. Each test is one row of the catalogue.
#![cfg(not(all(feature = "oracle", windows)))]

use core::ptr::null;
use std::sync::Barrier;
use std::thread;

use rtl_heap_tests::abi::*;
use rtl_heap_tests::frontend::activate;
use rtl_heap_tests::heap::*;
use rtl_heap_tests::last_error::{PRESET, observe};
use rtl_heap_tests::misuse::BadCall::{Free, ReAlloc, Size};
use rtl_heap_tests::misuse::{assert_misuse, kind, reported_by};
use rtl_heap_tests::vm;

/// Allocates and frees a block; returns where it was.
fn freed(heap: &TestHeap, size: usize) -> *mut core::ffi::c_void {
    let block = heap.alloc(0, size);
    let pointer = block.pointer();
    heap.free(block);
    pointer
}

#[test]
fn a1_free_twice() {
    assert_misuse("a1_free_twice", |heap| {
        vec![Free(freed(heap, 100)), Free(freed(heap, 0x5000))]
    });
}

#[test]
fn a1_is_reported_as_a_block_that_is_not_busy() {
    let heap = TestHeap::new();
    // Blocks around it keep the freed one from merging into what was free before.
    let blocks: Vec<_> = (0..3).map(|_| heap.alloc(0, 0x400)).collect();
    let pointer = blocks[1].pointer();
    assert_eq!(HeapFree(heap.handle(), 0, pointer), TRUE);
    assert_eq!(
        Free(pointer).assert_refused(&heap).kind,
        kind::BLOCK_NOT_BUSY
    );
}

#[test]
fn a2_free_twice_of_a_much_requested_size() {
    assert_misuse("a2_free_twice_of_a_much_requested_size", |heap| {
        let blocks: Vec<_> = (0..40).map(|_| heap.alloc(0, 32)).collect();
        let pointers: Vec<_> = blocks.iter().map(Block::pointer).collect();
        for block in blocks {
            heap.free(block);
        }
        pointers.into_iter().map(Free).collect()
    });
}

#[test]
fn a3_free_twice_of_a_large_block() {
    assert_misuse("a3_free_twice_of_a_large_block", |heap| {
        let pointer = freed(heap, 0x30_0000);
        assert!(
            !vm::is_committed(pointer as usize),
            "a large block is released at once"
        );
        vec![Free(pointer)]
    });
}

#[test]
fn a4_free_twice_with_another_free_between() {
    assert_misuse("a4_free_twice_with_another_free_between", |heap| {
        let (first, second) = (heap.alloc(0, 100), heap.alloc(0, 100));
        let pointer = first.pointer();
        heap.free(first);
        heap.free(second);
        vec![Free(pointer)]
    });
}

#[test]
fn a5_free_again_after_many_operations() {
    assert_misuse("a5_free_again_after_many_operations", |heap| {
        // The neighbours keep the place of the freed block from being dealt out again, for it is
        // taken whole.
        let blocks: Vec<_> = (0..3).map(|_| heap.alloc(0, 0x100)).collect();
        let stale = blocks[1].pointer();
        assert_eq!(HeapFree(heap.handle(), 0, stale), TRUE);
        for round in 0..2000 {
            let block = heap.alloc(0, 0x200 + round % 0x1000);
            heap.free(block);
        }
        vec![Free(stale)]
    });
}

#[test]
fn a6_a_stale_free_frees_the_new_owner_s_block() {
    let heap = TestHeap::new();
    let stale = freed(&heap, 0x4F00);
    let owner = (0..1000)
        .map(|_| heap.alloc(0, 0x4F00))
        .find(|block| block.pointer() == stale)
        .expect("the place is dealt out again");
    // It cannot be told from a right free; what must not happen is that it passes unnoticed twice.
    assert_eq!(HeapFree(heap.handle(), 0, stale), TRUE);
    Free(owner.pointer()).assert_refused(&heap);
}

#[test]
fn a7_free_in_two_threads_one_after_the_other() {
    assert_misuse("a7_free_in_two_threads_one_after_the_other", |heap| {
        let block = heap.alloc(0, 100);
        let pointer = block.pointer();
        thread::scope(|scope| {
            scope
                .spawn(move || heap.free(block))
                .join()
                .expect("a free")
        });
        vec![Free(pointer)]
    });
}

/// A thread's lanes are asked for by handle; a thread that has none is not to be asked at all.
#[test]
fn a7_free_in_a_fresh_thread_without_a_heap() {
    let heap = TestHeap::new();
    activate(&heap, 40);
    let block = heap.alloc(0, 40);
    let address = block.address();
    let freed = thread::spawn(move || {
        HeapFree(core::ptr::null_mut(), 0, address as *mut core::ffi::c_void)
    });
    assert_eq!(freed.join().expect("it did not fault"), FALSE);
    heap.free(block);
}

#[test]
fn a7_free_in_a_fresh_thread_of_what_another_thread_shares_without_a_heap() {
    let heap = TestHeap::new();
    activate(&heap, 40);
    let blocks: Vec<_> = (0..64).map(|_| heap.alloc(0, 40)).collect();
    let mut addresses: Vec<_> = blocks.iter().map(|block| block.address()).collect();
    addresses.sort_unstable();
    let free = |heap: usize, block: usize| {
        let freed = thread::spawn(move || HeapFree(heap as HANDLE, 0, block as *mut _));
        freed.join().expect("it did not fault")
    };
    let last = addresses.pop().expect("there are some");
    assert_eq!(free(heap.address(), last), TRUE);
    for address in &addresses {
        assert_eq!(free(0, *address), FALSE);
    }
    for address in addresses {
        assert_eq!(heap.size_of(address as *const _), 40);
        assert_eq!(HeapFree(heap.handle(), 0, address as *mut _), TRUE);
    }
}

/// A thread that is joined by what it did may still be at its end, where it gives back what it kept.
#[test]
fn a_heap_is_destroyed_while_threads_that_used_it_are_ending() {
    for _ in 0..200 {
        let heap = TestHeap::new();
        activate(&heap, 40);
        activate(&heap, 3000);
        let work = || {
            for size in [40, 3000] {
                let blocks: Vec<_> = (0..50).map(|_| heap.alloc(0, size)).collect();
                blocks.into_iter().for_each(|block| heap.free(block));
            }
        };
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(work);
            }
        });
        heap.destroy();
    }
}

#[test]
fn a8_free_in_two_threads_at_once() {
    let heap = TestHeap::new();
    for round in 0..500 {
        let address = heap.alloc(0, 16 + round).address();
        let start = Barrier::new(2);
        let free = || {
            start.wait();
            reported_by(|| HeapFree(heap.handle(), 0, address as *mut _))
        };
        let outcomes = thread::scope(|scope| {
            let other = scope.spawn(free);
            [free(), other.join().expect("a free")]
        });
        let freed = outcomes.iter().filter(|(freed, _)| *freed == TRUE).count();
        let reports: usize = outcomes.iter().map(|(_, reports)| reports.len()).sum();
        assert_eq!((freed, reports), (1, 1), "round {round}");
    }
}

#[test]
fn a9_free_of_the_old_place_after_a_move() {
    assert_misuse("a9_free_of_the_old_place_after_a_move", |heap| {
        let mut block = heap.alloc(0, 0x100);
        let _wall = heap.alloc(0, 0x100);
        let old = block.pointer();
        assert!(!heap.resize(0, &mut block, 0x8000), "it moved");
        vec![Free(old)]
    });
}

#[test]
fn a10_reallocate_to_zero_is_no_free() {
    let heap = TestHeap::new();
    for size in [0, 1, 100, 0x4000, 0x30_0000] {
        let mut block = heap.alloc(0, size);
        heap.resize(0, &mut block, 0);
        heap.free(block);
    }
}

#[test]
fn a11_reallocate_a_freed_block() {
    assert_misuse("a11_reallocate_a_freed_block", |heap| {
        [16, 100, 0x5000, 0x30_0000]
            .map(|size| ReAlloc(freed(heap, size)))
            .to_vec()
    });
}

#[test]
fn a12_size_of_a_freed_block() {
    assert_misuse("a12_size_of_a_freed_block", |heap| {
        [16, 100, 0x5000, 0x30_0000]
            .map(|size| Size(freed(heap, size)))
            .to_vec()
    });
}

#[test]
fn a13_validate_a_freed_block() {
    let heap = TestHeap::new();
    activate(&heap, 32);
    let _wall = heap.alloc(0, 0x5000);
    for size in [32, 100, 0x5000, 0x30_0000] {
        let pointer = freed(&heap, size);
        // A question, not a misuse: no report, no error, whatever is asked for.
        let asked = || observe(|| HeapValidate(heap.handle(), 0, pointer));
        // What was a large block is not mapped any more (C165).
        let error = if vm::is_committed(pointer as usize) {
            PRESET
        } else {
            error::ERROR_NOACCESS
        };
        assert_eq!(reported_by(asked), ((FALSE, error), vec![]), "{size:#x}");
    }
    assert_eq!(HeapValidate(heap.handle(), 0, null()), TRUE);
}

#[test]
fn a14_user_value_of_a_freed_block() {
    let heap = TestHeap::new();
    activate(&heap, 32);
    for size in [32, 100, 0x5000, 0x30_0000] {
        let pointer = freed(&heap, size);
        let (mut value, mut flags) = (NULL, 7);
        let refused = (0, error::ERROR_INVALID_PARAMETER);
        let get = || {
            RtlGetUserInfoHeap(
                heap.handle(),
                0,
                pointer,
                Some(&mut value),
                Some(&mut flags),
            )
        };
        assert_eq!(observe(get), refused, "{size:#x}");
        assert_eq!((value, flags), (NULL, 7));
        let set = || RtlSetUserValueHeap(heap.handle(), 0, pointer, pointer);
        assert_eq!(observe(set), refused, "{size:#x}");
        let set = || RtlSetUserFlagsHeap(heap.handle(), 0, pointer, 0, 0x200);
        assert_eq!(observe(set), refused, "{size:#x}");
    }
}

#[test]
fn a17_one_bad_pointer_among_several() {
    let heap = TestHeap::new();
    let blocks: Vec<_> = (0..5).map(|_| heap.alloc(0, 100)).collect();
    let mut array: Vec<_> = blocks.iter().map(Block::pointer).collect();
    array[2] = array[0];
    // SAFETY: the array has five pointers.
    let free = || unsafe { RtlMultipleFreeHeap(heap.handle(), 0, 5, array.as_mut_ptr()) };
    assert_eq!(observe(free), (2, error::ERROR_INVALID_PARAMETER));
    for block in &blocks[..2] {
        Size(block.pointer()).assert_refused(&heap);
    }
    for block in &blocks[2..] {
        assert_eq!(heap.size_of(block.pointer()), 100, "those behind it stay");
    }
}
