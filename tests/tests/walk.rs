//! Section 13.6 of the conformance lines but for the low-fragmentation heap: walk.

use core::ffi::c_void;

use rtl_heap_tests::abi::entry::*;
use rtl_heap_tests::abi::*;
use rtl_heap_tests::heap::*;
use rtl_heap_tests::last_error::observe;
use rtl_heap_tests::walk::{address, end, rtl_walk, walk};

/// A region in the smallest commit unit, of which the last page is never committed.
const REGION: usize = 0x1_0000;
const GUARD: usize = 0x1000;

/// The three entries of a fresh heap.
fn fresh() -> (TestHeap, [PROCESS_HEAP_ENTRY; 3]) {
    let heap = TestHeap::new();
    let entries = walk(&heap);
    (heap, entries.try_into().expect("three entries"))
}

#[test]
fn c104_freeing_everything_makes_the_heap_as_it_was() {
    let (heap, before) = fresh();
    for size in [0, 1, 15, 16, 17, 100, 1000, 0x1000, 0x5000, 0x8000, 5 * A] {
        let block = heap.alloc(0, size);
        heap.free(block);
        assert_eq!(walk(&heap), before, "{size:#x}");
    }
    let blocks: Vec<_> = (1..17).map(|n| heap.alloc(0, n * 100)).collect();
    for block in blocks {
        heap.free(block);
    }
    assert_eq!(walk(&heap), before);
}

#[test]
fn c180_garbage_in_the_first_entry() {
    // `walk` fills it with 0xCD but for the data pointer.
    assert!(!walk(&TestHeap::new()).is_empty());
}

#[test]
fn c181_a_fresh_heap_has_three_entries() {
    assert_eq!(walk(&TestHeap::new()).len(), 3);
}

#[test]
fn c182_a_fresh_heap_has_three_rtl_entries() {
    assert_eq!(rtl_walk(&TestHeap::new()).len(), 3);
}

#[test]
fn c183_both_walks_agree() {
    let heap = TestHeap::new();
    for size in [1, 100, 0x5000, A, 5 * A] {
        let _ = heap.alloc(0, size);
    }
    let (entries, rtl_entries) = (walk(&heap), rtl_walk(&heap));
    assert_eq!(entries.len(), rtl_entries.len());
    for (entry, rtl) in entries.iter().zip(&rtl_entries) {
        assert_eq!(entry.lpData, rtl.DataAddress);
        assert_eq!(entry.cbData as usize, rtl.DataSize);
        assert_eq!(entry.cbOverhead, rtl.OverheadBytes);
        assert_eq!(entry.iRegionIndex, rtl.SegmentIndex);
    }
}

#[test]
fn c184_the_first_entry_is_the_region() {
    let (heap, entries) = fresh();
    assert_eq!(entries[0].wFlags, PROCESS_HEAP_REGION);
    assert_eq!(rtl_walk(&heap)[0].Flags, RTL_HEAP_SEGMENT);
}

#[test]
fn c185_the_region_begins_at_the_handle() {
    let (heap, entries) = fresh();
    assert_eq!(entries[0].lpData, heap.handle());
}

#[test]
fn c186_the_region_s_data_is_its_header() {
    let (_heap, entries) = fresh();
    assert!(entries[0].cbData > 0 && entries[0].cbData <= 0x1000);
}

#[test]
fn c187_the_region_has_no_overhead() {
    let (_heap, entries) = fresh();
    assert_eq!((entries[0].cbOverhead, entries[0].iRegionIndex), (0, 0));
}

#[test]
fn c188_committed_bytes_of_a_fresh_region() {
    let (_heap, entries) = fresh();
    assert_eq!(entries[0].dwCommittedSize as usize, COMMIT_UNIT);
}

#[test]
fn c189_uncommitted_bytes_of_a_fresh_region() {
    let (_heap, entries) = fresh();
    let region = entries[0];
    assert_eq!(
        region.dwUnCommittedSize,
        REGION as u32 - region.dwCommittedSize
    );
}

