//! Misuse group E: sizes and arithmetic. Each test is one row of the catalogue.
#![cfg(not(all(feature = "oracle", windows)))]

use std::collections::BTreeSet;

use rtl_heap_tests::abi::flags::*;
use rtl_heap_tests::abi::*;
use rtl_heap_tests::heap::*;
use rtl_heap_tests::last_error::observe;
use rtl_heap_tests::raise::{STATUS_NO_MEMORY, raised_by};
use rtl_heap_tests::vm;
use rtl_heap_tests::witness::Witness;

/// Every flag that changes how a size is reckoned, alone and together.
const FLAGS: [u32; 4] = [
    0,
    HEAP_ZERO_MEMORY,
    HEAP_NO_SERIALIZE,
    0x60 | HEAP_SETTABLE_USER_VALUE,
];

fn assert_too_large(sizes: &[usize]) {
    let heap = TestHeap::new();
    let witness = Witness::new(&heap);
    for &size in sizes {
        for flags in FLAGS {
            heap.assert_no_memory(flags, size);
            let (pointer, raised) =
                raised_by(|| HeapAlloc(heap.handle(), flags | HEAP_GENERATE_EXCEPTIONS, size));
            assert!(pointer.is_null());
            assert_eq!(raised.len(), 1, "{size:#x}");
            assert_eq!(raised[0].code, STATUS_NO_MEMORY);
        }
    }
    witness.assert_undisturbed();
}

#[test]
fn e1_all_ones() {
    assert_too_large(&[usize::MAX]);
}

#[test]
fn e2_sizes_that_wrap_when_rounded() {
    assert_too_large(&[7, 15, 0x1000, 0xFFFF, 0x1_0000].map(|less| usize::MAX - less));
}

#[test]
fn e3_sizes_with_the_top_bit() {
    let top = usize::MAX / 2 + 1;
    assert_too_large(&[top, top - 1, top + 1]);
    #[cfg(target_pointer_width = "64")]
    assert_too_large(&[1 << 47, (1 << 47) - 1, 1 << 62]);
}

#[test]
fn e4_reallocate_to_a_size_that_wraps() {
    let heap = TestHeap::new();
    for size in [0, 100, 0x5000, 0x30_0000] {
        let mut block = heap.alloc(0, size);
        block.write_pattern(1);
        for less in [0, 7, 15, 32, 0x1000] {
            let error = heap.assert_resize_refused(0, &block, usize::MAX - less);
            assert_eq!(error, error::ERROR_NOT_ENOUGH_MEMORY);
        }
        assert!(block.has_pattern(1, size));
    }
}

#[test]
fn e7_blocks_of_size_zero_are_all_different() {
    let heap = TestHeap::new();
    let blocks: Vec<_> = (0..1000).map(|_| heap.alloc(0, 0)).collect();
    let addresses: BTreeSet<_> = blocks.iter().map(Block::address).collect();
    assert_eq!(addresses.len(), 1000);
    for block in blocks {
        heap.free(block);
    }
}

#[test]
fn e8_an_exception_comes_after_the_last_error() {
    let heap = TestHeap::create(0, A, A);
    let ((pointer, error), raised) =
        raised_by(|| observe(|| HeapAlloc(heap.handle(), HEAP_GENERATE_EXCEPTIONS, 2 * A)));
    assert!(pointer.is_null());
    assert_eq!(error, error::ERROR_NOT_ENOUGH_MEMORY);
    assert_eq!(raised.len(), 1);
    assert_eq!((raised[0].code, raised[0].flags), (STATUS_NO_MEMORY, 0));
    assert_eq!(raised[0].information.len(), 1);
    assert!(raised[0].information[0] >= 2 * A, "the rounded size");
}

#[test]
fn e8_reallocate_raises_too() {
    let heap = TestHeap::create(0, A, A);
    let block = heap.alloc(0, 100);
    let (pointer, raised) = raised_by(|| {
        HeapReAlloc(
            heap.handle(),
            HEAP_GENERATE_EXCEPTIONS,
            block.pointer(),
            2 * A,
        )
    });
    assert!(pointer.is_null());
    assert_eq!(raised.len(), 1);
    assert_eq!(heap.size_of(block.pointer()), 100);
}

#[test]
fn e10_above_the_threshold_on_a_fixed_heap() {
    let heap = TestHeap::create(0, 0, 0x100_0000);
    heap.assert_no_memory(0, LARGEST_ORDINARY + 1);
    heap.assert_no_memory(0, 0x20_0000);
    let _ = heap.alloc(0, 0x7_0000);
}

#[test]
fn e11_a_fixed_heap_filled_to_the_end() {
    for size in [16, 100, 1000, 0x3000] {
        let heap = TestHeap::create(0, 0x1000, 0x4_0000);
        let mut blocks = Vec::new();
        while let Some(mut block) = heap.try_alloc(0, size) {
            block.write_pattern(blocks.len() as u8);
            blocks.push(block);
        }
        heap.assert_no_memory(0, size);
        let used = blocks.len() * block(size);
        assert!(
            used > 0x3_8000,
            "{used:#x} bytes of 0x40000 in blocks of {size:#x}"
        );
        for (seed, block) in blocks.iter().enumerate() {
            assert!(block.has_pattern(seed as u8, size));
        }
        for block in blocks {
            heap.free(block);
        }
        let _ = heap.alloc(0, 0x3_8000);
    }
}

#[test]
fn e12_initial_size_above_the_maximum() {
    let heap = TestHeap::create(0, 0x4_0000, 0x1_0000);
    let reservation = vm::reservation_at(heap.address()).expect("the heap's reservation");
    assert_eq!(reservation.size, 0x1_0000);
    heap.assert_no_memory(0, 0x2_0000);
}

#[test]
fn e13_more_than_the_address_space() {
    let (initial, maximum) = if P == 8 {
        (1_usize.rotate_left(46), 1_usize.rotate_left(47))
    } else {
        (0x7FFF_0000, 0xFFFE_0000)
    };
    let (heap, error) = observe(|| HeapCreate(0, initial, maximum));
    assert!(heap.is_null());
    assert_eq!(error, error::ERROR_NOT_ENOUGH_MEMORY);
}

#[cfg(target_pointer_width = "64")]
#[test]
fn e14_a_block_above_four_gibibytes() {
    const SIZE: usize = 0x1_0000_0025;
    let heap = TestHeap::new();
    let (block, error) = observe(|| heap.try_alloc(0, SIZE));
    match block {
        Some(mut block) => {
            assert_eq!(heap.size_of(block.pointer()), SIZE);
            *block.bytes_mut().last_mut().expect("a byte") = 1;
            heap.free(block);
        }
        // A machine with less memory says so.
        None => assert_eq!(error, error::ERROR_NOT_ENOUGH_MEMORY),
    }
}

#[test]
fn e9_several_blocks_of_which_some_do_not_fit() {
    let heap = TestHeap::create(0, 0x2_0000, 0x2_0000);
    let mut array = [NULL; 8];
    // SAFETY: the array has room for eight pointers.
    let allocate =
        || unsafe { RtlMultipleAllocateHeap(heap.handle(), 0, 0x7000, 8, array.as_mut_ptr()) };
    let (count, error) = observe(allocate);
    assert_eq!((count, error), (4, error::ERROR_NOT_ENOUGH_MEMORY));
    for (n, pointer) in array.iter().enumerate() {
        let size = heap.size_of(*pointer);
        assert_eq!(size, if n < 4 { 0x7000 } else { usize::MAX }, "{n}");
    }
    assert!(array[4..].iter().all(|pointer| pointer.is_null()));
}
