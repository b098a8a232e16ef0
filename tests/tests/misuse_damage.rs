//! Misuse groups C and D: writes past and before blocks, into freed ones, and over the heap's own
//! data. Each test is one row of the catalogue. What a heap without debugging flags promises: what
//! is damaged is refused at the next call that would use it and never followed, and nothing faults
//! but a store to a page that is not there.
#![cfg(not(all(feature = "oracle", windows)))]

use core::ffi::c_void;
use core::ptr::null;

use rtl_heap_tests::abi::flags::*;
use rtl_heap_tests::abi::*;
use rtl_heap_tests::child;
use rtl_heap_tests::frontend::activate;
use rtl_heap_tests::heap::*;
use rtl_heap_tests::misuse::BadCall::{self, Free, Size};
use rtl_heap_tests::misuse::kind;
use rtl_heap_tests::vm;

/// A size that fills its block: the next header begins with the byte behind the data.
const FULL: usize = 40;

/// Freed blocks of the one are parked, those of the other merged and listed at once. Neither has a
/// front end.
fn heaps() -> [TestHeap; 2] {
    [
        TestHeap::create(0, 0x8_0000, 0x8_0000),
        TestHeap::rtl(HEAP_GROWABLE | HEAP_CREATE_ALIGN_16, 0, 0),
    ]
}

/// Neighbouring blocks of [`FULL`] bytes, in order.
fn row(heap: &TestHeap, count: usize) -> Vec<Block<'_>> {
    let blocks: Vec<_> = (0..count).map(|_| heap.alloc(0, FULL)).collect();
    for pair in blocks.windows(2) {
        let distance = pair[1].address() - pair[0].address();
        assert_eq!(distance, block(FULL), "the test needs neighbours");
    }
    blocks
}

/// Writes bytes at a distance from a block's data, in committed memory of its heap.
fn scribble(at: &Block<'_>, offset: isize, bytes: &[u8]) {
    let to = at.pointer().cast::<u8>().wrapping_offset(offset);
    for (n, byte) in bytes.iter().enumerate() {
        // SAFETY: what lies there is the heap's, and only the heap's calls look at it.
        unsafe { to.add(n).write_volatile(*byte) };
    }
}

fn is_valid(heap: &TestHeap) -> bool {
    HeapValidate(heap.handle(), 0, null()) == TRUE
}

