//! Page heap: lines C338, C356 and C357, and what stops a program at the first wrong byte. Each test
//! runs in a process of its own.
#![cfg(not(all(feature = "oracle", windows)))]

use core::ffi::c_void;
use std::ptr::null_mut;

use rtl_heap_tests::abi::error::{ERROR_INVALID_PARAMETER, ERROR_NOT_ENOUGH_MEMORY};
use rtl_heap_tests::abi::flags::*;
use rtl_heap_tests::abi::own::*;
use rtl_heap_tests::abi::*;
use rtl_heap_tests::child;
use rtl_heap_tests::debug::{flags_of, with_flags};
use rtl_heap_tests::heap::*;
use rtl_heap_tests::last_error::{PRESET, observe};
use rtl_heap_tests::walk::walk;

const PAGE_HEAP: &str = "hpa";
const PAGE: usize = 0x1000;
/// Bytes before a block that are its own.
const PREFIX: usize = 8 * P;

/// Runs `body` in a child whose heaps are full page heaps, and in one where they are light.
#[track_caller]
fn with_both(test: &str, body: impl Fn()) {
    for kind in ["full", "light"] {
        let environment = [
            ("RTLHEAP_GLOBAL_FLAG", PAGE_HEAP),
            ("RTLHEAP_PAGE_HEAP", kind),
        ];
        let ending = child::run_with(test, &environment, &body);
        assert!(ending.survived(), "{kind}: {ending:?}");
    }
}

/// Runs `body` in a child under page heap, which has to die of touching what it may not.
#[track_caller]
fn assert_faults(test: &str, body: impl FnOnce()) {
    let ending = child::run_with(test, &[("RTLHEAP_GLOBAL_FLAG", PAGE_HEAP)], body);
    // Wine starts a debugger for a process that faults, and the status is that one's.
    let faulted = ending.was_access_violation() || cfg!(windows) && !ending.survived();
    assert!(faulted, "{ending:?}");
}

/// # Safety
/// 1. The byte may be written to, or the test wants to see what comes of it.
unsafe fn poke(at: *mut c_void, offset: isize, byte: u8) {
    // SAFETY: (1).
    unsafe { at.cast::<u8>().offset(offset).write_volatile(byte) };
}

/// # Safety
/// 1. As for [`poke`].
unsafe fn peek(at: *mut c_void, offset: isize) -> u8 {
    // SAFETY: (1).
    unsafe { at.cast::<u8>().offset(offset).read_volatile() }
}

/// Every call refuses the block, and changes nothing.
#[track_caller]
fn assert_damaged(heap: &TestHeap, block: &Block<'_>) {
    let (handle, pointer) = (heap.handle(), block.pointer());
    let whole = observe(|| HeapValidate(handle, 0, pointer));
    assert_eq!(whole, (FALSE, PRESET));
    assert_eq!(HeapValidate(handle, 0, NULL), FALSE);
    let freed = observe(|| HeapFree(handle, 0, pointer));
    assert_eq!(freed, (FALSE, ERROR_INVALID_PARAMETER));
    let moved = observe(|| HeapReAlloc(handle, 0, pointer, 5000).is_null());
    assert_eq!(moved, (true, ERROR_INVALID_PARAMETER));
}

#[test]
fn c338_page_allocs() {
    with_flags("c338_page_allocs", "0x02000000", || {
        assert_eq!(flags_of(&TestHeap::process()), (0x0100_0002, 0x0100_0002));
    });
}

#[test]
fn c356_the_header_shows_flags_and_no_more() {
    with_both("c356_the_header_shows_flags_and_no_more", || {
        let flags = if P == 8 { 0x70 } else { 0x40 };
        for heap in [TestHeap::process(), TestHeap::new()] {
            heap.alloc(0, 100);
            for at in 0..PAGE as isize {
                if !(flags..flags + 8).contains(&at) {
                    // SAFETY: the page is committed.
                    assert_eq!(unsafe { peek(heap.handle(), at) }, 0xEE, "byte {at:#x}");
                }
            }
            // SAFETY: the second page is committed, too.
            let signature = unsafe { heap.handle().byte_add(PAGE).cast::<u32>().read() };
            assert_eq!(signature, 0xFFEE_DDCC);
        }
    });
}

