//! Operations on private heaps.

use core::ffi::c_void;
use core::ptr::null_mut;

use super::Comparison;
use super::random::Random;
use super::side::{OURS, SYSTEM, Seen, Side};
use crate::abi::entry::PROCESS_HEAP_ENTRY_BUSY;
use crate::abi::flags::*;
use crate::abi::{HANDLE, TRUE};
use crate::heap::LARGEST_ORDINARY;
use crate::model::contents::{Contents, is_zero};
use crate::walk::first_entry;

/// A heap's blocks are no more than these.
const BLOCKS_MOST: usize = 256;
/// More steps than any walk of such a heap takes.
const STEPS_MOST: usize = 100_000;
/// A heap lives for about so many operations.
const LIFE: usize = 20_000;
/// Blocks above this are never the low-fragmentation heap's.
pub const LOW_FRAGMENTATION_MOST: usize = 0x4000;

/// What the heaps are made with.
const OPTIONS: [u32; 3] = [0, HEAP_NO_SERIALIZE, 0];

/// Both heaps' part of something.
type Both<T> = [T; 2];

const SIDES: Both<Side> = [OURS, SYSTEM];

/// A block of both heaps.
#[derive(Debug)]
struct Block {
    at: Both<*mut c_void>,
    size: usize,
    contents: Contents,
    /// The user value, for blocks that have one.
    value: Option<usize>,
    /// It has, or once had, pages of its own.
    large: bool,
}

/// A heap of either side.
#[derive(Debug)]
struct Pair {
    options: u32,
    handles: Both<HANDLE>,
    blocks: Vec<Block>,
    locks: usize,
}

/// All heaps of a run.
#[derive(Debug)]
pub struct Heaps {
    pairs: Vec<Pair>,
    blocks_made: usize,
}

/// The same call on both heaps.
fn both<T>(mut call: impl FnMut(&Side, usize) -> T) -> Both<Seen<T>> {
    [0, 1].map(|n| SIDES[n].see(|side| call(side, n)))
}

/// Whether both calls gave a block, after comparing that and the last error.
fn both_gave(
    comparison: &mut Comparison,
    operation: &'static str,
    [ours, theirs]: Both<Seen<*mut c_void>>,
) -> bool {
    let gave = [ours, theirs].map(|seen| !seen.result.is_null());
    let same = comparison.of(operation, "whether there is a block", gave[0], gave[1]);
    comparison.of(operation, "last error", ours.error, theirs.error);
    same && gave[0]
}

impl Heaps {
    /// A heap of each kind.
    pub fn new(comparison: &mut Comparison) -> Self {
        let pairs = OPTIONS
            .iter()
            .map(|&options| Pair::new(options, comparison));
        Self {
            pairs: pairs.collect(),
            blocks_made: 0,
        }
    }

    /// One operation.
    pub fn step(&mut self, random: &mut Random, comparison: &mut Comparison) {
        if random.below(LIFE) == 0 {
            let options = random.choose(&OPTIONS);
            let old = random.below(self.pairs.len());
            let new = Pair::new(options, comparison);
            core::mem::replace(&mut self.pairs[old], new).destroy(comparison);
            return;
        }
        let number = random.below(self.pairs.len());
        let pair = &mut self.pairs[number];
        self.blocks_made += 1;
        let kind = random.below(64);
        match kind {
            0..26 => pair.allocate(random, comparison, self.blocks_made),
            26..42 => pair.free(random, comparison),
            42..54 => pair.reallocate(random, comparison),
            54..57 => pair.user_info(random, comparison),
            57..59 => pair.ask(random, comparison),
            59 => pair.of_null(random, comparison),
            60 => pair.impossible(random, comparison),
            61 => pair.lock(comparison),
            62 => pair.unlock(comparison),
            _ => pair.look(comparison),
        }
    }

    /// Destroys what is left.
    pub fn end(self, comparison: &mut Comparison) {
        for mut pair in self.pairs {
            pair.look(comparison);
            pair.destroy(comparison);
        }
    }
}

impl Pair {
    fn new(options: u32, comparison: &mut Comparison) -> Self {
        let seen = both(|side, _| (side.create)(options, 0, 0));
        comparison.of("HeapCreate", "last error", seen[0].error, seen[1].error);
        let handles = seen.map(|seen| seen.result);
        assert!(handles.iter().all(|handle| !handle.is_null()));
        Self {
            options,
            handles,
            blocks: Vec::new(),
            locks: 0,
        }
    }

