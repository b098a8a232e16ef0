//! Section 13.4 of the conformance lines: reallocate.

use rtl_heap_tests::abi::flags::*;
use rtl_heap_tests::abi::*;
use rtl_heap_tests::heap::*;
use rtl_heap_tests::last_error::observe;
use rtl_heap_tests::raise::raised_by;

const MIB: usize = 0x10_0000;
const IN_PLACE: u32 = HEAP_REALLOC_IN_PLACE_ONLY;
const ZERO: u32 = HEAP_ZERO_MEMORY;

#[test]
fn c120_null_is_no_allocation() {
    let heap = TestHeap::new();
    assert!(HeapReAlloc(heap.handle(), 0, NULL, 1).is_null());
}

#[test]
fn c121_null_clears_the_last_error() {
    let heap = TestHeap::new();
    let (_, error) = observe(|| HeapReAlloc(heap.handle(), 0, NULL, 1));
    assert_eq!(error, error::NO_ERROR);
}

#[test]
fn c122_rtl_null_is_no_allocation() {
    let heap = TestHeap::new();
    for size in [0, 1, 100, MIB] {
        assert!(RtlReAllocateHeap(heap.handle(), 0, NULL, size).is_null());
    }
}

#[test]
fn c123_null_raises_nothing() {
    let heap = TestHeap::new();
    let flags = HEAP_GENERATE_EXCEPTIONS;
    let (pointer, raised) = raised_by(|| HeapReAlloc(heap.handle(), flags, NULL, 1));
    assert!(pointer.is_null());
    assert_eq!(raised, []);
}

fn assert_too_large(size: usize) {
    let heap = TestHeap::new();
    let block = heap.alloc(0, 0);
    assert!(HeapReAlloc(heap.handle(), 0, block.pointer(), size).is_null());
    assert_eq!(heap.size_of(block.pointer()), 0);
    heap.free(block);
}

#[test]
fn c124_a_size_that_wraps_when_rounded() {
    assert_too_large(usize::MAX - 7);
}

#[test]
fn c125_a_size_of_all_ones() {
    assert_too_large(usize::MAX);
}

#[test]
fn c127_to_zero_is_no_free() {
    let heap = TestHeap::new();
    let mut block = heap.alloc(0, 1);
    heap.resize(0, &mut block, 0);
    assert_eq!(heap.size_of(block.pointer()), 0);
    heap.free(block);
}

/// The sequence of C128 to C134 on one block of a growable heap, up to the given step.
fn growable_sequence(steps: usize) -> (bool, bool, usize) {
    let heap = TestHeap::new();
    let mut block = heap.alloc(ZERO, A);
    let sequence = [
        (ZERO, 3 * A),
        (IN_PLACE, A * 3 / 2),
        (IN_PLACE, 2 * A),
        (ZERO, 1),
        (ZERO, MIB),
        (IN_PLACE, A * 3 / 2),
    ];
    let mut in_place = false;
    for (flags, size) in &sequence[..steps] {
        in_place = heap.resize(*flags, &mut block, *size);
    }
    (in_place, block.is_filled(0), block.size())
}

#[test]
fn c128_grown_threefold_with_zeroes() {
    let (_, zero, size) = growable_sequence(1);
    assert!(zero);
    assert_eq!(size, 3 * A);
}

#[test]
fn c129_halved_in_place() {
    let (in_place, zero, _) = growable_sequence(2);
    assert!(in_place && zero);
}

#[test]
fn c130_grown_back_in_place() {
    let (in_place, _, size) = growable_sequence(3);
    assert!(in_place);
    assert_eq!(size, 2 * A);
}

#[test]
fn c131_shrunk_to_one_byte() {
    let (_, zero, size) = growable_sequence(4);
    assert!(zero);
    assert_eq!(size, 1);
}

#[test]
fn c132_grown_to_a_large_block() {
    let (_, zero, size) = growable_sequence(5);
    assert!(zero);
    assert_eq!(size, MIB);
}

#[test]
fn c133_a_large_block_shrinks_in_place() {
    let (in_place, zero, size) = growable_sequence(6);
    assert!(in_place && zero);
    assert_eq!(size, A * 3 / 2);
}

#[test]
fn c134_a_shrunk_large_block_does_not_grow_in_place() {
    let heap = TestHeap::new();
    let mut block = heap.alloc(ZERO, MIB);
    assert!(heap.resize(IN_PLACE, &mut block, A * 3 / 2));
    let error = heap.assert_resize_refused(IN_PLACE, &block, 2 * A);
    assert_eq!(error, error::ERROR_NOT_ENOUGH_MEMORY);
}

/// The sequence of C135 to C137 on one block of a fixed heap: which steps stayed in place.
fn fixed_sequence() -> (bool, bool, bool) {
    let heap = TestHeap::create(0, 8 * A, 8 * A);
    let mut block = heap.alloc(ZERO, A);
    heap.resize(ZERO, &mut block, 2 * A);
    let zero = block.is_filled(0);
    let shrunk = heap.resize(IN_PLACE, &mut block, A * 3 / 2);
    let grown = heap.resize(IN_PLACE, &mut block, 2 * A);
    (zero, shrunk, grown)
}

