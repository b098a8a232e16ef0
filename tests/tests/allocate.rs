//! Section 13.2 of the conformance lines: allocate and size.

use rtl_heap_tests::abi::flags::*;
use rtl_heap_tests::abi::*;
use rtl_heap_tests::heap::*;
use rtl_heap_tests::vm::{self, Reservation};

const MIB: usize = 0x10_0000;

#[test]
fn c050_size_zero_is_a_block() {
    let heap = TestHeap::new();
    let block = heap.alloc(0, 0);
    assert_eq!(heap.size_of(block.pointer()), 0);
    heap.free(block);
}

#[test]
fn c051_blocks_of_size_zero_differ() {
    let heap = TestHeap::new();
    let (first, second) = (heap.alloc(0, 0), heap.alloc(0, 0));
    assert_ne!(first.address(), second.address());
}

fn assert_zeroed(size: usize) {
    let heap = TestHeap::new();
    for _ in 0..2 {
        let mut block = heap.alloc(HEAP_ZERO_MEMORY, size);
        assert!(block.is_filled(0));
        block.bytes_mut().fill(0xCC);
        heap.free(block);
    }
}

#[test]
fn c052_one_zeroed_byte() {
    assert_zeroed(1);
}

#[test]
fn c053_a_zeroed_mebibyte() {
    assert_zeroed(MIB);
}

#[test]
fn c054_a_zeroed_block_of_a_bytes() {
    assert_zeroed(A);
}

#[test]
fn c055_size_of_all_ones() {
    TestHeap::new().assert_no_memory(0, usize::MAX);
}

#[test]
fn c056_a_block_above_the_threshold() {
    let heap = TestHeap::new();
    let mut block = heap.alloc(0, 5 * A + 1);
    block.write_pattern(1);
    assert!(block.has_pattern(1, 5 * A + 1));
}

#[test]
fn c057_an_ordinary_and_a_large_block_together() {
    let heap = TestHeap::new();
    let first = heap.alloc(0, A);
    let _second = heap.alloc(0, 4 * A);
    assert_eq!(heap.size_of(first.pointer()), A);
}

/// The OR of the addresses of 128 live blocks of one size.
fn or_of_addresses(size: usize) -> usize {
    let heap = TestHeap::new();
    (0..128).fold(0, |bits, _| bits | heap.alloc(0, size).address())
}

#[test]
fn c058_ordinary_blocks_lie_at_granules() {
    assert_eq!(or_of_addresses(A) & (2 * P - 1), 0);
}

#[test]
fn c059_ordinary_blocks_reach_odd_granules() {
    assert_ne!(or_of_addresses(A) & (2 * P), 0);
}

#[test]
fn c060_large_blocks_lie_at_multiples_of_8p() {
    assert_eq!(or_of_addresses(4 * A) & (8 * P - 1), 0);
}

#[test]
fn c061_large_blocks_lie_at_odd_multiples_of_8p() {
    assert_ne!(or_of_addresses(4 * A) & (8 * P), 0);
}

/// The sizes of C062 to C064: from just under 0x20000 pointers, doubled, to 8 MiB.
fn doubling_sizes() -> impl Iterator<Item = usize> {
    std::iter::successors(Some(0x2_0000 * P - 0x1000), |size| Some(size * 2))
        .take_while(|&size| size < 8 * MIB)
}

fn three(heap: &TestHeap, flags: u32, size: usize) -> [Block<'_>; 3] {
    std::array::from_fn(|_| heap.alloc(flags, size))
}

