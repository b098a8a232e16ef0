//! The debug heap: lines C168 to C171, C330 to C337 and C348 to C355. Each test runs in a process
//! of its own, which finds its flags in the environment as it starts.
#![cfg(not(all(feature = "oracle", windows)))]

use rtl_heap_tests::abi::error::ERROR_INVALID_PARAMETER;
use rtl_heap_tests::abi::flags::*;
use rtl_heap_tests::abi::own::*;
use rtl_heap_tests::abi::*;
use rtl_heap_tests::child;
use rtl_heap_tests::debug::{flags_of, with_flags};
use rtl_heap_tests::heap::*;
use rtl_heap_tests::last_error::{PRESET, observe};

const TAIL: &str = "0x10";
const FREE: &str = "0x20";
const PARAMETERS: &str = "0x40";
const ALL: &str = "0x80";

const UNINITIALIZED: [u8; 4] = 0xBAAD_F00D_u32.to_le_bytes();
const FREED: [u8; 4] = 0xFEEE_FEEE_u32.to_le_bytes();

/// How far the pattern of a freed block reaches, of `size` bytes at most. On 32-bit the last four
/// bytes of a free block say its size.
fn pattern_end(size: usize) -> usize {
    if P == 8 {
        size
    } else {
        size.min(block(size) - G - size_of::<u32>())
    }
}

/// The process heap's flags and forced flags under a global flag.
#[track_caller]
fn assert_flags(test: &str, global: &str, expected: (u32, u32)) {
    with_flags(test, global, || {
        assert_eq!(flags_of(&TestHeap::process()), expected);
    });
}

fn validate(block: &Block<'_>) -> BOOL {
    HeapValidate(GetProcessHeap(), 0, block.pointer())
}

#[test]
fn c330_tail_checks() {
    assert_flags("c330_tail_checks", TAIL, (0x22, 0x20));
}

#[test]
fn c331_free_checks() {
    assert_flags("c331_free_checks", FREE, (0x42, 0x40));
}

#[test]
fn c332_parameters() {
    assert_flags("c332_parameters", PARAMETERS, (0x4000_0062, 0x4000_0060));
}

#[test]
fn c333_validate_all() {
    assert_flags("c333_validate_all", ALL, (0x2000_0062, 0x2000_0060));
}

#[test]
fn c334_pool_tagging_is_not_a_heaps() {
    assert_flags("c334_pool_tagging_is_not_a_heaps", "0x400", (0x2, 0));
}

#[test]
fn c335_tagging() {
    assert_flags("c335_tagging", "0x800", (0x0400_0002, 0));
}

#[test]
fn c336_tagging_by_dll() {
    assert_flags("c336_tagging_by_dll", "0x8000", (0x2, 0));
}

#[test]
fn c337_no_coalescing() {
    assert_flags("c337_no_coalescing", "0x200000", (0x82, 0));
}

#[test]
fn under_a_debugger_a_process_has_three_of_them() {
    let test = "under_a_debugger_a_process_has_three_of_them";
    assert_flags(test, "htc,hfc,hpc", (0x4000_0062, 0x4000_0060));
}

#[test]
fn every_heap_has_the_flags_of_its_process() {
    with_flags("every_heap_has_the_flags_of_its_process", "0x70", || {
        let heap = TestHeap::new();
        assert_eq!(flags_of(&heap), (0x4000_1062, 0x4000_0060));
        let heap = TestHeap::rtl(HEAP_NO_SERIALIZE | HEAP_GROWABLE, 0, 0);
        assert_eq!(flags_of(&heap), (0x4000_0063, 0x4000_0061));
    });
}

#[test]
fn flags_set_by_the_program_count_for_the_heaps_made_then() {
    let test = "flags_set_by_the_program_count_for_the_heaps_made_then";
    with_flags(test, "0x20", || {
        assert_eq!(rtlheap_global_flags(), 0x20);
        assert_eq!(rtlheap_set_global_flags(0x10), 0x20);
        assert_eq!(rtlheap_global_flags(), 0x10);
        let heap = TestHeap::new();
        assert_eq!(flags_of(&heap), (0x1022, 0x20));
        rtlheap_set_global_flags(0);
        assert_eq!(flags_of(&TestHeap::new()), (0x1002, 0));
        assert_eq!(flags_of(&heap), (0x1022, 0x20));
    });
}

#[test]
fn c168_a_damaged_tail_is_found() {
    with_flags("c168_a_damaged_tail_is_found", TAIL, || {
        let heap = TestHeap::process();
        let block = heap.alloc(HEAP_ZERO_MEMORY, 17);
        assert_eq!(validate(&block), TRUE);
        poke(&block, 17, 0xCC);
        assert_eq!(observe(|| validate(&block)), (FALSE, PRESET));
        assert_eq!(HeapValidate(heap.handle(), 0, NULL), FALSE);
    });
}