#[test]
fn c135_doubled_with_zeroes_in_a_fixed_heap() {
    assert!(fixed_sequence().0);
}

#[test]
fn c136_shrunk_in_place_in_a_fixed_heap() {
    assert!(fixed_sequence().1);
}

#[test]
fn c137_grown_back_in_place_in_a_fixed_heap() {
    assert!(fixed_sequence().2);
}

const SMALLEST: usize = 0x7_8000;
const GREATEST: usize = 0x9_0000;

/// Grows a zeroed, filled block of the process heap from 0x78000 to 0x90000 bytes in steps of
/// 0x100; shows each step its block and the size before.
fn grow_in_steps(mut check: impl FnMut(&TestHeap, &Block<'_>, usize)) {
    let heap = TestHeap::process();
    let mut block = heap.alloc(ZERO, SMALLEST);
    block.write_pattern(7);
    for size in (SMALLEST..GREATEST).step_by(0x100) {
        heap.resize(ZERO, &mut block, size + 0x100);
        check(&heap, &block, size);
        block.write_pattern(7);
    }
    heap.free(block);
}

#[test]
fn c138_each_step_of_growth_keeps_the_contents() {
    grow_in_steps(|_, block, before| assert!(block.has_pattern(7, before), "{before:#x}"));
}

#[test]
fn c139_each_step_of_growth_zeroes_the_rest() {
    grow_in_steps(|_, block, before| assert_eq!(block.bytes()[before..], [0; 0x100]));
}

#[test]
fn c140_each_step_of_growth_has_its_size() {
    grow_in_steps(|heap, block, before| {
        assert_eq!(
            RtlSizeHeap(heap.handle(), 0, block.pointer()),
            before + 0x100
        );
    });
}

#[test]
fn c141_each_step_down_keeps_the_contents() {
    let heap = TestHeap::process();
    let mut block = heap.alloc(ZERO, GREATEST);
    block.write_pattern(8);
    for size in (SMALLEST..GREATEST).step_by(0x100).rev() {
        heap.resize(ZERO, &mut block, size);
        assert!(block.has_pattern(8, size), "{size:#x}");
        assert_eq!(RtlSizeHeap(heap.handle(), 0, block.pointer()), size);
    }
    heap.free(block);
}

#[test]
fn c142_shrinking_writes_no_tail() {
    let heap = TestHeap::process();
    let mut block = heap.alloc(ZERO, 17);
    assert!(heap.resize(IN_PLACE, &mut block, 14));
    // SAFETY: the block had 17 bytes and stayed where it was.
    assert_eq!(unsafe { block.peek(14..16) }, [0, 0]);
    heap.free(block);
}

#[test]
fn c143_a_failure_changes_nothing() {
    let heap = TestHeap::new();
    for size in [0, 1, 100, 0x4000, A, MIB] {
        let mut block = heap.alloc(0, size);
        block.write_pattern(9);
        for too_large in [usize::MAX, usize::MAX - 7, usize::MAX / 2 + 1] {
            heap.assert_resize_refused(0, &block, too_large);
            heap.assert_resize_refused(IN_PLACE | ZERO, &block, too_large);
        }
        assert!(block.has_pattern(9, size));
        heap.free(block);
    }
}

#[test]
fn c144_a_busy_neighbour_stands_in_the_way() {
    let heap = TestHeap::new();
    let block = heap.alloc(0, 0x200);
    // Both sides and what lies beyond are taken, whichever way the heap deals out its blocks.
    let neighbours: Vec<_> = (0..16).map(|_| heap.alloc(0, 0x200)).collect();
    assert!(
        neighbours
            .iter()
            .any(|other| other.address() > block.address())
    );
    let error = heap.assert_resize_refused(IN_PLACE, &block, 0x400);
    assert_eq!(error, error::ERROR_NOT_ENOUGH_MEMORY);
}

#[test]
fn c147_a_move_keeps_the_contents() {
    let heap = TestHeap::new();
    let sizes = [
        1,
        17,
        100,
        0x1000,
        0x1_0001,
        A,
        3 * A,
        MIB,
        3 * MIB + 5,
        A - 1,
        100,
        3,
    ];
    let mut block = heap.alloc(0, sizes[0]);
    let mut walls = Vec::new();
    for (seed, size) in (10..).zip(sizes) {
        let before = block.size();
        block.write_pattern(seed);
        // A block behind this one makes growing in place unlikely.
        walls.push(heap.alloc(0, 16));
        heap.resize(0, &mut block, size);
        assert!(
            block.has_pattern(seed, before.min(size)),
            "{before:#x} -> {size:#x}"
        );
    }
}