#[test]
fn c357_what_is_forced_under_page_allocs() {
    let test = "c357_what_is_forced_under_page_allocs";
    with_flags(test, "0x02200870", || {
        for heap in [
            TestHeap::new(),
            TestHeap::create(HEAP_NO_SERIALIZE, 0, 0),
            TestHeap::create(0, 0x1000, 0x1_0000),
        ] {
            let (flags, force) = flags_of(&heap);
            assert_eq!(force, flags & !(0x0400_0000 | 0x80));
            assert_eq!(flags & 0x4500_10E0, 0x4500_10E0);
        }
    });
}

#[test]
fn the_first_byte_behind_a_block_faults() {
    assert_faults("the_first_byte_behind_a_block_faults", || {
        let heap = TestHeap::process();
        let block = heap.alloc(0, 10 * G);
        // SAFETY: the child is to die of it.
        unsafe { poke(block.pointer(), 10 * G as isize, 1) };
    });
}

#[test]
fn reading_a_freed_block_faults() {
    assert_faults("reading_a_freed_block_faults", || {
        let heap = TestHeap::process();
        let block = heap.alloc(0, 100);
        let pointer = block.pointer();
        heap.free(block);
        for _ in 0..100 {
            heap.alloc(0, 100);
        }
        // SAFETY: the child is to die of it.
        unsafe { peek(pointer, 0) };
    });
}

#[test]
fn writing_behind_a_block_that_moved_faults() {
    assert_faults("writing_behind_a_block_that_moved_faults", || {
        let heap = TestHeap::process();
        let mut block = heap.alloc(0, 100);
        let pointer = block.pointer();
        assert!(!heap.resize(0, &mut block, 99));
        // SAFETY: the child is to die of it.
        unsafe { poke(pointer, 0, 1) };
    });
}

#[test]
fn blocks_of_every_size_come_and_go() {
    with_both("blocks_of_every_size_come_and_go", || {
        for flags in [0, HEAP_NO_SERIALIZE] {
            let heap = TestHeap::create(flags, 0, 0);
            let mut blocks = Vec::new();
            for size in (0..200).chain([4095, 4096, 4097, 0x1_0000, 0x20_0000]) {
                let mut block = heap.alloc(0, size);
                assert_eq!(block.address() % G, 0);
                assert!(block.is_filled(0xC0) || block.is_filled(0xE0));
                block.write_pattern(size as u8);
                blocks.push(block);
                let zeroed = heap.alloc(HEAP_ZERO_MEMORY, size);
                assert!(zeroed.is_filled(0));
                heap.free(zeroed);
            }
            assert_eq!(HeapValidate(heap.handle(), 0, NULL), TRUE);
            for (at, mut block) in blocks.into_iter().enumerate() {
                let (seed, size) = (block.size() as u8, block.size());
                let validated = HeapValidate(heap.handle(), 0, block.pointer());
                assert_eq!(validated, TRUE);
                if at % 2 == 0 {
                    let flags = if at % 4 == 0 { HEAP_ZERO_MEMORY } else { 0 };
                    heap.resize(flags, &mut block, 2 * size + 3);
                    assert!(block.has_pattern(seed, size));
                    if flags != 0 {
                        assert!(block.bytes()[size..].iter().all(|byte| *byte == 0));
                    }
                    heap.resize(0, &mut block, size / 2);
                    assert!(block.has_pattern(seed, size / 2));
                }
                heap.free(block);
            }
            assert_eq!(HeapValidate(heap.handle(), 0, NULL), TRUE);
        }
    });
}

#[test]
fn a_block_keeps_its_size_or_moves() {
    with_both("a_block_keeps_its_size_or_moves", || {
        let heap = TestHeap::new();
        let mut block = heap.alloc(0, 100);
        assert!(heap.resize(HEAP_REALLOC_IN_PLACE_ONLY, &mut block, 100));
        for size in [99, 101, 0] {
            let error = heap.assert_resize_refused(HEAP_REALLOC_IN_PLACE_ONLY, &block, size);
            assert_eq!(error, ERROR_NOT_ENOUGH_MEMORY);
        }
        assert!(!heap.resize(0, &mut block, 99));
    });
}

