//! The measured loops that one thread runs. Each is the same code for every contestant.

use std::hint::black_box;
use std::ptr;

use crate::contestants::{Allocator, Heaps};
use crate::random::Random;

/// In which order a batch goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The last to come goes first.
    Lifo,
    /// The first to come goes first.
    Fifo,
    /// Random, the same order each time.
    Random,
}

/// Sizes between two bounds, in bytes, drawn beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sizes {
    /// Every size alike.
    Uniform(usize, usize),
    /// Every order of magnitude alike, as programs' sizes are.
    Logarithmic(usize, usize),
}

/// How a block grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steps {
    /// By half of what it has.
    Half,
    /// By 16 bytes.
    Sixteen,
}

impl Steps {
    fn next(self, size: usize) -> usize {
        match self {
            Steps::Half => size + size / 2,
            Steps::Sixteen => size + 16,
        }
    }
}

/// How many sizes are drawn; a power of two.
const DRAWN: usize = 4096;

impl Sizes {
    /// Some thousands of sizes, the same each time.
    pub fn draw(self) -> Vec<usize> {
        let mut random = Random::new(17);
        (0..DRAWN)
            .map(|_| match self {
                Sizes::Uniform(least, most) => least + random.below(most - least + 1),
                Sizes::Logarithmic(least, most) => {
                    let part = f64::from(random.next_u32()) / f64::from(u32::MAX);
                    let span = (most as f64 / least as f64).powf(part);
                    (least as f64 * span) as usize
                }
            })
            .collect()
    }
}

/// Blocks that stay live while others come and go.
pub struct Live<A: Allocator> {
    allocator: A,
    blocks: Vec<*mut u8>,
}

impl<A: Allocator> Live<A> {
    /// `count` live blocks of `size` bytes, in an order that freeing made: half as many more are
    /// allocated among them and freed, so that the allocator has holes to choose from.
    pub fn new(allocator: A, size: usize, count: usize) -> Live<A> {
        let mut random = Random::new(count as u64);
        let mut blocks: Vec<_> = (0..count + count / 2)
            .map(|_| allocator.allocate(size))
            .collect();
        assert!(blocks.iter().all(|block| !block.is_null()), "no memory");
        random.shuffle(&mut blocks);
        for block in blocks.drain(count..) {
            // SAFETY: (1) it is ours.
            unsafe { allocator.free(block) };
        }
        Live { allocator, blocks }
    }

    /// A block comes and goes, again and again.
    pub fn pairs(&mut self, size: usize, count: u64) {
        pairs(&self.allocator, size, count);
    }

    /// The same with a store into each page of the block.
    pub fn touched_pairs(&mut self, size: usize, count: u64) {
        for _ in 0..count {
            let block = black_box(self.allocator.allocate(size));
            for offset in (0..size).step_by(4096) {
                // SAFETY: inside the block.
                unsafe { block.add(offset).write_volatile(1) };
            }
            // SAFETY: (1) it is ours.
            unsafe { self.allocator.free(block) };
        }
    }

    /// The sizes of live blocks in random order are asked for.
    pub fn sizes(&mut self, count: u64) {
        for block in self.blocks.iter().cycle().take(count as usize) {
            // SAFETY: (1) it is ours.
            black_box(unsafe { self.allocator.size(*block) });
        }
    }

    /// Live blocks in random order are validated, one by one.
    pub fn validations(&mut self, count: u64) {
        for block in self.blocks.iter().cycle().take(count as usize) {
            // SAFETY: (1) it is ours.
            black_box(unsafe { self.allocator.validate(*block) });
        }
    }

    /// A block grows from 16 to `to` bytes, then goes; `count` growths.
    pub fn growths(&mut self, to: usize, steps: Steps, count: u64) {
        for _ in 0..count {
            let mut size = 16;
            let mut block = self.allocator.allocate(size);
            while size < to {
                size = steps.next(size).min(to);
                // SAFETY: (1) it is ours.
                block = black_box(unsafe { self.allocator.reallocate(block, size) });
            }
            // SAFETY: (1) it is ours.
            unsafe { self.allocator.free(block) };
        }
    }
}

impl<A: Allocator> Drop for Live<A> {
    fn drop(&mut self) {
        for block in self.blocks.drain(..) {
            // SAFETY: (1) it is ours.
            unsafe { self.allocator.free(block) };
        }
    }
}