/// The distance between the nearest two of three blocks allocated one after the other.
fn nearest(blocks: &[Block<'_>; 3]) -> usize {
    let [a, b, c] = blocks.each_ref().map(Block::address);
    a.abs_diff(b).min(b.abs_diff(c))
}

#[test]
fn c062_large_blocks_of_every_size_lie_at_multiples_of_8p() {
    for size in doubling_sizes() {
        let heap = TestHeap::create(HEAP_NO_SERIALIZE, 0, 0);
        for block in three(&heap, HEAP_ZERO_MEMORY, size) {
            assert_eq!(block.address() & (8 * P - 1), 0, "{size:#x}");
        }
    }
}

#[test]
fn c063_large_blocks_are_not_neighbours() {
    for size in doubling_sizes() {
        let heap = TestHeap::create(HEAP_NO_SERIALIZE, 0, 0);
        assert!(
            nearest(&three(&heap, HEAP_ZERO_MEMORY, size)) > block(size),
            "{size:#x}"
        );
    }
}

#[test]
fn c064_large_blocks_have_no_tail() {
    for size in doubling_sizes() {
        let heap = TestHeap::create(HEAP_NO_SERIALIZE, 0, 0);
        for block in three(&heap, HEAP_ZERO_MEMORY, size) {
            // SAFETY: the user data starts 8P into a page and ends short of one, so one more byte
            // is mapped.
            assert_eq!(unsafe { block.peek(size..size + 1) }, [0], "{size:#x}");
        }
    }
}

#[test]
fn c065_a_block_just_under_the_threshold_lies_at_a_granule() {
    let heap = TestHeap::create(HEAP_NO_SERIALIZE, 0, 0);
    assert_eq!(
        heap.alloc(HEAP_ZERO_MEMORY, 0x2_0000 * P - 0x2000)
            .address()
            & (2 * P - 1),
        0
    );
}

/// The sizes of C066 and C067, halved down to one byte.
fn halving_sizes() -> impl Iterator<Item = usize> {
    std::iter::successors(Some(0x2_0000 * P - 0x3000), |size| Some(size / 2))
        .take_while(|&size| size > 0)
}

fn nearest_on_a_fresh_heap(flags: u32, size: usize) -> usize {
    let heap = TestHeap::create(HEAP_NO_SERIALIZE, 0, 0);
    nearest(&three(&heap, HEAP_ZERO_MEMORY | flags, size))
}

#[test]
fn c066_neighbours_lie_one_block_apart() {
    for size in halving_sizes().take_while(|&size| size >= G) {
        assert_eq!(
            nearest_on_a_fresh_heap(0, size),
            round_up(size + 8, G),
            "{size:#x}"
        );
    }
}

#[test]
fn c067_blocks_below_a_granule_take_a_granule_and_the_header() {
    let expected = if P == 8 { 32 } else { 16 };
    for size in halving_sizes().filter(|&size| size < G) {
        assert_eq!(nearest_on_a_fresh_heap(0, size), expected, "{size}");
    }
}

#[cfg(target_pointer_width = "64")]
#[test]
fn c068_the_header_costs_eight_bytes() {
    assert_eq!(nearest_on_a_fresh_heap(0, 24), 32);
    assert_eq!(nearest_on_a_fresh_heap(0, 25), 48);
}

const CHECKING: u32 = HEAP_TAIL_CHECKING_ENABLED | HEAP_FREE_CHECKING_ENABLED;

#[test]
fn c069_checking_flags_of_the_call_cost_a_whole_header() {
    for size in halving_sizes() {
        let expected = round_up(size.max(G) + G, G);
        assert_eq!(
            nearest_on_a_fresh_heap(CHECKING, size),
            expected,
            "{size:#x}"
        );
    }
}

#[test]
fn c070_checking_flags_of_the_call_write_no_tail() {
    let heap = TestHeap::create(HEAP_NO_SERIALIZE, 0, 0);
    let blocks = three(&heap, HEAP_ZERO_MEMORY | CHECKING, 17);
    // SAFETY: 17 bytes and a header of G take more than the next eight bytes.
    let behind = unsafe { blocks[0].peek(17..25) };
    assert_ne!(behind, [0xAB; 8]);
}

#[test]
fn c072_a_block_fills_a_fixed_heap_but_for_its_bookkeeping() {
    let heap = TestHeap::create(0, A, A);
    let size = A - (0x400 + 0x100 * P);
    let mut block = heap.alloc(0, size);
    block.write_pattern(3);
    assert!(block.has_pattern(3, size));
}

#[test]
fn c073_a_fixed_heap_has_bookkeeping() {
    let heap = TestHeap::create(0, A, A);
    let block = heap.alloc(0, A - (0x400 + 0x100 * P));
    heap.free(block);
    heap.assert_no_memory(0, A - (0x200 + 0x80 * P));
}

#[test]
fn c074_size_zero_in_a_fixed_heap() {
    let heap = TestHeap::create(0, 8 * A, 8 * A);
    assert_eq!(heap.size_of(heap.alloc(0, 0).pointer()), 0);
}

#[test]
fn c075_an_empty_fixed_heap_refuses_a_large_block() {
    TestHeap::create(0, 8 * A, 8 * A).assert_no_memory(0, 4 * A);
}

#[test]
fn c076_a_used_fixed_heap_refuses_a_large_block() {
    let heap = TestHeap::create(0, 8 * A, 8 * A);
    let _block = heap.alloc(0, A);
    heap.assert_no_memory(0, 4 * A);
}

#[test]
fn c077_a_fixed_heap_serves_an_ordinary_block() {
    let heap = TestHeap::create(0, 8 * A, 8 * A);
    assert_eq!(heap.size_of(heap.alloc(0, A).pointer()), A);
}

const BIG_BLOCK: usize = 0x6_0000;

/// For each initial size of the specification: the reservations that 100 blocks of 0x60000 bytes
/// lie in, in the order of first use, without the heap's first.
fn growth() -> impl Iterator<Item = Vec<Reservation>> {
    [0, 0x8_0000, 0x15_0000].into_iter().map(|initial| {
        let heap = TestHeap::create(HEAP_NO_SERIALIZE, initial, 0);
        let mut seen = vec![vm::reservation_at(heap.address()).expect("the first segment")];
        for _ in 0..100 {
            let block = heap.alloc(0, BIG_BLOCK);
            let reservation = vm::reservation_at(block.address()).expect("a segment");
            assert!(block.address() + BIG_BLOCK <= reservation.base + reservation.size);
            if !seen.contains(&reservation) {
                seen.push(reservation);
            }
        }
        seen.split_off(1)
    })
}

#[test]
fn c078_every_block_lies_in_a_region() {
    for reservations in growth() {
        for Reservation { base, size } in reservations {
            assert_eq!(base % vm::GRANULARITY, 0);
            assert!(
                size >= 2 * BIG_BLOCK,
                "{size:#x} is a block's own reservation"
            );
        }
    }
}

#[test]
fn c079_the_second_region_has_a_mebibyte() {
    for reservations in growth() {
        assert_eq!(reservations[0].size, MIB);
    }
}

#[test]
fn c080_regions_double_up_to_the_cap() {
    for reservations in growth() {
        for pair in reservations.windows(2) {
            assert_eq!(pair[1].size, (2 * pair[0].size).min(0xFD_0000));
        }
    }
}

#[test]
fn c081_regions_reach_the_cap() {
    for reservations in growth() {
        assert_eq!(reservations.last().expect("the heap grew").size, 0xFD_0000);
    }
}

const LARGE_ODD_SIZE: usize = 3000 * 1024 + 37;

#[test]
fn c082_a_large_block_of_the_process_heap_has_its_exact_size() {
    let heap = TestHeap::process();
    let block = heap.alloc(0, LARGE_ODD_SIZE);
    assert_eq!(heap.size_of(block.pointer()), LARGE_ODD_SIZE);
    heap.free(block);
}

#[test]
fn c083_the_end_of_a_large_block_is_zero() {
    let heap = TestHeap::process();
    let block = heap.alloc(0, LARGE_ODD_SIZE);
    assert_eq!(block.bytes()[LARGE_ODD_SIZE - 2..], [0, 0]);
    heap.free(block);
}

#[test]
fn c085_size_of_seventeen_bytes() {
    let heap = TestHeap::new();
    assert_eq!(HeapSize(heap.handle(), 0, heap.alloc(0, 17).pointer()), 17);
}

/// Whether a new block of this size has a reservation of its own.
fn is_large(size: usize) -> bool {
    let heap = TestHeap::new();
    let block = heap.alloc(0, size);
    let reservation = vm::reservation_at(block.address()).expect("a reservation");
    block.address() == reservation.base + 8 * P
}

#[cfg(target_pointer_width = "64")]
#[test]
fn c086_the_largest_ordinary_block_of_64_bit() {
    assert!(!is_large(0xF_EFF8));
    assert!(is_large(0xF_F000));
}

#[cfg(target_pointer_width = "32")]
#[test]
fn c087_the_largest_ordinary_block_of_32_bit() {
    assert!(!is_large(0x7_EFF8));
    assert!(is_large(0x7_F000));
}
