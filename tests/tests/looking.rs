//! What has no line of its own: extended information, usage, compaction, the memory limit, resources
//! given back.
#![cfg(not(all(feature = "oracle", windows)))]

use core::ffi::c_void;
use core::ptr::{null, null_mut};

use rtl_heap_tests::abi::extended::*;
use rtl_heap_tests::abi::*;
use rtl_heap_tests::frontend::{activate, allocate_then_free};
use rtl_heap_tests::heap::*;
use rtl_heap_tests::last_error::{PRESET, observe};
use rtl_heap_tests::walk::{rtl_walk, walk};

/// What the callback saw: level, address, size.
type Seen = Vec<(u32, usize, usize)>;

unsafe extern "system" fn note(
    item: *const HEAP_INFORMATION_ITEM,
    context: *mut c_void,
) -> NTSTATUS {
    // SAFETY: the library passes an item, and the test's list as context.
    let (item, seen) = unsafe { (*item, &mut *context.cast::<Seen>()) };
    let [first, second, third, ..] = item.words;
    let size = match item.Level {
        // Reserved bytes, and a heap's behind its mode.
        1 => first,
        2 => third,
        // A block's data behind its flags.
        5 => third,
        _ => second,
    };
    seen.push((item.Level, first, size));
    // A callback may use the heap (G14).
    let block = HeapAlloc(GetProcessHeap(), 0, 40);
    assert_eq!(HeapFree(GetProcessHeap(), 0, block), TRUE);
    status::STATUS_SUCCESS
}

fn question(heap: HANDLE, level: u32) -> HEAP_EXTENDED_INFORMATION {
    HEAP_EXTENDED_INFORMATION {
        ProcessHandle: null_mut(),
        HeapHandle: heap,
        Level: level,
        CallbackRoutine: None,
        CallbackContext: null_mut(),
        words: [0; 6],
    }
}

fn ask(heap: HANDLE, question: &mut HEAP_EXTENDED_INFORMATION) -> (BOOL, u32) {
    let length = size_of_val(question);
    let buffer = core::ptr::from_mut(question).cast();
    // SAFETY: the buffer is the structure of the class.
    observe(|| unsafe {
        HeapQueryInformation(heap, class::HEAP_EXTENDED_INFORMATION, buffer, length, None)
    })
}

fn enumerate(heap: HANDLE, level: u32) -> Seen {
    let mut seen = Seen::new();
    let mut asked = question(heap, level);
    asked.CallbackRoutine = Some(note);
    asked.CallbackContext = (&raw mut seen).cast();
    assert_eq!(ask(heap, &mut asked), (TRUE, PRESET));
    seen
}

#[test]
fn extended_information_goes_as_deep_as_asked_and_agrees_with_the_walk() {
    let heap = TestHeap::new();
    activate(&heap, 40);
    let _blocks = (
        heap.alloc(0, 40),
        heap.alloc(0, 0x5000),
        heap.alloc(0, 5 * A),
    );
    for level in 2..=5 {
        let seen = enumerate(heap.handle(), level);
        assert_eq!(seen[0].0, 2);
        assert_eq!(seen[0].1, heap.address());
        assert_eq!(seen.iter().map(|item| item.0).max(), Some(level));
    }
    let seen = enumerate(heap.handle(), 5);
    let expected: Vec<_> = rtl_walk(&heap)
        .iter()
        .filter(|entry| ![0x0002, 0x1000].contains(&entry.Flags))
        .map(|entry| (5, entry.DataAddress as usize, entry.DataSize))
        .collect();
    let blocks: Vec<_> = seen.iter().copied().filter(|item| item.0 == 5).collect();
    assert_eq!(blocks, expected);
    // Ranges lie in their region one after the other, blocks in their range.
    let (mut region, mut range) = (0..0, 0..0);
    for (level, address, size) in seen {
        match level {
            3 => {
                region = address..address + size;
                range = address..address;
            }
            4 => {
                assert!(address >= range.end && region.contains(&address));
                range = address..address + size;
                assert!(range.end <= region.end);
            }
            5 => assert!(range.contains(&address) && address + size <= range.end),
            _ => {}
        }
    }
}

