//! Misuse rows C1, C2 and C13 on heaps without debugging flags: a write behind a block's data is found when
//! the block is freed or changes its size.
#![cfg(not(all(feature = "oracle", windows)))]

use core::ffi::c_void;
use core::ptr::null;
use std::thread;

use rtl_heap_tests::abi::flags::*;
use rtl_heap_tests::abi::own::rtlheap_enable_termination_on_corruption;
use rtl_heap_tests::abi::*;
use rtl_heap_tests::child;
use rtl_heap_tests::frontend::{LOW_FRAGMENTATION, activate, compatibility};
use rtl_heap_tests::heap::*;
use rtl_heap_tests::misuse::BadCall::{Free, ReAlloc};
use rtl_heap_tests::misuse::kind;

/// Heaps of every kind of path: the growable heap's, parked blocks without a front end, nobody's lock, and
/// blocks that are merged at once.
fn heaps() -> [TestHeap; 4] {
    [
        TestHeap::new(),
        TestHeap::create(0, 0x8_0000, 0x8_0000),
        TestHeap::create(HEAP_NO_SERIALIZE, 0, 0),
        TestHeap::rtl(HEAP_GROWABLE | HEAP_CREATE_ALIGN_16, 0, 0),
    ]
}

/// Bytes behind the data that are no block's.
fn slack(size: usize) -> usize {
    block(size) - 8 - size
}

fn poke(at: *mut c_void, offset: usize, byte: u8) {
    // SAFETY: the byte is the heap's, and only the heap's calls look at it.
    unsafe { at.cast::<u8>().add(offset).write_volatile(byte) }
}

fn peek(at: *mut c_void, offset: usize) -> u8 {
    // SAFETY: as above.
    unsafe { at.cast::<u8>().add(offset).read_volatile() }
}

/// Writes `byte` behind a block: it can be neither freed nor moved nor made larger until the byte is as it
/// was, and its size is what it was all the time.
#[track_caller]
fn assert_noticed(heap: &TestHeap, block: Block<'_>, byte: u8) {
    let (pointer, size) = (block.pointer(), block.size());
    let before = peek(pointer, size);
    poke(pointer, size, byte);
    for call in [Free(pointer), ReAlloc(pointer)] {
        let report = call.assert_refused(heap);
        assert_eq!(report.kind, kind::BUFFER_OVERRUN, "{size} bytes");
    }
    assert_eq!(heap.size_of(pointer), size);
    poke(pointer, size, before);
    heap.free(block);
}

#[test]
fn c1_the_end_of_a_string_one_too_long() {
    for heap in heaps() {
        for size in (0..300).filter(|size| slack(*size) != 0) {
            // A new block, and one that was used before.
            for _ in 0..2 {
                assert_noticed(&heap, heap.alloc(HEAP_ZERO_MEMORY, size), 0);
            }
        }
    }
}

#[test]
fn c2_one_byte_too_many_of_any_size_that_has_slack() {
    for heap in heaps() {
        for size in (0..0x6000).step_by(7).filter(|size| slack(*size) != 0) {
            assert_noticed(&heap, heap.alloc(0, size), 0x41);
        }
    }
}

#[test]
fn c2_in_the_front_end_of_every_size() {
    let heap = TestHeap::new();
    // The larger ones only where even the back end would have a byte to look at.
    let large = (600..0x4000).step_by(333).filter(|size| slack(*size) != 0);
    for size in (0..600).chain(large) {
        activate(&heap, size);
        for block in (0..3).map(|_| heap.alloc(0, size)).collect::<Vec<_>>() {
            assert_noticed(&heap, block, 0x41);
        }
    }
    assert_eq!(compatibility(&heap), LOW_FRAGMENTATION);
}