    fn destroy(self, comparison: &mut Comparison) {
        for _ in 0..self.locks {
            let _ = both(|side, n| (side.unlock)(self.handles[n]));
        }
        let seen = both(|side, n| (side.destroy)(self.handles[n]) != 0);
        comparison.of("HeapDestroy", "result and last error", seen[0], seen[1]);
    }

    fn allocate(&mut self, random: &mut Random, comparison: &mut Comparison, number: usize) {
        if self.blocks.len() == BLOCKS_MOST {
            return self.free(random, comparison);
        }
        let size = random.size();
        let zero = random.choose(&[0, 0, HEAP_ZERO_MEMORY]);
        let user = random.below(8) == 0;
        let user_flags = if user {
            HEAP_SETTABLE_USER_VALUE | (random.below(8) as u32 * HEAP_SETTABLE_USER_FLAG1)
        } else {
            0
        };
        let flags = zero | user_flags | random.choose(&[0, 0, 0, HEAP_NO_SERIALIZE]);
        let seen = both(|side, n| (side.alloc)(self.handles[n], flags, size));
        let at = seen.map(|seen| seen.result);
        if !both_gave(comparison, "HeapAlloc", seen) {
            return self.give_back(at);
        }
        let aligned = at.map(|at| (at as usize).is_multiple_of(crate::heap::G));
        comparison.of("HeapAlloc", "alignment", aligned[0], aligned[1]);
        if zero != 0 {
            // SAFETY: both heaps gave out `size` bytes.
            let zeros = at.map(|at| unsafe { is_zero(at.cast(), size) });
            comparison.holds("HeapAlloc", "zeros", zeros);
        }
        let block = Block {
            at,
            size,
            contents: Contents::numbered(number),
            value: user.then_some(0),
            large: size > LARGEST_ORDINARY,
        };
        self.same_size(comparison, "HeapAlloc", &block);
        block.fill();
        self.blocks.push(block);
    }

    fn give_back(&self, at: Both<*mut c_void>) {
        for n in [0, 1] {
            if !at[n].is_null() {
                assert_eq!((SIDES[n].free)(self.handles[n], 0, at[n]), TRUE);
            }
        }
    }

    fn same_size(&self, comparison: &mut Comparison, operation: &'static str, block: &Block) {
        let seen = both(|side, n| (side.size)(self.handles[n], 0, block.at[n]));
        comparison.of(operation, "HeapSize", seen[0], seen[1]);
        let right = seen.map(|seen| seen.result == block.size);
        comparison.holds(operation, "exact size", right);
    }

    fn take(&mut self, random: &mut Random) -> Option<Block> {
        if self.blocks.is_empty() {
            return None;
        }
        Some(self.blocks.swap_remove(random.below(self.blocks.len())))
    }

    fn free(&mut self, random: &mut Random, comparison: &mut Comparison) {
        let Some(block) = self.take(random) else {
            return;
        };
        block.compare_contents(comparison, "HeapFree", block.size);
        let seen = both(|side, n| (side.free)(self.handles[n], 0, block.at[n]) != 0);
        comparison.of("HeapFree", "result and last error", seen[0], seen[1]);
    }

    fn reallocate(&mut self, random: &mut Random, comparison: &mut Comparison) {
        let Some(mut block) = self.take(random) else {
            return;
        };
        if block.value.is_some() {
            // What becomes of a user value is fixed in place only, and whether that is so is open.
            self.blocks.push(block);
            return;
        }
        let size = random.size();
        let zero = random.choose(&[0, HEAP_ZERO_MEMORY]);
        let in_place = random.below(4) == 0;
        if in_place {
            self.resize_in_place(comparison, &mut block, zero, size);
        } else {
            let seen = both(|side, n| (side.realloc)(self.handles[n], zero, block.at[n], size));
            if both_gave(comparison, "HeapReAlloc", seen) {
                block.become_resized(
                    comparison,
                    "HeapReAlloc",
                    seen.map(|it| it.result),
                    size,
                    zero,
                );
            }
        }
        self.same_size(comparison, "HeapReAlloc", &block);
        self.blocks.push(block);
    }

