//! Whole walks of a heap.

use core::ptr::null_mut;

use crate::abi::*;
use crate::heap::TestHeap;
use crate::last_error::observe;

/// No test's heap has more entries.
const MOST_ENTRIES: usize = 1_000_000;

/// An entry as a walk starts with: garbage but for the data pointer.
pub fn first_entry() -> PROCESS_HEAP_ENTRY {
    let garbage = null_mut::<u8>()
        .wrapping_add(usize::MAX / 255 * 0xCD)
        .cast();
    PROCESS_HEAP_ENTRY {
        lpData: null_mut(),
        cbData: 0xCDCD_CDCD,
        cbOverhead: 0xCD,
        iRegionIndex: 0xCD,
        wFlags: 0xCDCD,
        dwCommittedSize: 0xCDCD_CDCD,
        dwUnCommittedSize: 0xCDCD_CDCD,
        lpFirstBlock: garbage,
        lpLastBlock: garbage,
    }
}

/// Every entry `HeapWalk` gives, to the end.
#[track_caller]
pub fn walk(heap: &TestHeap) -> Vec<PROCESS_HEAP_ENTRY> {
    let mut entry = first_entry();
    let mut entries = Vec::new();
    loop {
        let (more, error) = observe(|| HeapWalk(heap.handle(), Some(&mut entry)));
        if more == FALSE {
            assert_eq!(
                error,
                error::ERROR_NO_MORE_ITEMS,
                "after {} entries",
                entries.len()
            );
            return entries;
        }
        entries.push(entry);
        assert!(entries.len() < MOST_ENTRIES, "the walk does not end");
    }
}

/// Every entry `RtlWalkHeap` gives, to the end.
#[track_caller]
pub fn rtl_walk(heap: &TestHeap) -> Vec<RTL_HEAP_WALK_ENTRY> {
    let first = first_entry();
    let mut entry = RTL_HEAP_WALK_ENTRY {
        DataAddress: null_mut(),
        DataSize: usize::MAX / 255 * 0xCD,
        OverheadBytes: first.cbOverhead,
        SegmentIndex: first.iRegionIndex,
        Flags: first.wFlags,
        padding: Default::default(),
        CommittedSize: first.dwCommittedSize,
        UnCommittedSize: first.dwUnCommittedSize,
        FirstEntry: first.lpFirstBlock,
        LastEntry: first.lpLastBlock,
    };
    let mut entries = Vec::new();
    loop {
        match RtlWalkHeap(heap.handle(), Some(&mut entry)) {
            status::STATUS_SUCCESS => entries.push(entry),
            ending => {
                assert_eq!(
                    ending,
                    status::STATUS_NO_MORE_ENTRIES,
                    "after {}",
                    entries.len()
                );
                return entries;
            }
        }
        assert!(entries.len() < MOST_ENTRIES, "the walk does not end");
    }
}

/// An entry's data pointer as a number.
pub fn address(entry: &PROCESS_HEAP_ENTRY) -> usize {
    entry.lpData as usize
}

/// The byte behind an entry's data.
pub fn end(entry: &PROCESS_HEAP_ENTRY) -> usize {
    address(entry) + entry.cbData as usize
}
