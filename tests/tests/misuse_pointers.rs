//! Misuse group B: free, size and reallocate of a wrong pointer. Each test is one row of the
//! catalogue.
#![cfg(not(all(feature = "oracle", windows)))]

use core::ffi::c_void;

use rtl_heap_tests::abi::flags::HEAP_NO_SERIALIZE;
use rtl_heap_tests::abi::*;
use rtl_heap_tests::heap::*;
use rtl_heap_tests::last_error::{PRESET, observe};
use rtl_heap_tests::misuse::BadCall::{Free, ReAlloc, Size};
use rtl_heap_tests::misuse::{BadCall, assert_misuse, kind};
use rtl_heap_tests::vm::Region;

fn at(block: &Block<'_>, offset: isize) -> *mut c_void {
    block.pointer().wrapping_byte_offset(offset)
}

/// All calls with each of the pointers.
fn all_calls(pointers: impl IntoIterator<Item = *mut c_void>) -> Vec<BadCall> {
    pointers.into_iter().flat_map(BadCall::all).collect()
}

#[test]
fn b1_one_byte_into_a_block() {
    assert_misuse("b1_one_byte_into_a_block", |heap| {
        [16, 100, 0x5000, 0x30_0000]
            .iter()
            .flat_map(|&size| all_calls([at(&heap.alloc(0, size), 1)]))
            .collect()
    });
}

#[test]
fn b2_half_a_granule_into_a_block() {
    assert_misuse("b2_half_a_granule_into_a_block", |heap| {
        let half = P as isize;
        all_calls([
            at(&heap.alloc(0, 100), half),
            at(&heap.alloc(0, 0x30_0000), half),
        ])
    });
}

#[test]
fn b3_a_granule_into_a_block() {
    assert_misuse("b3_a_granule_into_a_block", |heap| {
        let granule = G as isize;
        all_calls([
            at(&heap.alloc(0, 100), granule),
            at(&heap.alloc(0, 0x5000), granule),
        ])
    });
}

#[test]
fn b4_the_middle_of_a_block() {
    assert_misuse("b4_the_middle_of_a_block", |heap| {
        let (ordinary, large) = (heap.alloc(0, 300_000), heap.alloc(0, 3_000_000));
        all_calls([
            at(&ordinary, 150_000),
            at(&ordinary, 0x1_0000),
            at(&large, 1_500_000),
            at(&large, 0x1_0000),
        ])
    });
}

#[test]
fn b5_the_header_of_a_block() {
    assert_misuse("b5_the_header_of_a_block", |heap| {
        all_calls([
            at(&heap.alloc(0, 100), -(G as isize)),
            at(&heap.alloc(0, 100), -8),
            at(&heap.alloc(0, 0x30_0000), -(G as isize)),
        ])
    });
}

#[test]
fn b6_one_past_the_end_of_a_block() {
    assert_misuse("b6_one_past_the_end_of_a_block", |heap| {
        let mut calls = Vec::new();
        for size in [16, 24, 32, 100, 0x1000] {
            let block = heap.alloc(0, size);
            let _neighbour = heap.alloc(0, size);
            calls.extend(all_calls([at(&block, size as isize)]));
        }
        calls
    });
}

#[test]
fn b7_the_stack() {
    assert_misuse("b7_the_stack", |_| {
        let mut here = [0u64; 16];
        all_calls([
            here[4..].as_mut_ptr().cast(),
            here.as_mut_ptr().wrapping_byte_add(3).cast(),
        ])
    });
}

static DATA: [u64; 64] = [0x1111_2222_3333_4444; 64];

#[test]
fn b8_static_data() {
    assert_misuse("b8_static_data", |_| {
        all_calls([DATA[8..].as_ptr().cast_mut().cast()])
    });
}

/// Copies what stands around a live block into `forgery`, so that the copy looks like a block.
fn forge(block: &Block<'_>, forgery: *mut u8) {
    // SAFETY: a block's header lies before its data.
    let image =
        unsafe { core::slice::from_raw_parts(block.pointer().cast::<u8>().sub(8 * P), 16 * P) };
    // SAFETY: every caller passes memory of its own of that size.
    unsafe { core::ptr::copy_nonoverlapping(image.as_ptr(), forgery, image.len()) };
}

#[test]
fn b9_a_forged_block_in_static_data() {
    assert_misuse("b9_a_forged_block_in_static_data", |heap| {
        // Leaked, so as to be as lasting as static data.
        let forgery = Box::leak(Box::new([0u128; 32])).as_mut_ptr().cast::<u8>();
        // A block with others before it, whose surroundings all belong to the heap.
        let blocks: Vec<_> = (0..4).map(|_| heap.alloc(0, 0x80)).collect();
        forge(&blocks[3], forgery);
        all_calls([forgery.wrapping_add(8 * P).cast()])
    });
}

#[test]
fn b10_a_mapping_of_the_program_s_own() {
    assert_misuse("b10_a_mapping_of_the_program_s_own", |_| {
        let region = Box::leak(Box::new(Region::committed(0x2_0000)));
        all_calls([region.base(), region.base().wrapping_byte_add(8 * P)])
    });
}

