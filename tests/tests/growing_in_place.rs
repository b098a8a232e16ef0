//! A block of the back end that grows where it is takes a short way, or a long one with flags. Both leave the
//! same heap, step by step.
#![cfg(not(all(feature = "oracle", windows)))]

use rtl_heap::HeapFlags;
use rtl_heap::limits::Limits;
use rtl_heap::nt::{self, CreateRequest, HeapHandle};

const NONE: HeapFlags = HeapFlags::empty();

fn heap(flags: HeapFlags) -> HeapHandle {
    let request = CreateRequest {
        flags: flags | HeapFlags::GROWABLE,
        ..CreateRequest::new(Limits::WINDOWS)
    };
    // SAFETY: no caller memory, lock or routine is involved.
    unsafe { nt::create_heap(&request) }.unwrap()
}

/// All that a walk shows of a heap, with addresses relative to it.
fn picture(heap: HeapHandle) -> Vec<(usize, usize, u8, u16, usize)> {
    let (mut seen, mut at) = (Vec::new(), 0);
    while let Ok(entry) = nt::walk(heap, at) {
        at = entry.address;
        let committed = entry.region.map_or(0, |region| region.committed);
        let (flags, offset) = (entry.flags.bits(), at - heap.0);
        seen.push((offset, entry.size, entry.overhead, flags, committed));
    }
    assert!(nt::validate(heap, NONE, None));
    seen
}

/// Grows the block at `block` in steps of `step` to `to` bytes in both ways, in a heap for each.
fn grow(heaps: [HeapHandle; 2], blocks: [*mut u8; 2], from: usize, to: usize, step: usize) {
    for size in (from..to).step_by(step).skip(1) {
        let [short, long] = [(0, NONE), (1, HeapFlags::ZERO_MEMORY)].map(|(at, flags)| {
            let flags = flags | HeapFlags::REALLOC_IN_PLACE_ONLY;
            // SAFETY: the block is ours.
            let grown = unsafe { nt::reallocate(heaps[at], flags, blocks[at], size) };
            if let Ok(grown) = grown {
                assert_eq!(grown.as_ptr(), blocks[at]);
                // SAFETY: the block is ours.
                unsafe { grown.write_bytes(0x5A, size) };
                assert_eq!(nt::size(heaps[at], NONE, blocks[at]), Ok(size));
            }
            grown.is_ok()
        });
        assert_eq!(short, long, "{size}");
        assert_eq!(picture(heaps[0]), picture(heaps[1]), "{size}");
    }
}

#[test]
fn both_ways_of_growing_in_place_leave_the_same_heap() {
    for flags in [NONE, HeapFlags::NO_SERIALIZE] {
        for step in [1, 7, 16, 400] {
            let heaps = [heap(flags), heap(flags)];
            let allocate =
                |size: usize| heaps.map(|heap| nt::allocate(heap, NONE, size).unwrap().as_ptr());
            let free = |blocks: [*mut u8; 2]| {
                for (heap, block) in heaps.iter().zip(blocks) {
                    // SAFETY: the block is ours.
                    unsafe { nt::free(*heap, NONE, block) }.unwrap();
                }
            };
            // One before a hole, as long as it lasts, among holes of its class and others.
            let grows = allocate(100);
            let [hole, wall, other, fence] = [3000, 100, 3010, 100].map(allocate);
            free(hole);
            free(other);
            grow(heaps, grows, 100, 3300, step);
            // And the last one, over pages that are not committed yet.
            let last = allocate(3500);
            grow(heaps, last, 3500, 24_000, step.max(16));
            for block in [grows, wall, fence, last] {
                free(block);
            }
            assert_eq!(picture(heaps[0]), picture(heaps[1]));
            for heap in heaps {
                // SAFETY: nobody uses it.
                unsafe { nt::destroy_heap(heap) }.unwrap();
            }
        }
    }
}
