//! Walks of heaps at random: exact while the heap is whole, finite and harmless when it is not.
#![cfg(not(all(feature = "oracle", windows)))]

use core::ffi::c_void;
use core::ptr::{null, null_mut};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use proptest::prelude::*;
use proptest::test_runner::Config;
use rtl_heap_tests::abi::entry::*;
use rtl_heap_tests::abi::flags::{HEAP_GROWABLE, HEAP_NO_SERIALIZE};
use rtl_heap_tests::abi::own::{MEM_COMMIT, rtlheap_vm_info, rtlheap_vm_query};
use rtl_heap_tests::abi::*;
use rtl_heap_tests::heap::*;
use rtl_heap_tests::walk::rtl_walk;

const PAGE: usize = 0x1000;
const LARGE: u16 = 0x4000;
const FRONT_END: u16 = 0x8000;
/// No slab has more than this left over behind its last slot.
const LARGEST_REST: usize = 0x4000 + PAGE;

fn config() -> Config {
    Config {
        cases: 40,
        failure_persistence: None,
        ..Config::default()
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Allocate(usize),
    Free(usize),
    Resize(usize, usize),
}

fn size() -> impl Strategy<Value = usize> {
    prop_oneof![
        6 => 0..400_usize,
        3 => 0..0x4000_usize,
        2 => 0..0x4_0000_usize,
        1 => 4 * A..5 * A,
        4 => Just(40),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => size().prop_map(Step::Allocate),
        4 => any::<usize>().prop_map(Step::Free),
        1 => (any::<usize>(), size()).prop_map(|(at, size)| Step::Resize(at, size)),
    ];
    prop::collection::vec(step, 0..300)
}

/// Does one step to the heap and to the list of what lives in it.
fn run(heap: &TestHeap, live: &mut BTreeMap<usize, usize>, step: Step) {
    let pick =
        |live: &BTreeMap<usize, usize>, at: usize| live.keys().nth(at % live.len().max(1)).copied();
    match step {
        Step::Allocate(size) => {
            if let Some(block) = heap.try_alloc(0, size) {
                live.insert(block.address(), size);
            }
        }
        Step::Free(at) => {
            if let Some(address) = pick(live, at) {
                assert_eq!(HeapFree(heap.handle(), 0, address as *mut c_void), TRUE);
                live.remove(&address);
            }
        }
        Step::Resize(at, size) => {
            if let Some(address) = pick(live, at) {
                let moved = HeapReAlloc(heap.handle(), 0, address as *mut c_void, size);
                if !moved.is_null() {
                    live.remove(&address);
                    live.insert(moved as usize, size);
                }
            }
        }
    }
}

/// The entries of one region tile it.
fn assert_tiles(entries: &[RTL_HEAP_WALK_ENTRY]) {
    let region = &entries[0];
    let base = region.DataAddress as usize;
    assert_eq!(region.Flags, RTL_HEAP_SEGMENT);
    let mut cursor = base + region.DataSize;
    assert_eq!(region.FirstEntry as usize, cursor + 2 * P);
    let mut uncommitted = 0;
    let mut in_slab = false;
    for entry in &entries[1..] {
        assert_eq!(entry.SegmentIndex, region.SegmentIndex);
        let address = entry.DataAddress as usize;
        let extent = entry.DataSize + usize::from(entry.OverheadBytes);
        let is_slot = entry.Flags & FRONT_END != 0;
        let block = match entry.Flags {
            RTL_HEAP_UNCOMMITTED_RANGE => {
                assert_eq!(address % PAGE, 0);
                // The range's descriptor, which no entry covers.
                address - 8 * P
            }
            0 => address - 4 * P,
            _ => address - 2 * P,
        };
        if in_slab {
            assert!(
                (cursor..cursor + LARGEST_REST).contains(&block),
                "{entry:x?}"
            );
        } else {
            assert_eq!(block, cursor, "{entry:x?}");
        }
        cursor = match entry.Flags {
            RTL_HEAP_UNCOMMITTED_RANGE => {
                uncommitted += entry.DataSize;
                address + entry.DataSize
            }
            0 => address + entry.DataSize,
            _ => block + extent,
        };
        in_slab = is_slot;
    }
    let end = region.LastEntry as usize;
    assert!((cursor..=cursor + G + LARGEST_REST * usize::from(in_slab)).contains(&end));
    // All that is not committed but for the guard page is in some range.
    let rest = region.UnCommittedSize as usize - uncommitted;
    assert!(rest == 0 || rest == PAGE, "{rest:#x}");
}

fn assert_walk_is_exact(heap: &TestHeap, live: &BTreeMap<usize, usize>) {
    let entries = rtl_walk(heap);
    let busy: BTreeMap<usize, usize> = entries
        .iter()
        .filter(|entry| entry.Flags & RTL_HEAP_BUSY != 0)
        .map(|entry| (entry.DataAddress as usize, entry.DataSize))
        .collect();
    assert_eq!(&busy, live);
    let blocks = entries.iter().take_while(|entry| entry.Flags & LARGE == 0);
    let blocks: Vec<_> = blocks.copied().collect();
    assert!(
        entries[blocks.len()..]
            .iter()
            .all(|entry| entry.Flags & LARGE != 0)
    );
    let starts = blocks
        .iter()
        .enumerate()
        .filter(|(_, entry)| entry.Flags == RTL_HEAP_SEGMENT);
    let mut starts: Vec<usize> = starts.map(|(at, _)| at).collect();
    assert_eq!(starts[0], 0);
    starts.push(blocks.len());
    for region in starts.windows(2) {
        assert_tiles(&blocks[region[0]..region[1]]);
    }
    assert_eq!(HeapValidate(heap.handle(), 0, null()), TRUE);
    let mut summary = HEAP_SUMMARY {
        cb: size_of::<HEAP_SUMMARY>() as u32,
        ..Default::default()
    };
    assert_eq!(HeapSummary(heap.handle(), 0, Some(&mut summary)), TRUE);
    assert_eq!(summary.cbAllocated, live.values().sum::<usize>());
}

/// One test at a time has heaps: one makes some that nobody serialises, which are its thread's alone, and
/// another has all heaps of the process validated.
fn alone() -> MutexGuard<'static, ()> {
    static HEAPS: Mutex<()> = Mutex::new(());
    HEAPS.lock().unwrap_or_else(PoisonError::into_inner)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_walk_shows_every_block_and_tiles_every_region(steps in steps(), shape in 0..4_usize) {
        let _alone = alone();
        let heap = match shape {
            0 => TestHeap::new(),
            1 => TestHeap::create(HEAP_NO_SERIALIZE, 0, 0),
            2 => TestHeap::create(0, 0x2000, 0x10_0000),
            _ => TestHeap::rtl(HEAP_GROWABLE, 0x2_0000, 0x1000),
        };
        let mut live = BTreeMap::new();
        assert_walk_is_exact(&heap, &live);
        for (number, step) in steps.into_iter().enumerate() {
            run(&heap, &mut live, step);
            if number % 16 == 0 {
                assert_walk_is_exact(&heap, &live);
            }
        }
        assert_walk_is_exact(&heap, &live);
        // And once all is freed, however it was walked on the way.
        for address in core::mem::take(&mut live).into_keys() {
            prop_assert_eq!(HeapFree(heap.handle(), 0, address as *mut c_void), TRUE);
        }
        assert_walk_is_exact(&heap, &live);
    }

    #[test]
    fn a_damaged_heap_is_walked_and_validated_without_harm(
        steps in steps(),
        damage in prop::collection::vec((any::<usize>(), any::<u64>(), 1..9_usize), 1..60),
    ) {
        let _alone = alone();
        let heap = TestHeap::new();
        let mut live = BTreeMap::new();
        for step in steps {
            run(&heap, &mut live, step);
        }
        let pages = committed_pages(&heap);
        let reserved = pages.len() * PAGE + live.values().sum::<usize>();
        for (place, bits, length) in damage {
            let page = pages[place % pages.len()];
            let at = page + (place / pages.len()) % (PAGE - 8);
            let bytes = bits.to_le_bytes();
            // SAFETY: the heap's own page is committed; whatever lies there may be overwritten,
            // which is the test.
            unsafe { (at as *mut u8).copy_from_nonoverlapping(bytes.as_ptr(), length.min(8)) };
        }
        for _ in 0..2 {
            walk_to_any_end(&heap, reserved);
            HeapValidate(heap.handle(), 0, null());
            for &address in live.keys() {
                HeapValidate(heap.handle(), 0, address as *const c_void);
                HeapSize(heap.handle(), 0, address as *const c_void);
            }
            RtlValidateProcessHeaps();
        }
        // Some free, so that what is kept for later is looked at too; refusals are all right.
        for address in live.into_keys() {
            HeapFree(heap.handle(), 0, address as *mut c_void);
        }
        walk_to_any_end(&heap, reserved);
        HeapValidate(heap.handle(), 0, null());
    }
}