#[test]
fn extended_information_of_the_process() {
    let heap = TestHeap::new();
    let seen = enumerate(null_mut(), 2);
    assert_eq!(seen[0].0, 1);
    assert!(seen.contains(&(2, heap.address(), 0x1_0000)));
    let mut asked = question(null_mut(), 1);
    assert_eq!(ask(null_mut(), &mut asked), (TRUE, PRESET));
    let [reserved, committed, heaps, ..] = asked.words;
    assert!(reserved >= committed && committed > 0);
    assert!(heaps as u32 >= 2);
    let mut asked = question(heap.handle(), 2);
    assert_eq!(ask(heap.handle(), &mut asked), (TRUE, PRESET));
    assert_eq!(asked.words[0], heap.address());
}

#[test]
fn extended_information_refuses_what_it_cannot_answer() {
    let heap = TestHeap::new();
    for (mut asked, refusal) in [
        (question(heap.handle(), 0), error::ERROR_INVALID_PARAMETER),
        (question(heap.handle(), 6), error::ERROR_INVALID_PARAMETER),
        (question(heap.handle(), 5), error::ERROR_INVALID_PARAMETER),
        (question(0x1230 as HANDLE, 2), error::ERROR_INVALID_HANDLE),
    ] {
        assert_eq!(ask(heap.handle(), &mut asked), (FALSE, refusal));
    }
    let mut other = question(heap.handle(), 2);
    other.ProcessHandle = 0x44 as HANDLE;
    assert_eq!(
        ask(heap.handle(), &mut other),
        (FALSE, error::ERROR_INVALID_HANDLE)
    );
    let mut needed = 0;
    // SAFETY: no buffer.
    let asked = observe(|| unsafe {
        HeapQueryInformation(heap.handle(), 2, null_mut(), 0, Some(&mut needed))
    });
    assert_eq!(asked, (FALSE, error::ERROR_INSUFFICIENT_BUFFER));
    assert_eq!(needed, size_of::<HEAP_EXTENDED_INFORMATION>());
}

/// The entries of one of a usage's lists.
fn listed(mut at: *const RTL_HEAP_USAGE_ENTRY) -> Vec<(usize, usize)> {
    let mut entries = Vec::new();
    // SAFETY: the lists are good until the next call with the structure.
    while let Some(entry) = unsafe { at.as_ref() } {
        entries.push((entry.Address as usize, entry.Size));
        at = entry.Next;
    }
    entries
}

fn usage(heap: HANDLE, flags: u32, usage: &mut RTL_HEAP_USAGE) -> NTSTATUS {
    // SAFETY: the structure is zero but for what the library put there.
    unsafe { RtlUsageHeap(heap, flags, usage) }
}

#[test]
fn usage_lists_blocks_and_what_changed() {
    const LIST: u32 = 0x10;
    const FREE: u32 = 0x08;
    let heap = TestHeap::new();
    let (first, second) = (heap.alloc(0, 100), heap.alloc(0, 5 * A));
    let mut sums = RTL_HEAP_USAGE::new();
    assert_eq!(
        usage(heap.handle(), LIST, &mut sums),
        status::STATUS_SUCCESS
    );
    assert_eq!(sums.BytesAllocated, 100 + 5 * A);
    assert!(sums.BytesCommitted <= sums.BytesReserved);
    let mut both = [(first.address(), 100), (second.address(), 5 * A)];
    both.sort_unstable();
    assert_eq!(listed(sums.Entries), both);
    assert_eq!(listed(sums.AddedEntries), both);
    assert!(listed(sums.RemovedEntries).is_empty());
    let gone = (first.address(), 100);
    heap.free(first);
    let third = heap.alloc(0, 3000);
    assert_eq!(
        usage(heap.handle(), LIST, &mut sums),
        status::STATUS_SUCCESS
    );
    assert_eq!(listed(sums.AddedEntries), [(third.address(), 3000)]);
    assert_eq!(listed(sums.RemovedEntries), [gone]);
    assert_eq!(listed(sums.Entries).len(), 2);
    assert_eq!(
        usage(heap.handle(), FREE, &mut sums),
        status::STATUS_SUCCESS
    );
    assert!(sums.Entries.is_null() && sums.Reserved == [0; 8]);
}

