//! Tags (specification 5.2): what a heap with tagging counts, and for whom.
#![cfg(not(all(feature = "oracle", windows)))]

use core::ptr::{null, null_mut};

use rtl_heap_tests::abi::flags::*;
use rtl_heap_tests::abi::own::*;
use rtl_heap_tests::abi::*;
use rtl_heap_tests::heap::*;
use rtl_heap_tests::last_error::{PRESET, observe};
use rtl_heap_tests::walk::rtl_walk;

const TAGGED: u32 = HEAP_GROWABLE | HEAP_TAGGING_ENABLED | HEAP_SKIP_VALIDATION_CHECKS;
/// Larger than any block of a segment.
const LARGE: usize = 0x20_0000;

fn utf16(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

/// Defines tags; their names are ended by `\0` in the text.
fn create(heap: HANDLE, prefix: Option<&str>, names: &str) -> u32 {
    let prefix = prefix.map(utf16);
    let prefix = prefix.as_ref().map_or(null(), |prefix| prefix.as_ptr());
    // SAFETY: both strings end as described.
    unsafe { RtlCreateTagHeap(heap, 0, prefix, utf16(names).as_ptr()) }
}

/// The name of a tag and what was counted under it.
fn query(heap: HANDLE, index: u16, reset: bool) -> Option<(String, RTL_HEAP_TAG_INFO)> {
    let mut info = RTL_HEAP_TAG_INFO::default();
    let name = RtlQueryTagHeap(heap, 0, index, reset.into(), Some(&mut info));
    if name.is_null() {
        return None;
    }
    // SAFETY: a name ends with a zero within its 24 units.
    let units: Vec<u16> = (0..24)
        .map(|at| unsafe { name.add(at).read() })
        .take_while(|unit| *unit != 0)
        .collect();
    Some((String::from_utf16(&units).unwrap(), info))
}

/// Allocations, frees and bytes of a tag.
#[track_caller]
fn counts(heap: HANDLE, index: u16) -> (u32, u32, usize) {
    let (_, info) = query(heap, index, false).expect("there is such a tag");
    (
        info.NumberOfAllocations,
        info.NumberOfFrees,
        info.BytesAllocated,
    )
}

fn pseudo(size: usize) -> u16 {
    HEAP_PSEUDO_TAG_FLAG | (block(size) / G) as u16
}

#[test]
fn blocks_count_for_the_tag_their_flags_name() {
    let heap = TestHeap::rtl(TAGGED, 0, 0);
    let first = create(heap.handle(), Some("SAMPLE!"), "Nodes\0Text\0");
    assert_eq!(first, 1 << HEAP_TAG_SHIFT);
    let (nodes, text) = (first, first + (1 << HEAP_TAG_SHIFT));

    let a = heap.alloc(nodes, 100);
    let b = heap.alloc(nodes | HEAP_ZERO_MEMORY, 50);
    let c = heap.alloc(text, LARGE);
    let name = |index| query(heap.handle(), index, false).unwrap().0;
    assert_eq!(
        (name(1), name(2)),
        ("SAMPLE!Nodes".into(), "SAMPLE!Text".into())
    );
    assert_eq!(counts(heap.handle(), 1), (2, 0, 150));
    assert_eq!(counts(heap.handle(), 2), (1, 0, LARGE));
    assert!(b.is_filled(0));

    assert_eq!(HeapFree(heap.handle(), 0, a.pointer()), TRUE);
    assert_eq!(HeapFree(heap.handle(), 0, c.pointer()), TRUE);
    assert_eq!(counts(heap.handle(), 1), (2, 1, 50));
    assert_eq!(counts(heap.handle(), 2), (1, 1, 0));
}

#[test]
fn blocks_without_a_tag_count_for_a_pseudo_tag_by_size() {
    let heap = TestHeap::rtl(TAGGED, 0, 0);
    let small = heap.alloc(0, 100);
    let _same = heap.alloc(0, 100);
    let _larger = heap.alloc(0, 0x8000);
    let _large = heap.alloc(0, LARGE);
    assert_eq!(counts(heap.handle(), pseudo(100)), (2, 0, 200));
    assert_eq!(counts(heap.handle(), HEAP_PSEUDO_TAG_FLAG), (1, 0, 0x8000));
    assert_eq!(
        counts(heap.handle(), HEAP_PSEUDO_TAG_FLAG | 128),
        (1, 0, LARGE)
    );
    assert_eq!(HeapFree(heap.handle(), 0, small.pointer()), TRUE);
    assert_eq!(counts(heap.handle(), pseudo(100)), (2, 1, 100));
    assert_eq!(
        query(heap.handle(), HEAP_PSEUDO_TAG_FLAG | 129, false),
        None
    );
    // A tag that nobody defined is none.
    let _unknown = heap.alloc(77 << HEAP_TAG_SHIFT, 100);
    assert_eq!(counts(heap.handle(), pseudo(100)), (3, 1, 200));
}

#[test]
fn a_reallocated_block_keeps_its_tag_until_another_is_named() {
    let heap = TestHeap::rtl(TAGGED, 0, 0);
    let first = create(heap.handle(), None, "One\0Two\0");
    let block = heap.alloc(first, 40);
    let _wall = heap.alloc(0, 40);
    // Once in place, once by moving; each is a free and an allocation.
    let shrunk = HeapReAlloc(heap.handle(), 0, block.pointer(), 20);
    assert_eq!(shrunk, block.pointer());
    let moved = HeapReAlloc(heap.handle(), 0, shrunk, 4000);
    assert_ne!(moved, shrunk);
    assert_eq!(counts(heap.handle(), 1), (3, 2, 4000));
    let other = HeapReAlloc(heap.handle(), first + (1 << HEAP_TAG_SHIFT), moved, 10);
    assert_eq!(counts(heap.handle(), 1), (3, 3, 0));
    assert_eq!(counts(heap.handle(), 2), (1, 0, 10));
    // What fails counts nothing.
    assert!(HeapReAlloc(heap.handle(), 0, other, usize::MAX).is_null());
    assert_eq!(
        HeapFree(heap.handle(), 0, moved.wrapping_byte_add(G)),
        FALSE
    );
    assert_eq!(counts(heap.handle(), 2), (1, 0, 10));
}

#[test]
fn a_new_block_has_nothing_of_the_tag_of_the_one_before() {
    let heap = TestHeap::rtl(TAGGED, 0, 0);
    let first = create(heap.handle(), None, "One\0");
    let tagged = heap.alloc(first, 64);
    let address = tagged.address();
    assert_eq!(HeapFree(heap.handle(), 0, tagged.pointer()), TRUE);
    let plain = heap.alloc(0, 64);
    assert_eq!(plain.address(), address, "the test needs the same place");
    assert_eq!(counts(heap.handle(), 1), (1, 1, 0));
    assert_eq!(counts(heap.handle(), pseudo(64)), (1, 0, 64));
}

#[test]
fn reset_starts_allocations_and_frees_again_and_keeps_the_bytes() {
    let heap = TestHeap::rtl(TAGGED, 0, 0);
    let first = create(heap.handle(), None, "One\0");
    let block = heap.alloc(first, 64);
    let (_, before) = query(heap.handle(), 1, true).unwrap();
    assert_eq!(before.NumberOfAllocations, 1);
    assert_eq!(counts(heap.handle(), 1), (0, 0, 64));
    assert_eq!(HeapFree(heap.handle(), 0, block.pointer()), TRUE);
    assert_eq!(counts(heap.handle(), 1), (0, 1, 0));
    // Without a place for the counters the name comes alone.
    assert!(!RtlQueryTagHeap(heap.handle(), 0, 1, 0, None).is_null());
}

#[test]
fn the_process_has_tags_that_every_heap_with_tagging_counts_for() {
    let (one, two) = (TestHeap::rtl(TAGGED, 0, 0), TestHeap::rtl(TAGGED, 0, 0));
    let tag = create(null_mut(), Some("ALL!"), "Shared\0");
    assert_ne!(tag, 0);
    let index = (tag >> HEAP_TAG_SHIFT) as u16;
    assert_eq!(index & HEAP_GLOBAL_TAG, HEAP_GLOBAL_TAG);
    let _a = one.alloc(tag, 30);
    let b = two.alloc(tag, 12);
    let through_a_heap = query(one.handle(), index, false).unwrap();
    assert_eq!(through_a_heap, query(null_mut(), index, false).unwrap());
    assert_eq!(through_a_heap.0, "ALL!Shared");
    assert_eq!(counts(null_mut(), index), (2, 0, 42));
    assert_eq!(HeapFree(two.handle(), 0, b.pointer()), TRUE);
    // Without the bit, too: there are no others without a heap.
    assert_eq!(counts(null_mut(), index & !HEAP_GLOBAL_TAG), (2, 1, 30));
}

#[test]
fn without_tagging_there_are_no_tags_and_flags_change_nothing() {
    let heap = TestHeap::rtl(HEAP_GROWABLE, 0, 0);
    assert_eq!(
        observe(|| create(heap.handle(), None, "One\0")),
        (0, error::ERROR_INVALID_PARAMETER)
    );
    assert_eq!(query(heap.handle(), 1, false), None);
    assert_eq!(query(heap.handle(), HEAP_PSEUDO_TAG_FLAG, false), None);
    // NT's own debugging bits are among those of a tag.
    let tagged = heap.alloc(0x3FFC_0000, 100);
    let plain = heap.alloc(0, 100);
    assert_eq!(plain.address() - tagged.address(), block(100));
    assert_eq!(HeapSize(heap.handle(), 0, tagged.pointer()), 100);
}

#[test]
fn bad_arguments_define_nothing() {
    let heap = TestHeap::rtl(TAGGED, 0, 0);
    let refused = (0, error::ERROR_INVALID_PARAMETER);
    assert_eq!(observe(|| create(heap.handle(), None, "")), refused);
    // SAFETY: NULL is no list.
    let no_list = || unsafe { RtlCreateTagHeap(heap.handle(), 0, null(), null()) };
    assert_eq!(observe(no_list), refused);
    let no_heap = heap.handle().wrapping_byte_add(0x10);
    let no_heap_refused = (0, error::ERROR_INVALID_HANDLE);
    assert_eq!(observe(|| create(no_heap, None, "One\0")), no_heap_refused);
    let nothing = |index| observe(|| RtlQueryTagHeap(heap.handle(), 0, index, 0, None).is_null());
    assert_eq!(nothing(0), (true, error::ERROR_INVALID_PARAMETER));
    assert_eq!(nothing(1), (true, error::ERROR_INVALID_PARAMETER));
    assert_eq!(nothing(0xFFFF), (true, error::ERROR_INVALID_PARAMETER));
    // As many as there are numbers for, and not one more.
    let names = "N\0".repeat(0x7FF);
    assert_eq!(create(heap.handle(), None, &names), 1 << HEAP_TAG_SHIFT);
    assert_eq!(observe(|| create(heap.handle(), None, "One\0")), refused);
    assert!(query(heap.handle(), 0x7FF, false).is_some());
}

#[test]
fn a_name_is_cut_to_23_characters() {
    let heap = TestHeap::rtl(TAGGED, 0, 0);
    create(
        heap.handle(),
        Some("0123456789"),
        "abcdefghijklmnopqrstuvwxyz\0",
    );
    let (name, _) = query(heap.handle(), 1, false).unwrap();
    assert_eq!(name, "0123456789abcdefghijklm");
}

#[test]
fn a_walk_names_each_block_s_tag() {
    let heap = TestHeap::rtl(TAGGED, 0, 0);
    let first = create(heap.handle(), None, "One\0Two\0");
    let blocks = [
        heap.alloc(first, 64),
        heap.alloc(0, 64),
        heap.alloc(first + (1 << HEAP_TAG_SHIFT), LARGE),
    ];
    let entries = rtl_walk(&heap);
    // Four bytes or eight behind the user value: the union's half word.
    let tag = |entry: &RTL_HEAP_WALK_ENTRY| match P {
        8 => entry.FirstEntry as usize as u16,
        _ => entry.UnCommittedSize as u16,
    };
    for (block, expected) in blocks.iter().zip([1, 0, 2]) {
        let found = |entry: &&RTL_HEAP_WALK_ENTRY| entry.DataAddress == block.pointer();
        assert_eq!(entries.iter().find(found).map(tag), Some(expected));
    }
    assert_eq!(HeapValidate(heap.handle(), 0, null()), TRUE);
}

#[test]
fn a_heap_with_tagging_has_no_front_end() {
    let heap = TestHeap::rtl(TAGGED, 0, 0);
    let blocks: Vec<_> = (0..100).map(|_| heap.alloc(0, 40)).collect();
    assert_eq!(rtl_heap_tests::frontend::compatibility(&heap), 0);
    assert_eq!(counts(heap.handle(), pseudo(40)), (100, 0, 4000));
    let (free, error) = observe(|| HeapFree(heap.handle(), 0, blocks[7].pointer()));
    assert_eq!((free, error), (TRUE, PRESET));
}

#[test]
fn a_debugger_s_list_has_every_tag_with_its_name() {
    let heap = TestHeap::rtl(TAGGED, 0, 0);
    let first = create(heap.handle(), None, "One\0Two\0");
    let _block = heap.alloc(first + (1 << HEAP_TAG_SHIFT), 33);
    let buffer = RtlCreateQueryDebugBuffer(0, 0);
    // SAFETY: a new buffer, which the library fills in.
    let tags = unsafe {
        (*buffer).Flags = 0x8;
        (*buffer).SpecificHeap = heap.handle();
        assert_eq!(
            RtlQueryProcessHeapInformation(buffer),
            status::STATUS_SUCCESS
        );
        let found = &(*(*buffer).Heaps).Heaps[0];
        assert_eq!(
            (found.NumberOfPseudoTags, found.PseudoTagGranularity),
            (129, G as u32)
        );
        core::slice::from_raw_parts(found.Tags, found.NumberOfTags as usize).to_vec()
    };
    assert_eq!(tags.len(), 2 + 129);
    let two = &tags[1];
    assert_eq!(
        (two.TagIndex, two.NumberOfAllocations, two.BytesAllocated),
        (2, 1, 33)
    );
    assert_eq!(two.TagName[..4], *utf16("Two"));
    assert_eq!(tags[2].TagIndex, HEAP_PSEUDO_TAG_FLAG);
    // SAFETY: nothing refers to it any more.
    let destroyed = unsafe { RtlDestroyQueryDebugBuffer(buffer) };
    assert_eq!(destroyed, status::STATUS_SUCCESS);
}

/// The head of what `HeapTaggingInformation` answers, and room for entries.
#[repr(C)]
struct Tagging {
    version: u16,
    flags: u16,
    process: HANDLE,
    count: usize,
    entries: [([u32; 4], usize); 2],
}

const TAGGING_INFORMATION: u32 = 4;

fn ask(heap: HANDLE, tagging: &mut Tagging, length: usize) -> (BOOL, u32, usize) {
    let mut needed = 0;
    let buffer = (&raw mut *tagging).cast();
    // SAFETY: at most the whole structure.
    let asked = || unsafe {
        HeapQueryInformation(heap, TAGGING_INFORMATION, buffer, length, Some(&mut needed))
    };
    let (answered, error) = observe(asked);
    (answered, error, needed)
}

#[test]
fn tagging_information_lists_what_has_bytes() {
    let heap = TestHeap::rtl(TAGGED, 0, 0);
    let first = create(heap.handle(), None, "Empty\0Full\0");
    let _tagged = heap.alloc(first + (1 << HEAP_TAG_SHIFT), 10);
    let _plain = heap.alloc(0, LARGE);
    let mut tagging = Tagging {
        version: 1,
        flags: 0,
        process: null_mut(),
        count: 0,
        entries: [([9; 4], 9); 2],
    };
    let whole = size_of::<Tagging>();
    assert_eq!(
        ask(heap.handle(), &mut tagging, whole),
        (TRUE, PRESET, whole)
    );
    assert_eq!(tagging.count, 2);
    assert_eq!(
        tagging.entries,
        [([2, 0, 0, 0], 10), ([0x8080, 0, 0, 0], LARGE)]
    );

    let short = (FALSE, error::ERROR_INSUFFICIENT_BUFFER, whole);
    tagging.entries[1].1 = 9;
    assert_eq!(ask(heap.handle(), &mut tagging, whole - 1), short);
    assert_eq!((tagging.count, tagging.entries[1].1), (2, 9));
    assert_eq!(ask(heap.handle(), &mut tagging, 3), short);
    tagging.version = 2;
    let refused = (FALSE, error::ERROR_INVALID_PARAMETER, whole);
    assert_eq!(ask(heap.handle(), &mut tagging, whole), refused);

    let untagged = TestHeap::new();
    tagging.version = 1;
    let (answered, ..) = ask(untagged.handle(), &mut tagging, whole);
    assert_eq!((answered, tagging.count), (TRUE, 0));
}

#[test]
fn a_heap_keeps_a_number_for_its_program() {
    const HEAP_TAG: u32 = 7;
    let heap = TestHeap::new();
    let mut tag = 0u64;
    let mut needed = 0;
    // SAFETY: as many bytes as the variable has.
    let mut query = |length: usize| unsafe {
        let at = (&raw mut tag).cast();
        let asked = HeapQueryInformation(heap.handle(), HEAP_TAG, at, length, Some(&mut needed));
        (asked, tag, needed)
    };
    assert_eq!(query(8), (TRUE, 0, 8));
    let set = |length| {
        let value = 0x1122_3344_5566_7788u64;
        // SAFETY: at most as many bytes as the variable has.
        observe(|| unsafe {
            HeapSetInformation(heap.handle(), HEAP_TAG, (&raw const value).cast(), length)
        })
    };
    assert_eq!(set(7), (FALSE, error::ERROR_INSUFFICIENT_BUFFER));
    assert_eq!(set(8), (TRUE, PRESET));
    assert_eq!(query(8), (TRUE, 0x1122_3344_5566_7788, 8));
    assert_eq!(query(4).0, FALSE);
}

#[test]
fn a_heap_with_tags_that_checks_its_blocks_does_both() {
    let checks = HEAP_TAIL_CHECKING_ENABLED | HEAP_FREE_CHECKING_ENABLED;
    let heap = TestHeap::rtl(TAGGED | checks, 0, 0);
    let first = create(heap.handle(), None, "One\0");
    let block = heap.alloc(first, 30);
    assert_eq!(counts(heap.handle(), 1), (1, 0, 30));
    let moved = HeapReAlloc(heap.handle(), 0, block.pointer(), 3000);
    assert_eq!(counts(heap.handle(), 1), (2, 1, 3000));
    assert_eq!(HeapFree(heap.handle(), 0, moved), TRUE);
    assert_eq!(counts(heap.handle(), 1), (2, 2, 0));
    assert_eq!(HeapValidate(heap.handle(), 0, null()), TRUE);
}