/// Every committed page of the heap's segments.
fn committed_pages(heap: &TestHeap) -> Vec<usize> {
    let mut pages = Vec::new();
    for region in rtl_walk(heap) {
        if region.Flags != RTL_HEAP_SEGMENT {
            continue;
        }
        let base = region.DataAddress as usize;
        let size = region.CommittedSize as usize + region.UnCommittedSize as usize;
        pages.extend(
            (base..base + size)
                .step_by(PAGE)
                .filter(|page| is_committed(*page)),
        );
    }
    pages
}

fn is_committed(page: usize) -> bool {
    let mut info = rtlheap_vm_info {
        base: null_mut(),
        size: 0,
        state: 0,
        heap: null_mut(),
    };
    rtlheap_vm_query(page as *const c_void, Some(&mut info)) == TRUE && info.state == MEM_COMMIT
}

/// Walks until something ends it, which must be within as many steps as there can be blocks.
fn walk_to_any_end(heap: &TestHeap, reserved: usize) {
    let most = reserved / G + 1000;
    let mut entry = RTL_HEAP_WALK_ENTRY {
        DataAddress: null_mut(),
        DataSize: 0,
        OverheadBytes: 0,
        SegmentIndex: 0,
        Flags: 0,
        padding: Default::default(),
        CommittedSize: 0,
        UnCommittedSize: 0,
        FirstEntry: null_mut(),
        LastEntry: null_mut(),
    };
    let mut count = 0;
    while RtlWalkHeap(heap.handle(), Some(&mut entry)) == status::STATUS_SUCCESS {
        count += 1;
        assert!(count < most, "the walk does not end");
    }
}

/// On 32-bit a free block that was all head ended with its reservation, and its entry's address lay
/// behind it: the walk could not go on from there.
#[test]
fn a_walk_goes_on_from_the_smallest_free_block_at_a_segment_s_end() {
    let heap = TestHeap::create(0, 0x1_0000, 0x1_0000);
    let fits = (0..0x1_0000).rev().step_by(G);
    let first = fits.into_iter().find(|size| {
        let block = heap.try_alloc(0, *size);
        block.map(|block| heap.free(block)).is_some()
    });
    let first = first.expect("something fits");
    for size in (first - 64 * G..=first).rev().step_by(G) {
        let block = heap.alloc(0, size);
        let busy = rtl_walk(&heap)
            .iter()
            .filter(|entry| entry.DataAddress == block.pointer())
            .count();
        assert_eq!(busy, 1, "{size:#x}");
        heap.free(block);
    }
}
