//! Random operations on heaps of every shape, the heap validated as they go: a quick form of the
//! model test in `tests/`, for those who change the core.

use rtl_heap::nt::{self, HeapHandle};
use rtl_heap::{Heap, HeapFlags, Limits};

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    fn size(&mut self) -> usize {
        match self.below(20) {
            0 => self.below(0x18_0000),
            1..4 => self.below(0x1_0000),
            4..8 => self.below(0x1000),
            _ => self.below(300),
        }
    }
}

struct Live {
    block: *mut u8,
    size: usize,
    seed: u8,
}

fn fill(live: &Live) {
    for i in 0..live.size {
        // SAFETY: the block is ours and `size` long.
        unsafe { live.block.add(i).write(live.seed.wrapping_add(i as u8)) }
    }
}

fn check(block: *mut u8, size: usize, seed: u8) {
    // SAFETY: the block is ours and at least `size` long.
    let bytes = unsafe { core::slice::from_raw_parts(block, size) };
    for (i, byte) in bytes.iter().enumerate() {
        assert_eq!(
            *byte,
            seed.wrapping_add(i as u8),
            "byte {i} of {size} at {block:p}"
        );
    }
}

fn run(heap: HeapHandle, seed: u64, steps: usize, limit: usize) {
    let mut random = Random(seed);
    let mut live: Vec<Live> = Vec::new();
    let none = HeapFlags::empty();
    for step in 0..steps {
        match random.below(10) {
            0..5 if live.len() < limit => {
                let size = random.size();
                let zero = random.below(4) == 0;
                let flags = if zero { HeapFlags::ZERO_MEMORY } else { none };
                let alignment = if random.below(16) == 0 {
                    16 << random.below(12)
                } else {
                    16
                };
                if let Ok(block) = nt::allocate_aligned(heap, flags, size, alignment) {
                    let block = block.as_ptr();
                    assert_eq!(block as usize % alignment, 0);
                    assert_eq!(nt::size(heap, none, block), Ok(size));
                    if zero {
                        // SAFETY: the block is ours and `size` long.
                        let bytes = unsafe { core::slice::from_raw_parts(block, size) };
                        assert!(bytes.iter().all(|byte| *byte == 0));
                    }
                    live.push(Live {
                        block,
                        size,
                        seed: step as u8,
                    });
                    fill(live.last().unwrap());
                }
            }
            5..7 if !live.is_empty() => {
                let index = random.below(live.len());
                let entry = &mut live[index];
                let size = random.size();
                let flags = match random.below(4) {
                    0 => HeapFlags::REALLOC_IN_PLACE_ONLY,
                    1 => HeapFlags::ZERO_MEMORY,
                    _ => none,
                };
                // SAFETY: the block is ours.
                if let Ok(block) = unsafe { nt::reallocate(heap, flags, entry.block, size) } {
                    check(block.as_ptr(), size.min(entry.size), entry.seed);
                    for i in entry.size..size {
                        // SAFETY: the block is ours and `size` long.
                        let byte = unsafe { block.as_ptr().add(i).read() };
                        assert!(flags != HeapFlags::ZERO_MEMORY || byte == 0);
                    }
                    *entry = Live {
                        block: block.as_ptr(),
                        size,
                        seed: entry.seed,
                    };
                    fill(entry);
                } else {
                    check(entry.block, entry.size, entry.seed);
                }
            }
            _ if !live.is_empty() => {
                let entry = live.swap_remove(random.below(live.len()));
                check(entry.block, entry.size, entry.seed);
                // SAFETY: the block is ours.
                unsafe { nt::free(heap, none, entry.block) }.unwrap();
                // SAFETY: it is no block any more, which is to be refused.
                assert!(unsafe { nt::free(heap, none, entry.block) }.is_err());
            }
            _ => {}
        }
        if step % 16 == 0 {
            assert!(nt::validate(heap, none, None), "seed {seed}, step {step}");
        }
    }
    for entry in live {
        check(entry.block, entry.size, entry.seed);
        // SAFETY: the block is ours.
        unsafe { nt::free(heap, none, entry.block) }.unwrap();
    }
    assert!(nt::validate(heap, none, None));
    nt::compact(heap, none).unwrap();
    assert!(nt::validate(heap, none, None));
}

fn shapes() -> Vec<(&'static str, Heap)> {
    let builder = Heap::builder;
    vec![
        ("growable", builder().create().unwrap()),
        (
            "documented",
            builder().limits(Limits::DOCUMENTED).create().unwrap(),
        ),
        (
            "fixed",
            builder().fixed(0x20_0000).commit(0x1000).create().unwrap(),
        ),
        (
            "fixed, committed",
            builder().fixed(0x4_0000).commit(0x4_0000).create().unwrap(),
        ),
        (
            "not serialised",
            builder().flags(HeapFlags::NO_SERIALIZE).create().unwrap(),
        ),
        (
            "not coalescing",
            builder()
                .flags(HeapFlags::DISABLE_COALESCE_ON_FREE)
                .create()
                .unwrap(),
        ),
    ]
}

#[test]
fn a_heap_of_any_shape_keeps_contents_and_its_own_equations() {
    for seed in 1..=6 {
        for (name, heap) in shapes() {
            println!("{name}, seed {seed}");
            let fresh = heap.accounting().unwrap();
            run(heap.handle(), seed * 0x9E37_79B9, 4000, 300);
            let after = heap.accounting().unwrap();
            if name != "not coalescing" {
                assert_eq!(
                    (
                        after.reserved,
                        after.committed,
                        after.live_bytes,
                        after.live_blocks
                    ),
                    (fresh.reserved, fresh.committed, 0, 0),
                    "{name}"
                );
            }
        }
    }
}
