//! Blocks that stand around while a call is refused, to show that it changed nothing.

use crate::heap::{Block, TestHeap};

/// Sizes from the smallest block to one that has its own reservation.
const SIZES: [usize; 9] = [0, 1, 16, 24, 100, 1000, 0x4000, 0x3_0000, 0x14_0000];

/// A set of live blocks with known contents, with free gaps between them.
#[derive(Debug)]
pub struct Witness<'heap> {
    heap: &'heap TestHeap,
    blocks: Vec<Block<'heap>>,
}

impl<'heap> Witness<'heap> {
    /// Fills a growable heap with blocks of all kinds.
    pub fn new(heap: &'heap TestHeap) -> Self {
        Self::with_sizes(heap, &SIZES)
    }

    /// Puts blocks that fit a small fixed heap into it.
    pub fn small(heap: &'heap TestHeap) -> Self {
        Self::with_sizes(heap, &SIZES[..6])
    }

    fn with_sizes(heap: &'heap TestHeap, sizes: &[usize]) -> Self {
        let mut blocks = Vec::new();
        let mut gaps = Vec::new();
        for &size in sizes {
            blocks.push(heap.alloc(0, size));
            gaps.push(heap.alloc(0, size.min(0x1000)));
        }
        for gap in gaps {
            heap.free(gap);
        }
        for (seed, block) in (0..).zip(&mut blocks) {
            block.write_pattern(seed);
        }
        Self { heap, blocks }
    }

    /// Asserts that every block has its size and contents, and that the heap still serves and takes
    /// back.
    #[track_caller]
    pub fn assert_undisturbed(&self) {
        for (seed, block) in (0..).zip(&self.blocks) {
            assert_eq!(
                self.heap.size_of(block.pointer()),
                block.size(),
                "a size changed"
            );
            assert!(
                block.has_pattern(seed, block.size()),
                "contents changed: {:#x}",
                block.size()
            );
        }
        for block in &self.blocks {
            let fresh = self.heap.alloc(0, block.size());
            let apart = self.blocks.iter().all(|other| !overlap(other, &fresh));
            assert!(apart, "a live block was given out again");
            self.heap.free(fresh);
        }
    }
}

impl Drop for Witness<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        self.assert_undisturbed();
        for block in self.blocks.drain(..) {
            self.heap.free(block);
        }
    }
}

fn overlap(one: &Block<'_>, other: &Block<'_>) -> bool {
    let (a, b) = (one.address(), other.address());
    a < b + other.size().max(1) && b < a + one.size().max(1)
}