#[test]
fn c190_the_first_block_of_a_region() {
    let (_heap, entries) = fresh();
    let first = entries[0].lpFirstBlock as usize;
    assert!([2 * P, 4 * P].contains(&(first - end(&entries[0]))));
}

#[test]
fn c191_the_last_block_of_a_region() {
    let (_heap, entries) = fresh();
    assert_eq!(entries[0].lpLastBlock as usize, end(&entries[2]));
}

#[test]
fn c192_the_second_entry_is_free() {
    let (_heap, entries) = fresh();
    let free = entries[1];
    assert_eq!((free.wFlags, free.iRegionIndex), (0, 0));
    assert!(!free.lpData.is_null());
    assert_ne!(free.cbData, 0);
}

#[test]
fn c193_overhead_of_a_free_block() {
    let (_heap, entries) = fresh();
    assert_eq!(usize::from(entries[1].cbOverhead), 4 * P);
}

#[test]
fn c194_the_third_entry_is_uncommitted() {
    let (heap, entries) = fresh();
    assert_eq!(entries[2].wFlags, PROCESS_HEAP_UNCOMMITTED_RANGE);
    assert_eq!(rtl_walk(&heap)[2].Flags, RTL_HEAP_UNCOMMITTED_RANGE);
}

/// C195 to C198 of the region and the uncommitted range at its end.
fn assert_range_ends_region(region: &PROCESS_HEAP_ENTRY, range: &PROCESS_HEAP_ENTRY) {
    assert_eq!(range.wFlags, PROCESS_HEAP_UNCOMMITTED_RANGE);
    assert_eq!(
        address(range),
        address(region) + region.dwCommittedSize as usize
    );
    assert_eq!(range.cbData, region.dwUnCommittedSize - GUARD as u32);
    assert_eq!((range.cbOverhead, range.iRegionIndex), (0, 0));
}

#[test]
fn c195_the_range_begins_where_the_committed_bytes_end() {
    let (_heap, entries) = fresh();
    assert_eq!(
        address(&entries[2]),
        address(&entries[0]) + entries[0].dwCommittedSize as usize
    );
}

#[test]
fn c196_the_range_begins_where_the_free_block_ends() {
    let (_heap, entries) = fresh();
    assert_eq!(
        address(&entries[2]),
        end(&entries[1]) + 2 * usize::from(entries[1].cbOverhead)
    );
}

#[test]
fn c197_the_range_ends_a_page_before_the_region() {
    let (_heap, entries) = fresh();
    assert_eq!(
        entries[2].cbData,
        entries[0].dwUnCommittedSize - GUARD as u32
    );
}

#[test]
fn c198_the_range_has_no_overhead() {
    let (_heap, entries) = fresh();
    assert_range_ends_region(&entries[0], &entries[2]);
}

#[test]
fn c199_a_large_block_leaves_the_other_entries_alone() {
    let (heap, before) = fresh();
    let _block = heap.alloc(flags::HEAP_ZERO_MEMORY, 5 * A);
    let entries = walk(&heap);
    assert_eq!(entries.len(), 4);
    assert_eq!(entries[..3], before);
}

#[test]
fn c200_flags_of_a_large_block() {
    let heap = TestHeap::new();
    let _block = heap.alloc(0, 5 * A);
    assert_eq!(walk(&heap)[3].wFlags, PROCESS_HEAP_ENTRY_BUSY);
    assert_eq!(rtl_walk(&heap)[3].Flags, 0x4011);
}

#[test]
fn c201_data_of_a_large_block() {
    let heap = TestHeap::new();
    let block = heap.alloc(0, 5 * A);
    let entry = walk(&heap)[3];
    assert_eq!(
        (entry.lpData, entry.cbData as usize),
        (block.pointer(), 5 * A)
    );
}

#[test]
fn c202_overhead_of_a_large_block() {
    let heap = TestHeap::new();
    let _block = heap.alloc(0, 5 * A);
    assert_eq!(walk(&heap)[3].cbOverhead, 0);
}