#[test]
fn usage_refuses_other_structures_and_believes_no_garbage() {
    let heap = TestHeap::new();
    let mut sums = RTL_HEAP_USAGE::new();
    sums.Length -= 1;
    assert_eq!(
        usage(heap.handle(), 0, &mut sums),
        status::STATUS_INFO_LENGTH_MISMATCH
    );
    // SAFETY: NULL is refused.
    let none = unsafe { RtlUsageHeap(heap.handle(), 0, null_mut()) };
    assert_eq!(none, status::STATUS_INVALID_PARAMETER);
    let mut sums = RTL_HEAP_USAGE::new();
    assert_eq!(
        usage(null_mut(), 0, &mut sums),
        status::STATUS_INVALID_HANDLE
    );
    let innocent = HeapAlloc(GetProcessHeap(), 0, 500);
    for garbage in [
        1,
        0xDEAD_BE00_usize,
        usize::MAX,
        heap.address(),
        innocent as usize,
    ] {
        let mut sums = RTL_HEAP_USAGE::new();
        sums.Reserved[0] = garbage;
        assert_eq!(
            usage(heap.handle(), 0x10, &mut sums),
            status::STATUS_SUCCESS
        );
        assert!(sums.Entries.is_null());
        assert_eq!(
            usage(heap.handle(), 0x08, &mut sums),
            status::STATUS_SUCCESS
        );
    }
    assert_eq!(HeapFree(GetProcessHeap(), 0, innocent), TRUE);
}

#[test]
fn compaction_says_how_much_is_free_in_one_piece() {
    let heap = TestHeap::new();
    let largest = HeapCompact(heap.handle(), 0);
    assert!(largest > 0 && largest <= COMMIT_UNIT);
    let block = heap.alloc(0, 0x8000);
    heap.free(block);
    assert_eq!(HeapCompact(heap.handle(), 0), largest);
    assert_eq!(
        observe(|| HeapCompact(null_mut(), 0)),
        (0, error::ERROR_INVALID_HANDLE)
    );
    assert_eq!(HeapValidate(heap.handle(), 0, null()), TRUE);
}

#[test]
fn a_memory_limit_holds_until_it_is_lifted() {
    const CLASS: u32 = 6;
    let heap = TestHeap::new();
    let set = |limit: usize| {
        // SAFETY: the buffer is a number of a pointer's size.
        let set = unsafe {
            HeapSetInformation(
                heap.handle(),
                CLASS,
                (&raw const limit).cast(),
                size_of::<usize>(),
            )
        };
        assert_eq!(set, TRUE);
    };
    set(0x4_0000);
    heap.assert_no_memory(0, 5 * A);
    let mut blocks = Vec::new();
    while let Some(block) = heap.try_alloc(0, 0x3000) {
        blocks.push(block);
        assert!(blocks.len() < 0x4_0000 / 0x3000 + 1);
    }
    assert!(blocks.len() > 10);
    assert_eq!(HeapValidate(heap.handle(), 0, null()), TRUE);
    set(0);
    let _large = heap.alloc(0, 5 * A);
    let _more = heap.alloc(0, 0x8000);
}

#[test]
fn optimizing_resources_lets_empty_slabs_go() {
    let heap = TestHeap::new();
    activate(&heap, 40);
    let entries = walk(&heap).len();
    assert!(entries > 24, "{entries} entries");
    let version_and_flags = [1_u32, 0];
    // SAFETY: the buffer has eight bytes.
    let set = unsafe {
        HeapSetInformation(
            heap.handle(),
            class::HEAP_OPTIMIZE_RESOURCES,
            version_and_flags.as_ptr().cast(),
            8,
        )
    };
    assert_eq!(set, TRUE);
    assert_eq!(walk(&heap).len(), 3);
    allocate_then_free(&heap, 3, 40);
    let wrong = [2_u32, 0];
    // SAFETY: the buffer has eight bytes.
    let set = observe(|| unsafe {
        HeapSetInformation(
            null_mut(),
            class::HEAP_OPTIMIZE_RESOURCES,
            wrong.as_ptr().cast(),
            8,
        )
    });
    assert_eq!(set, (FALSE, error::ERROR_INVALID_PARAMETER));
}

#[test]
fn a_null_heap_stands_for_all_heaps() {
    let heap = TestHeap::new();
    let block = heap.alloc(0, 100);
    assert_eq!(boolean(RtlValidateHeap(null_mut(), 0, null())), TRUE);
    assert_eq!(
        boolean(RtlValidateHeap(null_mut(), 0, block.pointer())),
        TRUE
    );
    let inside = block.pointer().wrapping_byte_add(G);
    assert_eq!(boolean(RtlValidateHeap(null_mut(), 0, inside)), FALSE);
    let unmapped = 0xDEAD_BE00_usize as *const c_void;
    let (valid, error) = observe(|| RtlValidateHeap(heap.handle(), 0, unmapped));
    assert_eq!((boolean(valid), error), (FALSE, error::ERROR_NOACCESS));
}