    fn resize_in_place(
        &self,
        comparison: &mut Comparison,
        block: &mut Block,
        zero: u32,
        size: usize,
    ) {
        let flags = zero | HEAP_REALLOC_IN_PLACE_ONLY;
        let seen = both(|side, n| (side.realloc)(self.handles[n], flags, block.at[n], size));
        let mut at = seen.map(|seen| seen.result);
        let operation = if block.size <= LOW_FRAGMENTATION_MOST {
            "HeapReAlloc in place of a small block"
        } else {
            "HeapReAlloc in place"
        };
        // A block with pages of its own stays where it is only as long as it remains one.
        let is_open = size > block.size || block.large && size <= LARGEST_ORDINARY;
        if !is_open {
            comparison.of(
                operation,
                "whether there is a block",
                !at[0].is_null(),
                !at[1].is_null(),
            );
        }
        for n in [0, 1] {
            if at[n].is_null() {
                comparison.of(
                    operation,
                    "last error of a refusal",
                    seen[n].error,
                    crate::abi::error::ERROR_NOT_ENOUGH_MEMORY,
                );
                at[n] = (SIDES[n].realloc)(self.handles[n], zero, block.at[n], size);
            } else {
                comparison.of(operation, "whether it moved", at[n] != block.at[n], false);
            }
        }
        assert!(
            !at[0].is_null() && !at[1].is_null(),
            "there is memory enough"
        );
        block.become_resized(comparison, operation, at, size, zero);
    }

    fn user_info(&mut self, random: &mut Random, comparison: &mut Comparison) {
        if self.blocks.is_empty() {
            return;
        }
        let number = random.below(self.blocks.len());
        let handles = self.handles;
        let block = &mut self.blocks[number];
        if let Some(value) = &mut block.value {
            *value = random.bits() as usize;
            let new = *value as *mut c_void;
            let seen = both(|side, n| (side.set_user_value)(handles[n], 0, block.at[n], new));
            comparison.of(
                "RtlSetUserValueHeap",
                "result and last error",
                seen[0],
                seen[1],
            );
            let reset = random.choose(&[0, 0x200, 0x400, 0x800, 0x600, 0xE00, 0x100, 0x1000]);
            let set = random.choose(&[0, 0x200, 0x400, 0x800, 0xC00, 0xE00, 0x100, 0x1000]);
            let seen =
                both(|side, n| (side.set_user_flags)(handles[n], 0, block.at[n], reset, set));
            comparison.of(
                "RtlSetUserFlagsHeap",
                "result and last error",
                seen[0],
                seen[1],
            );
        }
        // Whether a block with pages of its own always has a user value is open.
        if block.value.is_none() && block.large {
            return;
        }
        let seen = both(|side, n| {
            let (mut value, mut flags) = (0x5555 as *mut c_void, 0);
            let known = (side.get_user_info)(
                handles[n],
                0,
                block.at[n],
                Some(&mut value),
                Some(&mut flags),
            );
            (known, value as usize, flags)
        });
        comparison.of(
            "RtlGetUserInfoHeap",
            "result, value, flags, last error",
            seen[0],
            seen[1],
        );
    }

    fn ask(&mut self, random: &mut Random, comparison: &mut Comparison) {
        if self.blocks.is_empty() {
            return;
        }
        let block = &self.blocks[random.below(self.blocks.len())];
        self.same_size(comparison, "HeapSize", block);
        let seen = both(|side, n| (side.validate)(self.handles[n], 0, block.at[n]) != 0);
        comparison.of(
            "HeapValidate of a block",
            "result and last error",
            seen[0],
            seen[1],
        );
        if block.size >= 0x80 {
            // In the middle of a block's own contents there is no header.
            let middle = block.at.map(|at| at.wrapping_byte_add(0x40));
            let seen = both(|side, n| (side.validate)(self.handles[n], 0, middle[n]) != 0);
            comparison.of(
                "HeapValidate inside a block",
                "result",
                seen[0].result,
                seen[1].result,
            );
        }
    }

    fn of_null(&mut self, random: &mut Random, comparison: &mut Comparison) {
        let seen = both(|side, n| (side.free)(self.handles[n], 0, null_mut()) != 0);
        comparison.of(
            "HeapFree of NULL",
            "result and last error",
            seen[0],
            seen[1],
        );
        let size = random.size();
        let seen = both(|side, n| (side.realloc)(self.handles[n], 0, null_mut(), size));
        if both_gave(comparison, "HeapReAlloc of NULL", seen) {
            self.give_back(seen.map(|seen| seen.result));
        }
    }

