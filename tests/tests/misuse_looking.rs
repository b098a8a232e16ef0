//! Misuse groups D, F and G as far as they look at heaps: walk, validate, information classes. Each
//! test is one row of the catalogue.
#![cfg(not(all(feature = "oracle", windows)))]

use core::ffi::c_void;
use core::ptr::{null, null_mut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rtl_heap_tests::abi::entry::*;
use rtl_heap_tests::abi::*;
use rtl_heap_tests::child;
use rtl_heap_tests::frontend::{activate, compatibility, set_compatibility};
use rtl_heap_tests::heap::*;
use rtl_heap_tests::last_error::{PRESET, observe};
use rtl_heap_tests::walk::{first_entry, walk};
use rtl_heap_tests::witness::Witness;

/// Steps a walk may take over a heap of `bytes` reserved bytes: no block is smaller than two
/// granules.
fn most_steps(bytes: usize) -> usize {
    bytes / (2 * G) + 1000
}

/// Walks until something ends it; returns the number of entries and the last error.
fn walk_to_any_end(heap: &TestHeap, most: usize) -> (usize, u32) {
    let mut entry = first_entry();
    let mut count = 0;
    loop {
        let (more, error) = observe(|| HeapWalk(heap.handle(), Some(&mut entry)));
        if more == FALSE {
            return (count, error);
        }
        count += 1;
        assert!(count <= most, "the walk does not end");
    }
}

/// Overwrites the header before a block's data.
fn damage_header(pointer: *mut c_void) {
    let header = pointer.cast::<u8>().wrapping_sub(8);
    // SAFETY: the eight bytes before a block's data are its header, in committed memory.
    unsafe { header.cast::<u64>().write_unaligned(0x4141_4141_4141_4141) };
}

#[test]
fn d15_many_entries_damaged() {
    let heap = TestHeap::new();
    let blocks: Vec<_> = (0..200).map(|n| heap.alloc(0, 16 + n)).collect();
    for block in blocks.iter().step_by(3) {
        damage_header(block.pointer());
    }
    let (entries, error) = walk_to_any_end(&heap, most_steps(0x10_0000));
    assert!(entries < 10, "{entries}");
    assert_ne!(error, error::ERROR_NO_MORE_ITEMS);
    assert_eq!(HeapValidate(heap.handle(), 0, null()), FALSE);
}

#[test]
fn f16_information_that_cannot_be_set() {
    let heap = TestHeap::new();
    // SAFETY: no buffer.
    let unknown = unsafe { HeapSetInformation(heap.handle(), 99, null(), 0) };
    assert_eq!(unknown, TRUE);
    let unserialised = TestHeap::create(flags::HEAP_NO_SERIALIZE, 0, 0);
    let fixed = TestHeap::create(0, A, A);
    for (heap, value, refusal) in [
        (&unserialised, 2, error::ERROR_INVALID_PARAMETER),
        (&fixed, 2, error::ERROR_GEN_FAILURE),
        (&heap, 0, error::ERROR_GEN_FAILURE),
        (&heap, 1, error::ERROR_GEN_FAILURE),
        (&heap, 77, error::ERROR_GEN_FAILURE),
    ] {
        let (set, error) = observe(|| set_compatibility(heap, value));
        assert_eq!((set, error), (FALSE, refusal), "{value}");
        assert_eq!(compatibility(heap), 0);
    }
    let value = 2_u32;
    for (heap, refusal) in [
        (null_mut(), error::ERROR_INVALID_HANDLE),
        (0x1234_5670 as HANDLE, error::ERROR_INVALID_HANDLE),
    ] {
        // SAFETY: the buffer is a number of four bytes.
        let set = || unsafe { HeapSetInformation(heap, 0, (&raw const value).cast(), 4) };
        assert_eq!(observe(set), (FALSE, refusal));
    }
}

#[test]
fn f17_short_buffers() {
    let heap = TestHeap::new();
    for length in 0..4 {
        let mut buffer = [0xA5_u8; 4];
        let mut needed = 0;
        let (asked, error) = observe(|| {
            let buffer = buffer.as_mut_ptr().cast();
            // SAFETY: the buffer has at least that length.
            unsafe { HeapQueryInformation(heap.handle(), 0, buffer, length, Some(&mut needed)) }
        });
        assert_eq!((asked, error), (FALSE, error::ERROR_INSUFFICIENT_BUFFER));
        assert_eq!((needed, buffer), (4, [0xA5; 4]));
        let value = 2_u32;
        // SAFETY: the buffer has at least that length.
        let set =
            || unsafe { HeapSetInformation(heap.handle(), 0, (&raw const value).cast(), length) };
        assert_eq!(observe(set), (FALSE, error::ERROR_INSUFFICIENT_BUFFER));
    }
    // SAFETY: no buffer.
    let set = || unsafe { HeapSetInformation(heap.handle(), 0, null(), 4) };
    assert_eq!(observe(set), (FALSE, error::ERROR_INSUFFICIENT_BUFFER));
    assert_eq!(compatibility(&heap), 0);
}

#[test]
fn f18_a_list_of_heaps_that_is_too_small() {
    let _heaps = (TestHeap::new(), TestHeap::new());
    let mut room = [null_mut(), null_mut(), 0x5A5A as HANDLE];
    // SAFETY: there is room for two.
    let count = unsafe { GetProcessHeaps(2, room.as_mut_ptr()) };
    assert!(count >= 3);
    assert_eq!(room[0], GetProcessHeap());
    assert!(!room[1].is_null());
    assert_eq!(room[2], 0x5A5A as HANDLE);
    // SAFETY: room for none.
    assert!(unsafe { GetProcessHeaps(0, null_mut()) } >= 3);
}

#[test]
fn f19_termination_cannot_be_undone() {
    child::assert_terminates("f19_termination_cannot_be_undone", || {
        const CLASS: u32 = class::HEAP_ENABLE_TERMINATION_ON_CORRUPTION;
        let heap = TestHeap::new();
        let no = 0_u32;
        // SAFETY: the buffer is a number of four bytes, or there is none.
        unsafe {
            assert_eq!(HeapSetInformation(null_mut(), CLASS, null(), 0), TRUE);
            HeapSetInformation(heap.handle(), CLASS, (&raw const no).cast(), 4);
            HeapSetInformation(null_mut(), CLASS, null(), 0);
        }
        HeapFree(
            heap.handle(),
            0,
            heap.address().wrapping_add(0x800) as *mut c_void,
        );
    });
}

#[test]
fn g9_an_entry_that_was_never_filled() {
    let heap = TestHeap::new();
    let witness = Witness::new(&heap);
    let mut entry = first_entry();
    entry.lpData = null_mut::<c_void>().wrapping_byte_add(usize::MAX / 255 * 0xCD);
    let before = entry;
    let (more, error) = observe(|| HeapWalk(heap.handle(), Some(&mut entry)));
    assert_eq!((more, error), (FALSE, error::ERROR_INVALID_PARAMETER));
    assert_eq!(entry, before);
    witness.assert_undisturbed();
}

#[test]
fn g10_an_entry_that_was_changed() {
    let heap = TestHeap::new();
    let witness = Witness::new(&heap);
    activate(&heap, 40);
    let _slot = heap.alloc(0, 40);
    for entry in walk(&heap) {
        for offset in [
            1,
            4,
            2 * P,
            8 * P,
            usize::MAX,
            3 * P,
            0_usize.wrapping_sub(2 * P),
        ] {
            let mut changed = entry;
            changed.lpData = entry.lpData.wrapping_byte_add(offset);
            changed.wFlags ^= 0xFFFF;
            let (more, error) = observe(|| HeapWalk(heap.handle(), Some(&mut changed)));
            // It may be another entry's address; it is never anything else.
            if more == FALSE {
                let ends = [error::ERROR_INVALID_PARAMETER, error::ERROR_NO_MORE_ITEMS];
                assert!(ends.contains(&error), "{error}");
            }
        }
    }
    witness.assert_undisturbed();
}

#[test]
fn g10_only_the_address_counts() {
    let heap = TestHeap::new();
    let _witness = Witness::new(&heap);
    let entries = walk(&heap);
    for pair in entries.windows(2) {
        let mut entry = PROCESS_HEAP_ENTRY {
            lpData: pair[0].lpData,
            ..first_entry()
        };
        assert_eq!(HeapWalk(heap.handle(), Some(&mut entry)), TRUE);
        assert_eq!(entry, pair[1]);
    }
}

#[test]
fn g11_a_walk_while_others_allocate() {
    let heap = TestHeap::new();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for seed in 1..3 {
            let (heap, stop) = (&heap, &stop);
            scope.spawn(move || {
                let mut size = seed;
                while !stop.load(Ordering::Relaxed) {
                    let blocks: Vec<_> = (0..50)
                        .map(|_| {
                            size = (size * 7 + 13) % 3000;
                            heap.alloc(0, size)
                        })
                        .collect();
                    let large = heap.alloc(0, 5 * A);
                    blocks.into_iter().for_each(|block| heap.free(block));
                    heap.free(large);
                }
            });
        }
        for _ in 0..200 {
            walk_to_any_end(&heap, most_steps(0x400_0000));
            assert_eq!(HeapValidate(heap.handle(), 0, null()), TRUE);
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(HeapValidate(heap.handle(), 0, null()), TRUE);
    walk(&heap);
}

#[test]
fn g12_no_entry_and_no_heap() {
    let heap = TestHeap::new();
    let (more, error) = observe(|| HeapWalk(heap.handle(), None));
    assert_eq!((more, error), (FALSE, error::ERROR_INVALID_PARAMETER));
    let block = heap.alloc(0, 64);
    for no_heap in [
        null_mut(),
        block.pointer(),
        0xDEAD_BE00_usize as HANDLE,
        usize::MAX as HANDLE,
    ] {
        let mut entry = first_entry();
        let (more, error) = observe(|| HeapWalk(no_heap, Some(&mut entry)));
        assert_eq!((more, error), (FALSE, error::ERROR_INVALID_HANDLE));
        assert_eq!(entry, first_entry());
        let mut summary = HEAP_SUMMARY {
            cb: size_of::<HEAP_SUMMARY>() as u32,
            ..Default::default()
        };
        let (summed, error) = observe(|| HeapSummary(no_heap, 0, Some(&mut summary)));
        assert_eq!((summed, error), (FALSE, error::ERROR_INVALID_HANDLE));
        if !no_heap.is_null() {
            assert_eq!(
                observe(|| HeapValidate(no_heap, 0, null())),
                (FALSE, PRESET)
            );
        }
    }
}

#[test]
fn g13_a_walk_over_a_damaged_block() {
    let heap = TestHeap::new();
    let blocks: Vec<_> = (0..10).map(|_| heap.alloc(0, 100)).collect();
    damage_header(blocks[5].pointer());
    let mut entry = first_entry();
    for block in &blocks[..5] {
        while entry.lpData != block.pointer() {
            assert_eq!(HeapWalk(heap.handle(), Some(&mut entry)), TRUE);
        }
    }
    let (more, error) = observe(|| HeapWalk(heap.handle(), Some(&mut entry)));
    assert_eq!(more, FALSE);
    assert!(
        ![error::ERROR_NO_MORE_ITEMS, PRESET].contains(&error),
        "{error}"
    );
    // The walk cannot be talked over it either.
    entry.lpData = blocks[5].pointer();
    assert_eq!(HeapWalk(heap.handle(), Some(&mut entry)), FALSE);
    // Behind it all is well.
    entry.lpData = blocks[6].pointer();
    assert_eq!(HeapWalk(heap.handle(), Some(&mut entry)), TRUE);
    assert_eq!(entry.lpData, blocks[7].pointer());
}

#[test]
fn g14_a_request_between_two_steps_under_the_lock() {
    let heap = TestHeap::new();
    let _blocks: Vec<_> = (1..20).map(|n| heap.alloc(0, 30 * n)).collect();
    assert_eq!(HeapLock(heap.handle()), TRUE);
    let mut entry = first_entry();
    let mut busy = 0;
    while HeapWalk(heap.handle(), Some(&mut entry)) == TRUE {
        if entry.wFlags == PROCESS_HEAP_ENTRY_BUSY {
            busy += 1;
            // Freed at once: the heap is as it was.
            let block = heap.alloc(0, 10);
            heap.free(block);
        }
    }
    assert_eq!(GetLastError(), error::ERROR_NO_MORE_ITEMS);
    assert_eq!(HeapUnlock(heap.handle()), TRUE);
    assert_eq!(busy, 19);
}