#[test]
fn c203_index_of_a_large_block() {
    let heap = TestHeap::new();
    let _block = heap.alloc(0, 5 * A);
    assert_eq!(walk(&heap)[3].iRegionIndex, 64);
}

/// The regions after one that is gone move up, as heaps do (C018).
#[test]
fn the_index_of_a_region_is_its_place_among_the_regions() {
    let heap = TestHeap::new();
    // Of the back end on 32-bit too, and a few to a region.
    let blocks: Vec<_> = (0..60).map(|_| heap.alloc(0, 0x7_0000)).collect();
    let indices = |heap: &TestHeap| {
        let regions = walk(heap).into_iter();
        let regions = regions.filter(|entry| entry.wFlags == PROCESS_HEAP_REGION);
        regions.map(|entry| entry.iRegionIndex).collect::<Vec<_>>()
    };
    let before = indices(&heap);
    assert_eq!(before, (0..before.len() as u8).collect::<Vec<_>>());
    assert!(before.len() > 4, "{}", before.len());
    // All but the first and the last block.
    let kept = blocks.len() - 1;
    for (number, block) in blocks.into_iter().enumerate() {
        if number != 0 && number != kept {
            heap.free(block);
        }
    }
    let after = indices(&heap);
    assert_eq!(after, (0..after.len() as u8).collect::<Vec<_>>());
    assert!(after.len() < before.len(), "{}", after.len());
    let last = walk(&heap).into_iter().rev();
    let mut busy = last.filter(|entry| entry.wFlags == PROCESS_HEAP_ENTRY_BUSY);
    assert_eq!(
        busy.next().map(|entry| entry.iRegionIndex),
        after.last().copied()
    );
}

#[test]
fn c204_a_second_large_block_comes_after_the_first() {
    let heap = TestHeap::new();
    let _first = heap.alloc(0, 5 * A);
    let before = walk(&heap);
    let second = heap.alloc(0, 5 * A);
    let entries = walk(&heap);
    assert_eq!(entries.len(), 5);
    assert_eq!(entries[..4], before);
    assert_eq!(
        (entries[4].lpData, entries[4].iRegionIndex),
        (second.pointer(), 64)
    );
}

#[test]
fn c205_freed_large_blocks_are_gone() {
    let (heap, before) = fresh();
    let (first, second) = (heap.alloc(0, 5 * A), heap.alloc(0, 5 * A));
    heap.free(first);
    heap.free(second);
    assert_eq!(walk(&heap), before);
}

/// What C208 says of a free block behind a busy one.
fn assert_free_behind(busy: &PROCESS_HEAP_ENTRY, free: &PROCESS_HEAP_ENTRY) {
    assert_eq!(free.wFlags, 0);
    assert_eq!(
        address(free),
        end(busy) + usize::from(busy.cbOverhead) + 2 * P
    );
    assert_eq!(usize::from(free.cbOverhead), 4 * P);
}

#[test]
fn c206_a_small_block_leaves_the_region_alone() {
    let (heap, before) = fresh();
    let _block = heap.alloc(0, 123);
    let entries = walk(&heap);
    assert_eq!(entries.len(), 4);
    assert_eq!(entries[0], before[0]);
}

#[test]
fn c207_a_small_block() {
    let heap = TestHeap::new();
    let block = heap.alloc(0, 123);
    let entry = walk(&heap)[1];
    assert_eq!(entry.wFlags, PROCESS_HEAP_ENTRY_BUSY);
    assert_eq!((entry.lpData, entry.cbData), (block.pointer(), 123));
    assert_ne!(entry.cbOverhead, 0);
    assert_eq!(entry.iRegionIndex, 0);
    assert_eq!(
        123 + usize::from(entry.cbOverhead),
        rtl_heap_tests::heap::block(123)
    );
}

#[test]
fn c208_the_free_block_behind_a_small_block() {
    let heap = TestHeap::new();
    let _block = heap.alloc(0, 123);
    let entries = walk(&heap);
    assert_free_behind(&entries[1], &entries[2]);
}