#[test]
fn b11_a_mapping_with_a_forged_large_block() {
    assert_misuse("b11_a_mapping_with_a_forged_large_block", |heap| {
        let region = Box::leak(Box::new(Region::committed(0x2_0000)));
        forge(&heap.alloc(0, 0x30_0000), region.base().cast());
        all_calls([region.base().wrapping_byte_add(8 * P)])
    });
}

#[test]
fn b12_an_unmapped_address() {
    assert_misuse("b12_an_unmapped_address", |_| {
        let released = Region::reserve(0x10_0000).base();
        all_calls([
            0xDEAD_BE00_usize as *mut c_void,
            released.wrapping_byte_add(0x8_0040),
        ])
    });
}

#[test]
fn b13_small_integers() {
    assert_misuse("b13_small_integers", |_| {
        all_calls([1, 2, 7, 8, 0x10, 0x20, 0x40, 0xFFF0, 0xFFFF].map(|n: usize| n as *mut c_void))
    });
}

#[test]
fn b14_addresses_that_cannot_be() {
    assert_misuse("b14_addresses_that_cannot_be", |_| {
        let high = usize::MAX / 2 + 1;
        let text = 0x4141_4141_4141_4140_u64 as usize;
        let addresses = [
            text,
            high,
            high - 0x10,
            high + 0x10,
            usize::MAX - 0xF,
            usize::MAX,
        ];
        all_calls(addresses.map(|n| n as *mut c_void))
    });
}

#[test]
fn b15_code() {
    assert_misuse("b15_code", |_| {
        let code = b15_code as fn() as usize;
        all_calls([code as *mut c_void, (code & !(G - 1)) as *mut c_void])
    });
}

#[test]
fn b16_the_heap_itself() {
    assert_misuse("b16_the_heap_itself", |heap| {
        let header = heap.handle();
        all_calls([0, 8, 16, 64, 0x100].map(|offset| header.wrapping_byte_add(offset)))
    });
}

#[test]
fn b17_null() {
    let heap = TestHeap::new();
    assert_eq!(observe(|| HeapFree(heap.handle(), 0, NULL)), (TRUE, PRESET));
}

/// A block of a heap that lasts as long as the process.
fn block_of_another_heap(size: usize) -> (HANDLE, *mut c_void) {
    let heap = Box::leak(Box::new(TestHeap::new()));
    (heap.handle(), heap.alloc(0, size).pointer())
}

#[test]
fn b18_free_of_another_heap_s_block() {
    assert_misuse("b18_free_of_another_heap_s_block", |_| {
        [100, 0x30_0000]
            .map(|size| Free(block_of_another_heap(size).1))
            .to_vec()
    });
    let heap = TestHeap::new();
    let (owner, pointer) = block_of_another_heap(100);
    let report = Free(pointer).assert_refused(&heap);
    assert_eq!(
        (report.kind, report.owner),
        (kind::CROSS_HEAP_OPERATION, owner as usize)
    );
    assert_eq!(
        HeapFree(owner, 0, pointer),
        TRUE,
        "the block is still its owner's"
    );
}

#[test]
fn b19_size_and_reallocate_of_another_heap_s_block() {
    assert_misuse("b19_size_and_reallocate_of_another_heap_s_block", |_| {
        [100, 0x30_0000]
            .map(|size| block_of_another_heap(size).1)
            .iter()
            .flat_map(|&pointer| [Size(pointer), ReAlloc(pointer)])
            .collect()
    });
}

#[test]
fn b22_size_of_null() {
    assert_misuse("b22_size_of_null", |_| vec![Size(NULL)]);
}

/// The short path of a heap that nobody serialises has checks of its own.
#[test]
fn only_a_block_s_own_address_is_freed_where_nobody_serialises() {
    let heap = TestHeap::create(HEAP_NO_SERIALIZE, 0, 0);
    let base = heap.handle() as usize;
    let kept: Vec<_> = (0..20).map(|n| heap.alloc(0, 64 + n)).collect();
    // Some free, some parked.
    for size in [64, 500, 0x2000] {
        let blocks: Vec<_> = (0..3).map(|_| heap.alloc(0, size)).collect();
        blocks.into_iter().for_each(|block| heap.free(block));
    }
    let large = heap.alloc(0, 0x30_0000);
    let live = |address| {
        kept.iter()
            .chain([&large])
            .any(|block| block.address() == address)
    };
    let near_large = large.address() - 0x100..large.address() + 0x1000;
    let outside = base - 0x1000..base + 0x2_0000;
    for address in outside.chain(near_large).filter(|address| !live(*address)) {
        let pointer = address as *mut c_void;
        assert_eq!(HeapFree(heap.handle(), 0, pointer), FALSE, "{pointer:?}");
    }
    for block in kept.into_iter().chain([large]) {
        let pointer = block.pointer();
        heap.free(block);
        assert_eq!(HeapFree(heap.handle(), 0, pointer), FALSE, "freed twice");
    }
}