/// A block comes and goes, again and again.
#[inline]
pub fn pairs<A: Allocator>(allocator: &A, size: usize, count: u64) {
    for _ in 0..count {
        let block = black_box(allocator.allocate(size));
        // SAFETY: (1) it is ours.
        unsafe { allocator.free(block) };
    }
}

/// 1,000 blocks come, then all of them go; `count` blocks in all, to the next thousand.
pub struct Batches<A: Allocator> {
    allocator: A,
    order: Vec<u16>,
    blocks: Vec<*mut u8>,
}

impl<A: Allocator> Batches<A> {
    const BATCH: u16 = 1_000;

    /// No blocks yet.
    pub fn new(allocator: A, order: Order) -> Self {
        let mut indices: Vec<u16> = (0..Self::BATCH).collect();
        match order {
            Order::Fifo => {}
            Order::Lifo => indices.reverse(),
            Order::Random => Random::new(5).shuffle(&mut indices),
        }
        Self {
            allocator,
            order: indices,
            blocks: vec![ptr::null_mut(); Self::BATCH.into()],
        }
    }

    /// How many blocks [`run`](Self::run) makes of a wish for `count`.
    pub fn rounded(count: u64) -> u64 {
        count.next_multiple_of(Self::BATCH.into())
    }

    /// Blocks of `size` bytes.
    pub fn run(&mut self, size: usize, count: u64) {
        for _ in 0..Self::rounded(count) / u64::from(Self::BATCH) {
            for block in &mut self.blocks {
                *block = self.allocator.allocate(size);
            }
            for &at in &self.order {
                // SAFETY: (1) it is ours.
                unsafe { self.allocator.free(self.blocks[usize::from(at)]) };
            }
        }
    }
}

/// Many live blocks of many sizes; a random one goes and another takes its place, of another size,
/// and is written to.
pub struct Churn<A: Allocator> {
    allocator: A,
    blocks: Vec<*mut u8>,
    sizes: Vec<usize>,
    random: Random,
    turn: usize,
}

impl<A: Allocator> Churn<A> {
    /// `live` blocks, each of which has been replaced a few times: no fresh memory comes into play
    /// later.
    pub fn new(allocator: A, sizes: Sizes, live: usize) -> Self {
        let mut churn = Self::fresh(allocator, sizes, live);
        churn.run(4 * live as u64);
        churn
    }

    /// `live` blocks, as they came.
    pub fn fresh(allocator: A, sizes: Sizes, live: usize) -> Self {
        let sizes = sizes.draw();
        let blocks: Vec<_> = (0..live)
            .map(|turn| allocate_and_write(&allocator, sizes[turn % DRAWN]))
            .collect();
        Self {
            allocator,
            blocks,
            sizes,
            random: Random::new(live as u64),
            turn: 0,
        }
    }

    /// `count` replacements.
    pub fn run(&mut self, count: u64) {
        for _ in 0..count {
            let slot = self.random.below(self.blocks.len());
            // SAFETY: (1) it is ours.
            unsafe { self.allocator.free(self.blocks[slot]) };
            // An odd stride, so that sizes and slots do not keep step.
            self.turn = (self.turn + 1_237) % DRAWN;
            self.blocks[slot] = allocate_and_write(&self.allocator, self.sizes[self.turn]);
        }
    }
}

impl<A: Allocator> Drop for Churn<A> {
    fn drop(&mut self) {
        for block in self.blocks.drain(..) {
            // SAFETY: (1) it is ours.
            unsafe { self.allocator.free(block) };
        }
    }
}

/// A block of at least 8 bytes, its first word written.
#[inline]
pub fn allocate_and_write<A: Allocator>(allocator: &A, size: usize) -> *mut u8 {
    let block = allocator.allocate(size);
    assert!(!block.is_null(), "no memory");
    // SAFETY: the block is ours, aligned for a word, and large enough.
    unsafe { block.cast::<u64>().write_volatile(size as u64) };
    block
}

/// Heaps are created, used for some blocks of 64 bytes, and destroyed.
pub fn creations<H: Heaps>(heaps: &H, blocks: usize, count: u64) {
    for _ in 0..count {
        let heap = heaps.create();
        for _ in 0..blocks {
            black_box(heap.allocate(64));
        }
        drop(black_box(heap));
    }
}

/// Pairs of 64 bytes on each of some allocators in turn.
pub fn in_turn<A: Allocator>(allocators: &[A], count: u64) {
    for allocator in allocators.iter().cycle().take(count as usize) {
        let block = black_box(allocator.allocate(64));
        // SAFETY: (1) it is ours.
        unsafe { allocator.free(block) };
    }
}
