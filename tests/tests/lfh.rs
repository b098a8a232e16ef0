//! The low-fragmentation heap: its lines of sections 13.4, 13.6, 13.7 and 13.8.

use rtl_heap_tests::abi::entry::*;
use rtl_heap_tests::abi::flags::HEAP_REALLOC_IN_PLACE_ONLY;
use rtl_heap_tests::abi::*;
use rtl_heap_tests::frontend::*;
use rtl_heap_tests::heap::*;
use rtl_heap_tests::last_error::observe;
use rtl_heap_tests::threads::{assert_blocks, assert_does_not_block};
use rtl_heap_tests::walk::{rtl_walk, walk};

/// The request of the walk tests, in bytes.
const REQUEST: usize = 24 + 2 * P;

/// A heap whose front end serves a size.
fn active_for(size: usize) -> TestHeap {
    let heap = TestHeap::new();
    activate(&heap, size);
    heap
}

#[test]
fn c145_a_block_of_the_front_end_does_not_shrink_in_place() {
    let heap = active_for(12);
    let block = heap.alloc(0, 12);
    heap.assert_resize_refused(HEAP_REALLOC_IN_PLACE_ONLY, &block, 10);
}

#[test]
fn c146_a_block_of_the_front_end_moves_to_grow() {
    let heap = active_for(12);
    let mut block = heap.alloc(0, 12);
    block.write_pattern(1);
    assert!(!heap.resize(0, &mut block, 13));
    assert!(block.has_pattern(1, 12));
}

/// A heap that was told to use its front end, after 17 requests.
fn nearly_active() -> TestHeap {
    let heap = TestHeap::new();
    assert_eq!(set_compatibility(&heap, LOW_FRAGMENTATION), TRUE);
    allocate_then_free(&heap, 17, REQUEST);
    heap
}

/// The same after 18 requests more.
fn active() -> TestHeap {
    let heap = nearly_active();
    allocate_then_free(&heap, 18, REQUEST);
    heap
}

#[test]
fn c218_seventeen_requests_leave_the_front_end_off() {
    assert_eq!(walk(&nearly_active()).len(), 3);
}

#[test]
fn c219_eighteen_more_turn_it_on() {
    let entries = walk(&active()).len();
    assert!(entries > 24, "{entries}");
}

#[test]
fn c220_its_free_blocks() {
    let entries = walk(&active());
    assert_eq!(entries[0].wFlags, PROCESS_HEAP_REGION);
    assert_eq!(entries[1].wFlags, 0);
    for entry in &entries[4..=21] {
        assert_eq!(entry.wFlags, 0);
        assert_eq!((entry.cbData, usize::from(entry.cbOverhead)), (0x20, 2 * P));
    }
}

/// A heap whose front end has served 18 live blocks.
fn active_with_blocks() -> (TestHeap, Vec<usize>) {
    let heap = active();
    let blocks = (0..18).map(|_| heap.alloc(0, REQUEST).address()).collect();
    (heap, blocks)
}

#[test]
fn c221_its_busy_blocks() {
    let (heap, blocks) = active_with_blocks();
    let entries = walk(&heap);
    let busy: Vec<_> = entries
        .iter()
        .filter(|entry| entry.wFlags == PROCESS_HEAP_ENTRY_BUSY)
        .collect();
    assert_eq!(busy.len(), blocks.len());
    for entry in busy {
        assert!(blocks.contains(&(entry.lpData as usize)));
        assert_eq!((entry.cbData as usize, entry.cbOverhead), (REQUEST, 8));
    }
}

#[test]
fn c222_flags_of_its_busy_blocks() {
    let (heap, blocks) = active_with_blocks();
    let entries = rtl_walk(&heap);
    let busy: Vec<_> = entries
        .iter()
        .filter(|entry| blocks.contains(&(entry.DataAddress as usize)))
        .collect();
    assert_eq!(busy.len(), blocks.len());
    assert!(busy.iter().all(|entry| entry.Flags == 0x8001));
}

#[test]
fn c223_the_end_of_the_walk() {
    let heap = active();
    let (entries, rtl_entries) = (walk(&heap), rtl_walk(&heap));
    let [.., before, last] = &entries[..] else {
        panic!("two entries")
    };
    if last.wFlags == PROCESS_HEAP_REGION {
        assert_eq!(rtl_entries.last().map(|entry| entry.Flags), Some(0x8002));
        assert_eq!(before.wFlags, PROCESS_HEAP_UNCOMMITTED_RANGE);
    } else {
        assert_eq!(last.wFlags, PROCESS_HEAP_UNCOMMITTED_RANGE);
    }
}

#[test]
fn c244_a_fresh_heap_has_none() {
    assert_eq!(compatibility(&TestHeap::new()), 0);
}

/// A heap with the front end set.
fn with_front_end() -> TestHeap {
    let heap = TestHeap::new();
    assert_eq!(set_compatibility(&heap, LOW_FRAGMENTATION), TRUE);
    heap
}

#[test]
fn c245_it_can_be_set() {
    assert_eq!(compatibility(&with_front_end()), LOW_FRAGMENTATION);
}

#[test]
fn c246_it_cannot_be_turned_off() {
    let heap = with_front_end();
    let (set, error) = observe(|| set_compatibility(&heap, 0));
    assert_eq!((set, error), (FALSE, error::ERROR_GEN_FAILURE));
}

#[test]
fn c247_it_cannot_become_look_aside_lists() {
    let heap = with_front_end();
    let (set, error) = observe(|| set_compatibility(&heap, 1));
    assert_eq!((set, error), (FALSE, error::ERROR_GEN_FAILURE));
}

#[test]
fn c248_it_stays_on() {
    let heap = with_front_end();
    set_compatibility(&heap, 0);
    set_compatibility(&heap, 1);
    assert_eq!(compatibility(&heap), LOW_FRAGMENTATION);
}

#[test]
fn c249_requests_turn_it_on() {
    let heap = TestHeap::new();
    allocate_then_free(&heap, 18, 0);
    assert_eq!(compatibility(&heap), LOW_FRAGMENTATION);
}

#[test]
fn c250_not_without_serialisation() {
    let heap = TestHeap::create(flags::HEAP_NO_SERIALIZE, 0, 0);
    let (set, error) = observe(|| set_compatibility(&heap, LOW_FRAGMENTATION));
    assert_eq!((set, error), (FALSE, error::ERROR_INVALID_PARAMETER));
    assert_eq!(compatibility(&heap), 0);
}

#[test]
fn c276_the_heap_lock_still_waits() {
    assert_blocks(&active_for(0), |heap| {
        assert_eq!(HeapLock(heap.handle()), TRUE);
        assert_eq!(HeapUnlock(heap.handle()), TRUE);
    });
}

#[test]
fn c277_its_requests_do_not_wait() {
    let heap = active_for(0);
    // The second thread finds the front end ready, as the first does.
    assert_does_not_block(&heap, |heap| {
        let block = heap.alloc(0, 0);
        heap.free(block);
    });
}