#[test]
fn c2_in_the_front_end_by_another_thread() {
    let heap = TestHeap::new();
    activate(&heap, 40);
    let [overrun, whole] = [(); 2].map(|()| heap.alloc(0, 40).address());
    poke(overrun as *mut c_void, 40, 0x41);
    let free_both = || {
        Free(overrun as *mut c_void).assert_refused(&heap);
        HeapFree(heap.handle(), 0, whole as *mut c_void)
    };
    let freed = thread::scope(|scope| scope.spawn(free_both).join());
    assert_eq!(freed.expect("the other thread ends"), TRUE);
    Free(overrun as *mut c_void).assert_refused(&heap);
}

#[test]
fn c2_ends_the_process_where_that_is_asked_for() {
    let ending = child::run("c2_ends_the_process_where_that_is_asked_for", || {
        rtlheap_enable_termination_on_corruption();
        let heap = TestHeap::new();
        let block = heap.alloc(0, 17);
        poke(block.pointer(), 17, 0x41);
        heap.free(block);
    });
    assert!(ending.was_terminated(), "{ending:?}");
    assert!(ending.stderr.contains("behind a block"), "{ending:?}");
}

#[test]
fn c13_a_write_to_a_block_of_no_size() {
    for heap in heaps() {
        assert_noticed(&heap, heap.alloc(0, 0), 1);
        activate(&heap, 0);
        assert_noticed(&heap, heap.alloc(0, 0), 1);
    }
}

/// C142: what shrinks in place keeps its bytes, so nothing is written behind its data.
#[test]
fn a_block_that_shrank_where_it_is_is_freed_whatever_lies_behind() {
    for heap in heaps() {
        for (from, to) in [(17, 14), (500, 100), (0x3000, 0x2001), (24, 24)] {
            let mut block = heap.alloc(0, from);
            block.bytes_mut().fill(0x5A);
            assert!(heap.resize(HEAP_REALLOC_IN_PLACE_ONLY, &mut block, to));
            if to < from {
                assert_eq!(peek(block.pointer(), to), 0x5A);
            }
            // Once more where it is, and then to where there is room.
            assert!(heap.resize(HEAP_REALLOC_IN_PLACE_ONLY, &mut block, to - 1));
            let wall = heap.alloc(0, 8);
            heap.resize(0, &mut block, from + 0x1000);
            heap.free(block);
            heap.free(wall);
            // The next block at that place is looked at again.
            if slack(from) != 0 {
                assert_noticed(&heap, heap.alloc(0, from), 0x41);
            }
        }
    }
}

#[test]
fn a_block_that_grew_where_it_is_is_looked_at_behind_its_new_end() {
    for heap in heaps() {
        for (from, to) in [(16, 17), (100, 300), (14, 15)] {
            let mut block = heap.alloc(0, from);
            // Shrunk before it grows.
            assert!(heap.resize(HEAP_REALLOC_IN_PLACE_ONLY, &mut block, from - 2));
            assert!(heap.resize(HEAP_REALLOC_IN_PLACE_ONLY, &mut block, to));
            assert_noticed(&heap, block, 0x41);
        }
    }
}

#[test]
fn a_user_value_is_not_taken_for_an_overrun() {
    for heap in heaps() {
        for size in 0..64 {
            let block = heap.alloc(HEAP_SETTABLE_USER_VALUE, size);
            let value = 0x1122_3344usize as *mut c_void;
            let set = RtlSetUserValueHeap(heap.handle(), 0, block.pointer(), value);
            assert_eq!(set, 1, "{size}");
            if size % 8 == 0 {
                heap.free(block);
            } else {
                assert_noticed(&heap, block, 0x41);
            }
        }
    }
}

#[test]
fn validation_does_not_look_behind_blocks_without_debugging_flags() {
    for heap in heaps() {
        let block = heap.alloc(0, 17);
        poke(block.pointer(), 17, 0x41);
        assert_eq!(HeapValidate(heap.handle(), 0, null()), TRUE);
        assert_eq!(HeapValidate(heap.handle(), 0, block.pointer()), TRUE);
    }
}