#[test]
fn c169_a_repaired_tail_is_as_good_as_new() {
    with_flags("c169_a_repaired_tail_is_as_good_as_new", TAIL, || {
        let heap = TestHeap::process();
        let mut block = heap.alloc(HEAP_ZERO_MEMORY, 17);
        poke(&block, 17, 0xCC);
        poke(&block, 17, 0xAB);
        assert_eq!(validate(&block), TRUE);
        assert_eq!(heap.size_of(block.pointer()), 17);
        heap.resize(0, &mut block, 14);
        heap.free(block);
    });
}

#[test]
fn c170_damaged_free_memory_is_found() {
    with_flags("c170_damaged_free_memory_is_found", FREE, || {
        let heap = TestHeap::process();
        let freed = freed_block(&heap);
        assert_eq!(HeapValidate(heap.handle(), 0, NULL), TRUE);
        poke(&freed, 16, 0xCC);
        let answer = observe(|| HeapValidate(heap.handle(), 0, NULL));
        assert_eq!(answer, (FALSE, PRESET));
    });
}

#[test]
fn c171_repaired_free_memory_is_as_good_as_new() {
    with_flags("c171_repaired_free_memory_is_as_good_as_new", FREE, || {
        let heap = TestHeap::process();
        let freed = freed_block(&heap);
        poke(&freed, 16, 0xCC);
        poke(&freed, 16, 0xEE);
        assert_eq!(HeapValidate(heap.handle(), 0, NULL), TRUE);
    });
}

#[test]
fn c348_a_tail_is_filled() {
    with_flags("c348_a_tail_is_filled", TAIL, || {
        let heap = TestHeap::process();
        let block = heap.alloc(HEAP_ZERO_MEMORY, 17);
        // SAFETY: the tail belongs to the block.
        assert_eq!(unsafe { block.peek(17..20) }, [0xAB; 3]);
        assert!(block.is_filled(0));
    });
}

#[test]
fn c349_a_tail_has_eight_bytes_at_least() {
    with_flags("c349_a_tail_has_eight_bytes_at_least", TAIL, || {
        let heap = TestHeap::process();
        for size in 0..64 {
            let block = heap.alloc(0, size);
            // SAFETY: the tail belongs to the block.
            let tail = unsafe { block.peek(size..size + G) };
            assert_eq!(tail, [0xAB; G], "size {size}");
        }
    });
}

#[test]
fn c350_a_tail_follows_the_data() {
    with_flags("c350_a_tail_follows_the_data", TAIL, || {
        let heap = TestHeap::process();
        let mut block = heap.alloc(HEAP_ZERO_MEMORY, 17);
        assert!(heap.resize(HEAP_REALLOC_IN_PLACE_ONLY, &mut block, 14));
        // SAFETY: the tail belongs to the block.
        assert_eq!(unsafe { block.peek(14..17) }, [0xAB; 3]);
    });
}

#[test]
fn c351_a_large_block_has_no_tail() {
    with_flags("c351_a_large_block_has_no_tail", "0x30", || {
        let heap = TestHeap::process();
        let size = 3000 * 1024 + 37;
        let block = heap.alloc(0, size);
        // SAFETY: the block's last page goes on.
        assert_eq!(unsafe { block.peek(size - 2..size + 3) }, [0; 5]);
        assert_eq!(validate(&block), TRUE);
        heap.free(block);
    });
}

#[test]
fn c352_whole_dwords_are_filled() {
    with_flags("c352_whole_dwords_are_filled", FREE, || {
        let block = TestHeap::process();
        let block = block.alloc(0, 7);
        assert_eq!(block.bytes()[..4], UNINITIALIZED);
        assert_ne!(block.bytes()[4..], UNINITIALIZED[..3]);
    });
}

#[test]
fn c353_growth_is_filled_by_whole_dwords() {
    with_flags("c353_growth_is_filled_by_whole_dwords", FREE, || {
        let heap = TestHeap::process();
        let mut block = heap.alloc(0, 7);
        block.bytes_mut().fill(0xCC);
        heap.resize(0, &mut block, 15);
        assert_eq!(block.bytes()[..7], [0xCC; 7]);
        assert_eq!(block.bytes()[8..12], UNINITIALIZED);
        assert_ne!(block.bytes()[12..], UNINITIALIZED[..3]);
    });
}

#[test]
fn c354_freed_memory_is_filled() {
    with_flags("c354_freed_memory_is_filled", FREE, || {
        let heap = TestHeap::process();
        let freed = freed_block(&heap);
        // SAFETY: the memory is the heap's, and committed.
        assert_eq!(unsafe { freed.peek(16..20) }, FREED);
    });
}