/// The heap still answers every request with a block of its own or with a refusal, and what it gave
/// out before is untouched.
fn assert_serves(heap: &TestHeap, live: &mut [Block<'_>]) {
    for (seed, block) in (0..).zip(live.iter_mut()) {
        block.write_pattern(seed);
    }
    let sizes = (0..400).map(|n| n * 13 % 700);
    let mut fresh: Vec<_> = sizes.filter_map(|size| heap.try_alloc(0, size)).collect();
    for block in &mut fresh {
        assert!(vm::is_committed(block.address()));
        block.bytes_mut().fill(0xEE);
    }
    for (seed, block) in (0..).zip(live.iter()) {
        assert!(
            block.has_pattern(seed, block.size()),
            "a live block was given out again"
        );
    }
    for block in fresh {
        // Damage nearby may refuse it.
        HeapFree(heap.handle(), 0, block.pointer());
    }
    for (seed, block) in (0..).zip(live.iter()) {
        assert!(
            block.has_pattern(seed, block.size()),
            "a free wrote into a live block"
        );
    }
}

/// Overwrites `length` bytes behind the first of a row of blocks: all whose header was hit are
/// refused.
fn overrun(length: usize, damaged: usize) {
    for heap in heaps() {
        let mut blocks = row(&heap, 8);
        scribble(&blocks[0], FULL as isize, &vec![0x41; length]);
        assert!(!is_valid(&heap), "{length} bytes");
        for block in &blocks[1..=damaged] {
            for call in BadCall::all(block.pointer()) {
                call.assert_refused(&heap);
            }
        }
        // The first block's own header is whole; to free it may need the next one's, which is not.
        HeapFree(heap.handle(), 0, blocks[0].pointer());
        assert_serves(&heap, &mut blocks[damaged + 1..]);
    }
}

#[test]
fn c3_eight_bytes_past_the_end() {
    overrun(8, 1);
}

#[test]
fn c4_sixteen_bytes_past_the_end() {
    overrun(16, 1);
}

#[test]
fn c5_a_linear_overrun() {
    overrun(64, 2);
    overrun(256, 256usize.div_ceil(block(FULL)));
}

#[test]
fn c5_in_the_front_end_only_data_are_hit() {
    let heap = TestHeap::new();
    activate(&heap, FULL);
    let blocks: Vec<_> = (0..64).map(|_| heap.alloc(0, FULL)).collect();
    let lowest = blocks.iter().map(|block| block.address()).min().unwrap();
    let first = blocks
        .iter()
        .find(|block| block.address() == lowest)
        .unwrap();
    let length = 256;
    scribble(first, FULL as isize, &vec![0x41; length]);
    assert!(is_valid(&heap), "nothing of the heap's lies among slots");
    for each in &blocks {
        assert_eq!(heap.size_of(each.pointer()), FULL);
        // Where its data end is what was written.
        if each.address() - lowest < length {
            let report = Free(each.pointer()).assert_refused(&heap);
            assert_eq!(report.kind, kind::BUFFER_OVERRUN);
        } else {
            assert_eq!(HeapFree(heap.handle(), 0, each.pointer()), TRUE);
        }
    }
    for block in blocks {
        Free(block.pointer()).assert_refused(&heap);
    }
}

#[test]
fn c6_a_page_past_the_end() {
    for heap in heaps() {
        let mut blocks = row(&heap, 200);
        scribble(&blocks[10], FULL as isize, &[0x41; 0x1000]);
        assert!(!is_valid(&heap));
        let hit = 0x1000usize.div_ceil(block(FULL));
        for block in &blocks[11..=10 + hit] {
            Free(block.pointer()).assert_refused(&heap);
        }
        let (before, after) = blocks.split_at_mut(11);
        assert_serves(&heap, &mut before[..10]);
        assert_serves(&heap, &mut after[hit..]);
    }
}

#[test]
fn c7_a_size_that_was_asked_for_is_all_there_is() {
    let heap = TestHeap::new();
    for size in [1, FULL, 100, 0x5000, 0x20_0000] {
        // Nothing is rounded up for the caller to overrun.
        assert_eq!(heap.size_of(heap.alloc(0, size).pointer()), size);
    }
}

#[test]
fn c8_a_header_copied_from_another_block() {
    for heap in heaps() {
        let mut blocks = row(&heap, 6);
        // The right bytes in the wrong place: they are keyed by where they lie.
        // SAFETY: the eight bytes before a block's data are its header.
        let header = unsafe { blocks[4].pointer().cast::<[u8; 8]>().sub(1).read() };
        scribble(&blocks[2], -8, &header);
        Free(blocks[2].pointer()).assert_refused(&heap);
        assert!(!is_valid(&heap));
        assert_serves(&heap, &mut blocks[4..]);
    }
}

#[test]
fn c9_past_the_end_of_a_large_block() {
    let ending = child::run("c9_past_the_end_of_a_large_block", || {
        let heap = TestHeap::new();
        let block = heap.alloc(0, 0x20_0000);
        let page_end = (block.address() + block.size()).next_multiple_of(0x1000) - block.address();
        // Up to its page's end nobody minds.
        scribble(&block, page_end as isize - 1, &[1]);
        assert!(is_valid(&heap));
        scribble(&block, page_end as isize, &[1]);
    });
    assert!(ending.was_access_violation(), "{ending:?}");
}

#[test]
fn c10_one_byte_before_the_data() {
    for heap in heaps() {
        let mut blocks = row(&heap, 6);
        // SAFETY: the byte before the data is the last one of the header.
        let byte = unsafe { blocks[2].pointer().cast::<u8>().sub(1).read() };
        scribble(&blocks[2], -1, &[byte ^ 1]);
        for call in BadCall::all(blocks[2].pointer()) {
            call.assert_refused(&heap);
        }
        assert_serves(&heap, &mut blocks[4..]);
        scribble(&blocks[2], -1, &[byte]);
        assert_eq!(HeapFree(heap.handle(), 0, blocks[2].pointer()), TRUE);
    }
}

#[test]
fn c11_an_underrun() {
    for length in [8usize, 16, 64] {
        for heap in heaps() {
            let mut blocks = row(&heap, 10);
            scribble(&blocks[4], -(length as isize), &vec![0x41; length]);
            Free(blocks[4].pointer()).assert_refused(&heap);
            Size(blocks[4].pointer()).assert_refused(&heap);
            assert!(!is_valid(&heap));
            assert_serves(&heap, &mut blocks[6..]);
        }
    }
}

#[test]
fn c12_before_the_data_of_a_large_block() {
    let heap = TestHeap::new();
    let block = heap.alloc(0, 0x20_0000);
    // Its record is elsewhere: what lies there is nobody's.
    scribble(&block, -(8 * P as isize), &[0x41; 8 * P]);
    assert!(is_valid(&heap));
    assert_eq!(heap.size_of(block.pointer()), 0x20_0000);
    heap.free(block);
}

/// Blocks of which every other one is free, and what is written into the freed ones.
fn write_after_free(what: impl Fn(usize) -> Vec<u8>) {
    for heap in heaps() {
        let mut blocks = row(&heap, 60);
        let target = heap.alloc(0, FULL);
        let mut freed = Vec::new();
        for n in (0..60).step_by(2).rev() {
            let block = blocks.remove(n);
            assert_eq!(HeapFree(heap.handle(), 0, block.pointer()), TRUE);
            freed.push(block);
        }
        for block in &freed {
            scribble(block, 0, &what(target.address()));
        }
        assert_serves(&heap, &mut blocks);
        let fresh: Vec<_> = (0..200).filter_map(|_| heap.try_alloc(0, FULL)).collect();
        let taken = |other: &Block<'_>| other.address().abs_diff(target.address()) < FULL;
        assert!(
            !fresh.iter().any(taken),
            "an address of the intruder's was handed out"
        );
    }
}

#[test]
fn d1_an_address_in_the_first_word_of_a_freed_block() {
    write_after_free(|target| target.to_ne_bytes().to_vec());
}

#[test]
fn d2_addresses_in_the_first_two_words_of_a_freed_block() {
    write_after_free(|target| [target.to_ne_bytes(), target.to_ne_bytes()].concat());
}

#[test]
fn d3_a_freed_block_filled() {
    write_after_free(|_| vec![0x41; FULL - 4]);
}

#[test]
fn d5_links_that_would_write_where_they_lead() {
    // What taking a block out of a list writes through forged links: one's word into the other.
    let mut victim = [0x5AA5_5AA5usize; 8];
    let at = victim.as_mut_ptr() as usize;
    write_after_free(|_| [at.to_ne_bytes(), (at + 2 * P).to_ne_bytes()].concat());
    assert!(
        core::hint::black_box(victim)
            .iter()
            .all(|word| *word == 0x5AA5_5AA5)
    );
}

#[test]
fn d6_a_free_block_that_claims_to_be_larger() {
    for heap in heaps() {
        let mut blocks = row(&heap, 12);
        let long = heap.alloc(0, 5000);
        // SAFETY: the eight bytes before a block's data are its header.
        let header = unsafe { long.pointer().cast::<[u8; 8]>().sub(1).read() };
        assert_eq!(HeapFree(heap.handle(), 0, blocks[4].pointer()), TRUE);
        scribble(&blocks[4], -8, &header);
        // Neither neighbour takes it for what it says.
        HeapFree(heap.handle(), 0, blocks[3].pointer());
        HeapFree(heap.handle(), 0, blocks[5].pointer());
        assert!(!is_valid(&heap));
        assert_serves(&heap, &mut blocks[7..]);
    }
}

#[test]
fn d7_a_free_block_before_that_claims_to_be_larger() {
    for heap in heaps() {
        let mut blocks = row(&heap, 12);
        assert_eq!(HeapFree(heap.handle(), 0, blocks[4].pointer()), TRUE);
        // The last bytes before the next header are where a free block has its size.
        scribble(&blocks[4], FULL as isize - 4, &[0x10, 0, 0, 0]);
        HeapFree(heap.handle(), 0, blocks[5].pointer());
        HeapCompact(heap.handle(), 0);
        assert_serves(&heap, &mut blocks[7..]);
        assert_serves(&heap, &mut blocks[..3]);
    }
}

#[test]
fn d9_a_slab_has_nothing_of_the_heap_s_beside_it() {
    let heap = TestHeap::new();
    activate(&heap, FULL);
    let blocks: Vec<_> = (0..200).map(|_| heap.alloc(0, FULL)).collect();
    for block in &blocks {
        // All of its slot and all of the next one.
        scribble(block, 0, &[0x41; FULL]);
    }
    assert!(is_valid(&heap));
    for block in blocks {
        heap.free(block);
    }
    assert!(is_valid(&heap));
}

#[test]
fn d10_the_heap_s_header() {
    let heap = TestHeap::new();
    let blocks = row(&heap, 4);
    let header = heap.handle().cast::<u8>();
    // SAFETY: the header's fields are written by the heap for others to read.
    let before = unsafe { header.cast::<[u8; 0x100]>().read() };
    // SAFETY: as above.
    unsafe { header.write_bytes(0x41, 0x100) };
    for block in blocks {
        heap.free(block);
    }
    let more: Vec<_> = (0..1000).map(|n| heap.alloc(0, n)).collect();
    assert_eq!(more.len(), 1000);
    assert!(is_valid(&heap), "nothing is read back");
    // SAFETY: as above. Programs that look at heaps find it as it was.
    unsafe { header.cast::<[u8; 0x100]>().write(before) };
}

#[test]
fn d11_the_heap_is_no_block_of_itself() {
    let heap = TestHeap::new();
    for call in BadCall::all(heap.handle()) {
        call.assert_refused(&heap);
    }
    assert!(is_valid(&heap));
}

#[test]
fn d12_a_slot_freed_by_another_thread_is_no_link() {
    let heap = TestHeap::new();
    activate(&heap, FULL);
    let blocks: Vec<_> = (0..100).map(|_| heap.alloc(0, FULL)).collect();
    let target = heap.alloc(0, 0x5000);
    // Every other one stays: a slab without a block goes back to the segment.
    let freed: Vec<usize> = blocks.iter().step_by(2).map(Block::address).collect();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for pointer in &freed {
                assert_eq!(HeapFree(heap.handle(), 0, *pointer as *mut c_void), TRUE);
            }
        });
    });
    for block in blocks.iter().step_by(2) {
        scribble(block, 0, &target.address().to_ne_bytes());
    }
    let fresh: Vec<_> = (0..300).map(|_| heap.alloc(0, FULL)).collect();
    let inside = |at: usize| (target.address()..target.address() + 0x5000).contains(&at);
    assert!(!fresh.iter().any(|block| inside(block.address())));
    assert!(is_valid(&heap));
}

#[test]
fn d13_both_sides_of_many_blocks() {
    for heap in heaps() {
        let mut blocks = row(&heap, 200);
        for block in blocks[..100].iter().step_by(6) {
            scribble(block, -64, &[0x41; 64]);
            scribble(block, FULL as isize, &[0x41; 64]);
        }
        assert!(!is_valid(&heap));
        for block in &blocks[..100] {
            HeapFree(heap.handle(), 0, block.pointer());
        }
        assert_serves(&heap, &mut blocks[110..]);
    }
}

#[test]
fn d14_a_range_that_is_not_committed() {
    let ending = child::run("d14_a_range_that_is_not_committed", || {
        let heap = TestHeap::new();
        let block = heap.alloc(0, 0x1_0000);
        let end = vm::reservation_at(block.address())
            .expect("it is the heap's")
            .size;
        // The last page of a segment never is.
        scribble(&block, end as isize - 0x1000, &[1]);
    });
    assert!(ending.was_access_violation(), "{ending:?}");
}
