//! Who is compared: heaps of ours and the C library's allocator, behind the same three calls.

use std::hint::black_box;

use crate::library::{Calls, GROWABLE, LibcCalls, NO_SERIALIZE};
use crate::random::Random;

/// An allocator as a measured loop sees it.
pub trait Allocator {
    /// A block of `size` bytes.
    fn allocate(&self, size: usize) -> *mut u8;
    /// The block, or its successor, with `size` bytes.
    ///
    /// # Safety
    /// 1. `block` is live and nobody else uses it.
    unsafe fn reallocate(&self, block: *mut u8, size: usize) -> *mut u8;
    /// Gives a block back.
    ///
    /// # Safety
    /// 1. `block` is live and nobody uses it any more.
    unsafe fn free(&self, block: *mut u8);
    /// The size of a block in bytes.
    ///
    /// # Safety
    /// 1. `block` is live.
    unsafe fn size(&self, block: *mut u8) -> usize;
}

/// A private heap, destroyed when dropped.
pub struct NtHeap {
    calls: Calls,
    handle: usize,
}

impl NtHeap {
    /// A growable heap of default size; `flags` are creation flags.
    pub fn create(calls: &Calls, flags: u32) -> NtHeap {
        // SAFETY: no caller memory or structure is involved.
        let handle = unsafe { (calls.heap_create)(flags, 0, 0) };
        assert_ne!(handle, 0, "no heap");
        NtHeap {
            calls: *calls,
            handle,
        }
    }

    /// A growable heap with the documented limits.
    pub fn create_documented(calls: &Calls, flags: u32) -> NtHeap {
        // SAFETY: no caller memory or structure is involved.
        let handle = unsafe { (calls.rtl_create)(flags | GROWABLE, 0, 0, 0, 0, 0) };
        assert_ne!(handle, 0, "no heap");
        NtHeap {
            calls: *calls,
            handle,
        }
    }

    /// A heap whose calls take no lock.
    pub fn unserialized(calls: &Calls) -> NtHeap {
        NtHeap::create(calls, NO_SERIALIZE)
    }

    /// Its handle.
    pub fn handle(&self) -> usize {
        self.handle
    }
}

impl Drop for NtHeap {
    fn drop(&mut self) {
        // SAFETY: the heap is ours, and its blocks are those of the loop that is over.
        unsafe { (self.calls.destroy)(self.handle) };
    }
}

impl Allocator for NtHeap {
    #[inline]
    fn allocate(&self, size: usize) -> *mut u8 {
        // SAFETY: any arguments are allowed.
        unsafe { (self.calls.allocate)(self.handle, 0, size) }
    }

    #[inline]
    unsafe fn reallocate(&self, block: *mut u8, size: usize) -> *mut u8 {
        // SAFETY: (1).
        unsafe { (self.calls.reallocate)(self.handle, 0, block, size) }
    }

    #[inline]
    unsafe fn free(&self, block: *mut u8) {
        // SAFETY: (1).
        unsafe { (self.calls.free)(self.handle, 0, block) };
    }

    #[inline]
    unsafe fn size(&self, block: *mut u8) -> usize {
        // SAFETY: (1).
        unsafe { (self.calls.size)(self.handle, 0, block) }
    }
}

/// The C library.
pub struct Libc(pub LibcCalls);

impl Allocator for Libc {
    #[inline]
    fn allocate(&self, size: usize) -> *mut u8 {
        // SAFETY: any size is allowed.
        unsafe { (self.0.malloc)(size) }
    }

    #[inline]
    unsafe fn reallocate(&self, block: *mut u8, size: usize) -> *mut u8 {
        // SAFETY: (1).
        unsafe { (self.0.realloc)(block, size) }
    }

    #[inline]
    unsafe fn free(&self, block: *mut u8) {
        // SAFETY: (1).
        unsafe { (self.0.free)(block) }
    }

    #[inline]
    unsafe fn size(&self, block: *mut u8) -> usize {
        // SAFETY: (1).
        unsafe { (self.0.usable_size)(block) }
    }
}

/// Blocks that stay live while others come and go.
pub struct Live<A: Allocator> {
    allocator: A,
    blocks: Vec<*mut u8>,
    random: Random,
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
        Live {
            allocator,
            blocks,
            random,
        }
    }

    /// A block comes and goes, again and again.
    pub fn pairs(&mut self, size: usize, count: u64) {
        for _ in 0..count {
            let block = black_box(self.allocator.allocate(size));
            // SAFETY: (1) it is ours.
            unsafe { self.allocator.free(block) };
        }
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

    /// A random block goes and a new one takes its place.
    pub fn replace(&mut self, size: usize, count: u64) {
        for _ in 0..count {
            let slot = self.random.below(self.blocks.len());
            // SAFETY: (1) it is ours.
            unsafe { self.allocator.free(self.blocks[slot]) };
            self.blocks[slot] = self.allocator.allocate(size);
        }
    }

    /// Blocks of a batch come in one order and go in a random one.
    pub fn batch(&mut self, size: usize, count: u64) {
        const BATCH: usize = 1000;
        let mut batch = [std::ptr::null_mut(); BATCH];
        let mut left = count as usize;
        while left > 0 {
            let now = left.min(BATCH);
            batch[..now].fill_with(|| self.allocator.allocate(size));
            // A fixed stride visits all of them in a scattered order, at no cost worth mentioning.
            for step in 0..now {
                let at = if now == BATCH {
                    step * 617 % BATCH
                } else {
                    step
                };
                // SAFETY: (1) it is ours.
                unsafe { self.allocator.free(batch[at]) };
            }
            left -= now;
        }
    }

    /// The sizes of random live blocks are asked for.
    pub fn sizes(&mut self, count: u64) {
        for _ in 0..count {
            let block = self.blocks[self.random.below(self.blocks.len())];
            // SAFETY: (1) it is ours.
            black_box(unsafe { self.allocator.size(block) });
        }
    }

    /// A block grows from `from` to `to` bytes by steps that `next` chooses, then goes.
    pub fn growth(&mut self, from: usize, to: usize, next: impl Fn(usize) -> usize, count: u64) {
        for _ in 0..count {
            let mut size = from;
            let mut block = self.allocator.allocate(size);
            while size < to {
                size = next(size).min(to);
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