/// A query's buffer, filled.
struct Query(*mut RTL_DEBUG_INFORMATION);

impl Query {
    fn new(bytes: u32, flags: u32, heap: HANDLE) -> (Query, NTSTATUS) {
        let buffer = RtlCreateQueryDebugBuffer(bytes, 0);
        assert!(!buffer.is_null());
        // SAFETY: a new buffer.
        unsafe {
            (*buffer).Flags = flags;
            (*buffer).SpecificHeap = heap;
            (Query(buffer), RtlQueryProcessHeapInformation(buffer))
        }
    }

    fn heaps(&self) -> &[RTL_HEAP_INFORMATION] {
        // SAFETY: the library filled the buffer in.
        unsafe {
            let heaps = (*self.0).Heaps;
            assert!(!heaps.is_null());
            let first = (&raw const (*heaps).Heaps).cast();
            core::slice::from_raw_parts(first, (*heaps).NumberOfHeaps as usize)
        }
    }
}

impl Drop for Query {
    fn drop(&mut self) {
        // SAFETY: nothing refers to it any more.
        let destroyed = unsafe { RtlDestroyQueryDebugBuffer(self.0) };
        assert_eq!(destroyed, status::STATUS_SUCCESS);
    }
}

#[test]
fn a_process_s_heaps_as_debuggers_see_them() {
    let heap = TestHeap::new();
    let _blocks = (
        heap.alloc(0, 100),
        heap.alloc(0, 0x5000),
        heap.alloc(0, 5 * A),
    );
    let (query, result) = Query::new(0, 0x4, null_mut());
    assert_eq!(result, status::STATUS_SUCCESS);
    assert_eq!(query.heaps()[0].BaseAddress, GetProcessHeap());
    let found = query
        .heaps()
        .iter()
        .find(|it| it.BaseAddress == heap.handle());
    let found = found.expect("every heap is in the list");
    assert_eq!(found.BytesAllocated, 100 + 0x5000 + 5 * A);
    assert_eq!((found.Flags, found.NumberOfEntries), (0x1002, 0));

    let (query, result) = Query::new(0, 0x10, heap.handle());
    assert_eq!(result, status::STATUS_SUCCESS);
    let [found] = query.heaps() else {
        panic!("one heap")
    };
    let entries = rtl_walk(&heap);
    assert_eq!(found.NumberOfEntries as usize, entries.len());
    // SAFETY: the library filled the buffer in.
    let listed = unsafe { core::slice::from_raw_parts(found.Entries, entries.len()) };
    for (entry, walked) in listed.iter().zip(&entries) {
        assert_eq!(entry.Flags, walked.Flags);
        assert_eq!(
            entry.Size,
            walked.DataSize + usize::from(walked.OverheadBytes)
        );
    }
    assert_eq!(
        listed[0].words,
        [
            entries[0].CommittedSize as usize,
            entries[0].FirstEntry as usize
        ]
    );

    let (query, result) = Query::new(0, 0x200, heap.handle());
    assert_eq!(result, status::STATUS_SUCCESS);
    assert_eq!(query.heaps()[0].NumberOfEntries, 1);
}

#[test]
fn a_query_that_does_not_fit_or_has_no_heap_fails() {
    let heap = TestHeap::new();
    // On 32-bit an entry has 16 bytes.
    let _blocks: Vec<_> = (0..6000).map(|n| heap.alloc(0, 200 + n % 3000)).collect();
    let (_query, result) = Query::new(0x8000, 0x10, heap.handle());
    assert_eq!(result, status::STATUS_NO_MEMORY);
    let (_query, result) = Query::new(0, 0x10, heap.handle());
    assert_eq!(result, status::STATUS_SUCCESS);
    let (_query, result) = Query::new(0, 0x4, 0x1230 as HANDLE);
    assert_eq!(result, status::STATUS_INVALID_HANDLE);
    // SAFETY: NULL is refused.
    unsafe {
        let refused = status::STATUS_INVALID_PARAMETER;
        assert_eq!(RtlQueryProcessHeapInformation(null_mut()), refused);
        assert_eq!(RtlDestroyQueryDebugBuffer(null_mut()), refused);
    }
}