#[test]
fn c355_the_distance_of_neighbours_under_validation() {
    let test = "c355_the_distance_of_neighbours_under_validation";
    with_flags(test, PARAMETERS, || {
        for size in [0, 1, 7, 8, 24, 25, 100, 4097, 0x8000] {
            let heap = TestHeap::create(HEAP_NO_SERIALIZE, 0, 0);
            let blocks: Vec<usize> = (0..3).map(|_| heap.alloc(0, size).address()).collect();
            let distance = blocks
                .windows(2)
                .map(|pair| pair[1].abs_diff(pair[0]))
                .min();
            let expected = round_up(size.max(G) + G, G) + 2 * G;
            assert_eq!(distance, Some(expected), "size {size}");
        }
    });
}

#[test]
fn c1_a_string_one_too_long_is_found_when_it_is_freed() {
    with_flags(
        "c1_a_string_one_too_long_is_found_when_it_is_freed",
        TAIL,
        || {
            let heap = TestHeap::process();
            for size in 0..200 {
                let block = heap.alloc(0, size);
                poke(&block, size, 0);
                assert_refused(&heap, &block);
                poke(&block, size, 0xAB);
                heap.free(block);
            }
            assert_eq!(HeapValidate(heap.handle(), 0, NULL), TRUE);
        },
    );
}

#[test]
fn c2_a_byte_too_many_ends_the_process_where_that_is_asked_for() {
    let test = "c2_a_byte_too_many_ends_the_process_where_that_is_asked_for";
    let ending = child::run_with(test, &[("RTLHEAP_GLOBAL_FLAG", "0x70")], || {
        rtlheap_enable_termination_on_corruption();
        let heap = TestHeap::process();
        let block = heap.alloc(0, 24);
        poke(&block, 24, 0x41);
        heap.free(block);
    });
    assert!(ending.was_terminated(), "{ending:?}");
    assert!(ending.stderr.contains("behind a block"), "{ending:?}");
}

#[test]
fn c13_a_write_to_a_block_of_no_size_is_found() {
    with_flags("c13_a_write_to_a_block_of_no_size_is_found", TAIL, || {
        let heap = TestHeap::process();
        let block = heap.alloc(0, 0);
        poke(&block, 0, 1);
        assert_refused(&heap, &block);
    });
}

#[test]
fn d3_a_write_to_a_freed_block_is_found_before_it_is_handed_out_again() {
    let test = "d3_a_write_to_a_freed_block_is_found_before_it_is_handed_out_again";
    with_flags(test, FREE, || {
        let heap = TestHeap::process();
        for at in 2 * P..pattern_end(37) {
            let freed = freed_block(&heap);
            poke(&freed, at, 0x41);
            for _ in 0..2 {
                let answer = observe(|| HeapAlloc(heap.handle(), 0, 37).is_null());
                assert_eq!(answer, (true, ERROR_INVALID_PARAMETER), "byte {at}");
            }
            assert_eq!(HeapValidate(heap.handle(), 0, NULL), FALSE);
            let byte = FREED[at % 4];
            poke(&freed, at, byte);
            assert_eq!(HeapValidate(heap.handle(), 0, NULL), TRUE, "byte {at}");
            heap.alloc(0, 37);
        }
    });
}

#[test]
fn d4_the_last_byte_of_a_freed_block_counts() {
    with_flags("d4_the_last_byte_of_a_freed_block_counts", FREE, || {
        let heap = TestHeap::process();
        for size in 2 * P + 4..200 {
            let block = heap.alloc(0, size);
            // Keeps the freed block apart from the free memory behind.
            let _fence = heap.alloc(0, 1);
            let at = Freed(block.pointer().cast());
            heap.free(block);
            // SAFETY: the memory is the heap's, and committed.
            let last = unsafe { at.0.add(size - 1) };
            // SAFETY: as above.
            let before = unsafe { last.read_volatile() };
            // SAFETY: as above.
            unsafe { last.write_volatile(!before) };
            assert_eq!(HeapValidate(heap.handle(), 0, NULL), FALSE, "size {size}");
            // SAFETY: as above.
            unsafe { last.write_volatile(before) };
            assert_eq!(HeapValidate(heap.handle(), 0, NULL), TRUE, "size {size}");
        }
    });
}

#[test]
fn a18_what_is_read_of_a_freed_block_says_so() {
    with_flags("a18_what_is_read_of_a_freed_block_says_so", FREE, || {
        let heap = TestHeap::process();
        let mut block = heap.alloc(0, 400);
        block.bytes_mut().fill(0x5A);
        let _fence = heap.alloc(0, 1);
        let at = Freed(block.pointer().cast());
        heap.free(block);
        // SAFETY: the memory is the heap's, and committed.
        let bytes = unsafe { at.peek(2 * P..pattern_end(400)) };
        assert!(bytes.chunks_exact(4).all(|dword| dword == FREED));
    });
}