#[test]
fn c209_the_range_behind_a_small_block() {
    let heap = TestHeap::new();
    let _block = heap.alloc(0, 123);
    let entries = walk(&heap);
    assert_range_ends_region(&entries[0], &entries[3]);
}

#[test]
fn c210_a_second_small_block_leaves_the_first_alone() {
    let heap = TestHeap::new();
    let _first = heap.alloc(0, 123);
    let before = walk(&heap);
    let _second = heap.alloc(0, 456);
    let entries = walk(&heap);
    assert_eq!(entries.len(), 5);
    assert_eq!(entries[..2], before[..2]);
}

#[test]
fn c211_a_second_small_block() {
    let heap = TestHeap::new();
    let _first = heap.alloc(0, 123);
    let second = heap.alloc(0, 456);
    let entry = walk(&heap)[2];
    assert_eq!(entry.wFlags, PROCESS_HEAP_ENTRY_BUSY);
    assert_eq!((entry.lpData, entry.cbData), (second.pointer(), 456));
}

#[test]
fn c212_the_free_block_behind_a_second_small_block() {
    let heap = TestHeap::new();
    let _blocks = (heap.alloc(0, 123), heap.alloc(0, 456));
    let entries = walk(&heap);
    assert_free_behind(&entries[2], &entries[3]);
}

#[test]
fn c213_a_walk_under_the_lock() {
    let heap = TestHeap::new();
    let _block = heap.alloc(0, 100);
    assert_eq!(HeapLock(heap.handle()), TRUE);
    assert_eq!(walk(&heap).len(), 4);
    assert_eq!(HeapUnlock(heap.handle()), TRUE);
}

#[test]
fn c214_moveable_objects_have_no_flags_of_their_own() {
    let handles: Vec<_> = (0..10)
        .map(|_| GlobalAlloc(mem::MOVEABLE | mem::GMEM_DISCARDABLE, 100))
        .collect();
    let process = TestHeap::process();
    // Other tests use the process heap too.
    assert_eq!(HeapLock(process.handle()), TRUE);
    let entries = walk(&process);
    assert_eq!(HeapUnlock(process.handle()), TRUE);
    assert!(entries.iter().all(|entry| entry.wFlags & 0x30 == 0));
    for handle in handles {
        assert!(GlobalFree(handle).is_null());
    }
}

#[test]
fn c215_no_entry() {
    let heap = TestHeap::new();
    let (more, error) = observe(|| HeapWalk(heap.handle(), None));
    assert_eq!((more, error), (FALSE, error::ERROR_INVALID_PARAMETER));
}

#[test]
fn c216_an_entry_outside_the_heap() {
    let (heap, other) = (TestHeap::new(), TestHeap::new());
    for outside in [
        other.handle(),
        0xDEAD_BE00_usize as *mut c_void,
        (&raw const heap).cast_mut().cast(),
    ] {
        let mut entry = rtl_walk(&heap)[1];
        entry.DataAddress = outside;
        let status = RtlWalkHeap(heap.handle(), Some(&mut entry));
        assert_eq!(status, status::STATUS_INVALID_PARAMETER, "{outside:?}");
    }
}

#[test]
fn c217_sizes_of_the_structures() {
    let expected = if P == 8 { (40, 48) } else { (28, 28) };
    assert_eq!(
        (
            size_of::<PROCESS_HEAP_ENTRY>(),
            size_of::<RTL_HEAP_WALK_ENTRY>()
        ),
        expected
    );
    // An entry is written as far as that and no further.
    let heap = TestHeap::new();
    let mut guarded = (walk(&heap)[0], [0xA5_u8; 16]);
    guarded.0.lpData = core::ptr::null_mut();
    assert_eq!(HeapWalk(heap.handle(), Some(&mut guarded.0)), TRUE);
    assert_eq!(guarded.1, [0xA5; 16]);
}