#[test]
fn c10_bytes_before_a_block_are_looked_at() {
    with_both("c10_bytes_before_a_block_are_looked_at", || {
        let heap = TestHeap::new();
        let block = heap.alloc(0, 100);
        for before in 1..=PREFIX as isize {
            // SAFETY: the bytes before a block are its own.
            let byte = unsafe { peek(block.pointer(), -before) };
            // SAFETY: as above.
            unsafe { poke(block.pointer(), -before, !byte) };
            assert_damaged(&heap, &block);
            // SAFETY: as above.
            unsafe { poke(block.pointer(), -before, byte) };
        }
        heap.free(block);
    });
}

#[test]
fn c2_the_byte_behind_a_block_is_looked_at() {
    with_both("c2_the_byte_behind_a_block_is_looked_at", || {
        let heap = TestHeap::new();
        for size in (0..100).filter(|size| size % G != 0 || *size == 0) {
            let block = heap.alloc(0, size);
            // SAFETY: the granule is the block's to its end.
            let byte = unsafe { peek(block.pointer(), size as isize) };
            assert!([0xD0, 0xA0].contains(&byte));
            // SAFETY: as above.
            unsafe { poke(block.pointer(), size as isize, 0) };
            assert_damaged(&heap, &block);
            // SAFETY: as above.
            unsafe { poke(block.pointer(), size as isize, byte) };
            heap.free(block);
        }
    });
}

#[test]
fn a1_a_block_is_freed_once() {
    with_both("a1_a_block_is_freed_once", || {
        let heap = TestHeap::new();
        let block = heap.alloc(0, 100);
        let _fence = heap.alloc(0, 1);
        let pointer = block.pointer();
        heap.free(block);
        let freed = observe(|| HeapFree(heap.handle(), 0, pointer));
        assert_eq!(freed, (FALSE, ERROR_INVALID_PARAMETER));
        assert_eq!(heap.size_of(pointer), usize::MAX);
        assert_eq!(HeapValidate(heap.handle(), 0, pointer), FALSE);
        assert_eq!(HeapValidate(heap.handle(), 0, NULL), TRUE);
    });
}

#[test]
fn addresses_near_a_block_are_no_blocks() {
    with_both("addresses_near_a_block_are_no_blocks", || {
        let heap = TestHeap::new();
        let block = heap.alloc(0, 100);
        for offset in (-200..200).filter(|offset| *offset != 0) {
            let near = block.pointer().wrapping_byte_offset(offset);
            assert_eq!(HeapFree(heap.handle(), 0, near), FALSE, "offset {offset}");
            assert_eq!(heap.size_of(near), usize::MAX, "offset {offset}");
        }
        heap.free(block);
    });
}

#[test]
fn a_walk_names_the_blocks_by_their_addresses() {
    with_both("a_walk_names_the_blocks_by_their_addresses", || {
        let heap = TestHeap::new();
        let mut expected: Vec<_> = [0, 1, 100, 5000, 0x20_0000]
            .map(|size| (heap.alloc(0, size).address(), size))
            .into();
        expected.sort_unstable();
        let mut found: Vec<_> = walk(&heap)
            .iter()
            .filter(|found| found.wFlags == entry::PROCESS_HEAP_ENTRY_BUSY)
            .map(|found| (found.lpData.addr(), found.cbData as usize))
            .collect();
        found.sort_unstable();
        assert_eq!(found, expected);
    });
}

#[test]
fn user_values_and_handles_work() {
    with_both("user_values_and_handles_work", || {
        let heap = TestHeap::new();
        for size in [0, 40, 0x20_0000] {
            let mut block = heap.alloc(0x100 | 0x400, size);
            let value = size as *mut c_void;
            let ask = |block: &Block<'_>| {
                let (mut found, mut flags) = (null_mut(), 0);
                let (heap, pointer) = (heap.handle(), block.pointer());
                let asked =
                    RtlGetUserInfoHeap(heap, 0, pointer, Some(&mut found), Some(&mut flags));
                (asked, found, flags)
            };
            assert_eq!(ask(&block), (1, null_mut(), 0x400));
            RtlSetUserValueHeap(heap.handle(), 0, block.pointer(), value);
            assert_eq!(ask(&block), (1, value, 0x400));
            heap.resize(0, &mut block, size + 100);
            assert_eq!(ask(&block), (1, value, 0x400));
            heap.free(block);
        }
    });
}