#[test]
fn under_validation_every_call_looks_at_its_block() {
    let test = "under_validation_every_call_looks_at_its_block";
    with_flags(test, PARAMETERS, || {
        let heap = TestHeap::process();
        let block = heap.alloc(0, 17);
        poke(&block, 17, 0xCC);
        let answer = observe(|| heap.size_of(block.pointer()));
        assert_eq!(answer, (usize::MAX, ERROR_INVALID_PARAMETER));
        assert_refused(&heap, &block);
        // Another block is another matter.
        let other = heap.alloc(0, 17);
        heap.free(other);
        poke(&block, 17, 0xAB);
        assert_eq!(heap.size_of(block.pointer()), 17);
        heap.free(block);
    });
}

#[test]
fn with_tail_checks_alone_a_size_is_a_size() {
    with_flags("with_tail_checks_alone_a_size_is_a_size", TAIL, || {
        let heap = TestHeap::process();
        let block = heap.alloc(0, 17);
        poke(&block, 17, 0xCC);
        assert_eq!(heap.size_of(block.pointer()), 17);
    });
}

#[test]
fn under_validate_all_every_call_looks_at_every_block() {
    let test = "under_validate_all_every_call_looks_at_every_block";
    with_flags(test, ALL, || {
        let heap = TestHeap::process();
        let block = heap.alloc(0, 17);
        let other = heap.alloc(0, 100);
        poke(&block, 17, 0xCC);
        assert_refused(&heap, &other);
        let answer = observe(|| HeapAlloc(heap.handle(), 0, 1).is_null());
        assert_eq!(answer, (true, ERROR_INVALID_PARAMETER));
        poke(&block, 17, 0xAB);
        heap.free(other);
        heap.free(block);
    });
}

#[test]
fn a_debug_heap_has_no_low_fragmentation_heap() {
    with_flags("a_debug_heap_has_no_low_fragmentation_heap", TAIL, || {
        let heap = TestHeap::new();
        for _ in 0..100 {
            heap.alloc(0, 24);
        }
        let mut mode = 9_u32;
        let at = (&raw mut mode).cast();
        // SAFETY: the value is as long as the call is told.
        let asked = unsafe { HeapQueryInformation(heap.handle(), 0, at, 4, None) };
        assert_eq!((asked, mode), (TRUE, 0));
        mode = 2;
        let at = (&raw mut mode).cast();
        // SAFETY: as above.
        let set = unsafe { HeapSetInformation(heap.handle(), 0, at, 4) };
        assert_eq!(set, FALSE);
        assert_eq!(GetLastError(), error::ERROR_GEN_FAILURE);
    });
}

/// Writes a byte at or behind a block, where memory is committed.
fn poke(at: &impl Place, offset: usize, byte: u8) {
    // SAFETY: the tests stay in memory of the heap's that is committed.
    unsafe { at.start().add(offset).write_volatile(byte) };
}

trait Place {
    fn start(&self) -> *mut u8;
}

impl Place for Block<'_> {
    fn start(&self) -> *mut u8 {
        self.pointer().cast()
    }
}

/// Where a block was.
struct Freed(*mut u8);

impl Place for Freed {
    fn start(&self) -> *mut u8 {
        self.0
    }
}

impl Freed {
    /// # Safety
    /// 1. The bytes lie in committed memory of the heap's.
    unsafe fn peek(&self, range: std::ops::Range<usize>) -> Vec<u8> {
        // SAFETY: (1).
        range
            .map(|at| unsafe { self.0.add(at).read_volatile() })
            .collect()
    }
}

fn freed_block(heap: &TestHeap) -> Freed {
    let block = heap.alloc(0, 37);
    let freed = Freed(block.pointer().cast());
    heap.free(block);
    freed
}

/// The block can be neither freed nor resized, and no call changes it.
#[track_caller]
fn assert_refused(heap: &TestHeap, block: &Block<'_>) {
    let (handle, pointer) = (heap.handle(), block.pointer());
    let before = block.bytes().to_vec();
    let answer = observe(|| HeapFree(handle, 0, pointer));
    assert_eq!(answer, (FALSE, ERROR_INVALID_PARAMETER));
    for size in [block.size() / 2, block.size() + 1000] {
        let answer = observe(|| HeapReAlloc(handle, 0, pointer, size).is_null());
        assert_eq!(answer, (true, ERROR_INVALID_PARAMETER));
    }
    assert_eq!(block.bytes(), before);
}