    fn impossible(&mut self, random: &mut Random, comparison: &mut Comparison) {
        let size = random.impossible_size();
        let seen = both(|side, n| (side.alloc)(self.handles[n], 0, size));
        both_gave(comparison, "HeapAlloc of an impossible size", seen);
        let Some(block) = self.take(random) else {
            return;
        };
        let flags = random.choose(&[0, HEAP_REALLOC_IN_PLACE_ONLY, HEAP_ZERO_MEMORY]);
        let seen = both(|side, n| (side.realloc)(self.handles[n], flags, block.at[n], size));
        both_gave(comparison, "HeapReAlloc to an impossible size", seen);
        block.compare_contents(comparison, "HeapReAlloc to an impossible size", block.size);
        self.same_size(comparison, "HeapReAlloc to an impossible size", &block);
        self.blocks.push(block);
    }

    fn lock(&mut self, comparison: &mut Comparison) {
        const DEPTH_MOST: usize = 3;
        if self.locks == DEPTH_MOST || self.options & HEAP_NO_SERIALIZE != 0 {
            return;
        }
        let seen = both(|side, n| (side.lock)(self.handles[n]) != 0);
        comparison.of("HeapLock", "result and last error", seen[0], seen[1]);
        self.locks += 1;
    }

    fn unlock(&mut self, comparison: &mut Comparison) {
        if self.locks == 0 {
            return;
        }
        let seen = both(|side, n| (side.unlock)(self.handles[n]) != 0);
        comparison.of("HeapUnlock", "result and last error", seen[0], seen[1]);
        self.locks -= 1;
    }

    /// Validates the whole heap, compacts it and walks it: its busy blocks are the ones we know.
    fn look(&mut self, comparison: &mut Comparison) {
        let seen = both(|side, n| (side.validate)(self.handles[n], 0, null_mut()) != 0);
        comparison.of(
            "HeapValidate of a heap",
            "result and last error",
            seen[0],
            seen[1],
        );
        for n in [0, 1] {
            let _ = (SIDES[n].compact)(self.handles[n], 0);
        }
        let mut sizes: Vec<usize> = self.blocks.iter().map(|block| block.size).collect();
        sizes.sort_unstable();
        let seen = both(|side, n| {
            let (mut entry, mut busy) = (first_entry(), Vec::new());
            let mut steps = 0;
            while (side.walk)(self.handles[n], Some(&mut entry)) != 0 {
                steps += 1;
                if steps == STEPS_MOST {
                    return false;
                }
                if entry.wFlags & PROCESS_HEAP_ENTRY_BUSY != 0 {
                    busy.push(entry.cbData as usize);
                }
            }
            busy.sort_unstable();
            busy == sizes
        });
        let right = seen.map(|seen| seen.result);
        if right[1] {
            comparison.of(
                "HeapWalk",
                "last error at the end",
                seen[0].error,
                seen[1].error,
            );
        }
        comparison.holds("HeapWalk", "its busy blocks are the live ones", right);
    }
}

impl Block {
    fn fill(&self) {
        for at in self.at {
            // SAFETY: both heaps gave out `size` bytes.
            unsafe { self.contents.write(at.cast(), self.size) };
        }
    }

    /// Compares the first `size` bytes with what was written there.
    fn compare_contents(&self, comparison: &mut Comparison, operation: &'static str, size: usize) {
        // SAFETY: both heaps gave out as many bytes.
        let kept = self
            .at
            .map(|at| unsafe { self.contents.stands_at(at.cast(), size) });
        comparison.holds(operation, "contents kept", kept);
    }

    fn become_resized(
        &mut self,
        comparison: &mut Comparison,
        operation: &'static str,
        at: Both<*mut c_void>,
        size: usize,
        zero: u32,
    ) {
        let old = core::mem::replace(&mut self.size, size);
        self.at = at;
        self.large |= size > LARGEST_ORDINARY;
        self.compare_contents(comparison, operation, old.min(size));
        if zero != 0 && size > old {
            // SAFETY: both heaps gave out `size` bytes.
            let zeros = at.map(|at| unsafe { is_zero(at.cast::<u8>().add(old), size - old) });
            comparison.holds(operation, "zeros behind", zeros);
        }
        self.fill();
    }
}