#[test]
fn moveable_memory_works() {
    with_both("moveable_memory_works", || {
        let object = GlobalAlloc(2, 100);
        assert!(!object.is_null());
        let data = GlobalLock(object);
        assert_eq!(GlobalHandle(data), object);
        assert_eq!(GlobalSize(object), 100);
        GlobalUnlock(object);
        assert_eq!(GlobalReAlloc(object, 0x20_0000, 2), object);
        assert_eq!(GlobalHandle(GlobalLock(object)), object);
        assert!(GlobalFree(object).is_null());
    });
}

#[test]
fn caller_memory_and_minus_one_make_no_page_heap() {
    let test = "caller_memory_and_minus_one_make_no_page_heap";
    with_flags(test, PAGE_HEAP, || {
        let none = std::ptr::without_provenance(usize::MAX);
        // SAFETY: no memory, lock or parameters are passed.
        let handle = unsafe { RtlCreateHeap(HEAP_GROWABLE, null_mut(), 0, 0, null_mut(), none) };
        let heap = TestHeap::adopt(handle);
        assert_eq!(flags_of(&heap), (2, 0));
        let memory = rtlheap_vm_reserve(0x1_0000);
        // SAFETY: the memory is the heap's.
        let handle = unsafe { RtlCreateHeap(0, memory, 0, 0x1000, null_mut(), std::ptr::null()) };
        let heap = TestHeap::adopt(handle);
        assert_eq!(flags_of(&heap), (0, 0));
        heap.alloc(0, 100);
    });
}

#[test]
fn what_no_page_heap_serves_is_refused() {
    with_both("what_no_page_heap_serves_is_refused", || {
        let heap = TestHeap::new();
        for size in [
            0x7FF0_0001,
            usize::MAX,
            usize::MAX - 0x1_0000,
            usize::MAX / 2,
        ] {
            heap.assert_no_memory(0, size);
        }
    });
}

#[test]
fn the_program_chooses_the_kind() {
    with_flags("the_program_chooses_the_kind", PAGE_HEAP, || {
        for (full, fill) in [(TRUE, 0xC0), (FALSE, 0xE0), (TRUE, 0xC0)] {
            rtlheap_set_page_heap(full);
            assert!(TestHeap::new().alloc(0, 40).is_filled(fill));
        }
        rtlheap_set_global_flags(0);
        assert_eq!(flags_of(&TestHeap::new()), (0x1002, 0));
    });
}

// A limit of Unix systems; under Wine so many reservations end the process.
#[cfg(unix)]
#[test]
fn i8_before_the_system_has_no_mapping_left_blocks_are_light() {
    let test = "i8_before_the_system_has_no_mapping_left_blocks_are_light";
    with_flags(test, PAGE_HEAP, || {
        let heap = TestHeap::new();
        // Two mappings a block: more than Linux grants a process, unless it was told to grant more.
        let mut blocks: Vec<*mut c_void> = Vec::with_capacity(40_000);
        let mut light = 0;
        for _ in 0..blocks.capacity() {
            let (block, error) = observe(|| HeapAlloc(heap.handle(), 0, 40));
            assert!(!block.is_null(), "{} blocks, error {error}", blocks.len());
            // SAFETY: the block has forty bytes.
            light += usize::from(unsafe { peek(block, 39) } == 0xE0);
            blocks.push(block);
        }
        assert!(light > 0 && light < blocks.len(), "{light} light");
        assert_eq!(HeapValidate(heap.handle(), 0, NULL), TRUE);
        for block in blocks {
            assert_eq!(HeapFree(heap.handle(), 0, block), TRUE);
        }
        // There are mappings again.
        let block = heap.alloc(0, 40);
        assert!(block.is_filled(0xC0));
    });
}

#[test]
fn stack_traces_go_with_page_heap() {
    with_flags("stack_traces_go_with_page_heap", "hpa,ust", || {
        let heap = TestHeap::process();
        let mut frames = [null_mut(); 4];
        let block = heap.alloc(0, 100);
        // SAFETY: the array has as much room as the call is told.
        let ask = || unsafe {
            rtlheap_block_trace(heap.handle(), 0, block.pointer(), 4, frames.as_mut_ptr())
        };
        let (_, error) = observe(ask);
        assert_eq!(error, PRESET);
    });
}
