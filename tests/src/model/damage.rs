//! A heap whose own data is overwritten: whatever the bytes, nothing may happen but refusals.
//!
//! Damage is written where a program can write: into blocks and the bytes around them, live or
//! freed, and into the heap's header. Afterwards every call may refuse, but none may fault, loop,
//! or hand out memory that is a live block's.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;
use rtl_heap::nt::{self, HeapHandle};
use rtl_heap::{GRANULE, HeapFlags, PAGE};

use super::operation::{Operation, Rare, operation};
use super::shape::{Shape, shapes};
use super::subject::Subject;

/// A step: a call, or bytes out of place.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// A call.
    Call(Operation),
    /// Bytes written at a distance from a block, live or freed.
    Overwrite {
        /// The block, by number.
        block: usize,
        /// Distance in bytes.
        distance: isize,
        /// What is written.
        bytes: u64,
        /// How many of those bytes, at most 8.
        length: usize,
    },
    /// Bytes copied from around one block to around another: a header that is a header, elsewhere.
    /// Never what was copied before, which could bring a block's own old header back: that one is
    /// genuine, and not told from the block's present one.
    Copy {
        /// The block whose header is copied, by number.
        from: usize,
        /// The block whose header is overwritten, by number.
        to: usize,
    },
}

/// A heap's shape and what happens to it.
pub fn cases(average: usize) -> impl Strategy<Value = (Shape, Vec<Step>)> {
    (shapes(), vec(step(), 0..=2 * average))
}

fn step() -> impl Strategy<Value = Step> {
    let distance = prop_oneof![
        6 => -16..16isize,
        3 => 0..0x200isize,
        1 => -0x2000..0x2000isize,
        1 => any::<isize>().prop_map(|far| far % 0x10_0000),
    ];
    prop_oneof![
        8 => operation().prop_map(Step::Call),
        2 => (any::<usize>(), distance, any::<u64>(), 1..=8usize).prop_map(
            |(block, distance, bytes, length)| Step::Overwrite { block, distance, bytes, length }
        ),
        1 => (any::<usize>(), any::<usize>()).prop_map(|(from, to)| Step::Copy { from, to }),
    ]
}

/// What a program knows of a heap it damages.
struct Victim {
    heap: HeapHandle,
    /// Sizes of the blocks it was given and has not freed.
    live: BTreeMap<usize, usize>,
    /// All addresses it was ever given, and the heap's own.
    known: Vec<usize>,
    /// Addresses of blocks whose headers are copies.
    copies: BTreeSet<usize>,
}

/// Performs the steps on a new heap.
///
/// # Panics
/// When the heap hands out what is a live block's, or what is not the heap's.
pub fn run(shape: &Shape, steps: &[Step]) {
    let Ok(subject) = Subject::create(shape, None) else {
        return;
    };
    let heap = subject.handle();
    let mut victim = Victim {
        heap,
        live: BTreeMap::new(),
        known: vec![heap.0],
        copies: BTreeSet::new(),
    };
    for step in steps {
        match *step {
            Step::Call(operation) => victim.call(operation),
            Step::Overwrite {
                block,
                distance,
                bytes,
                length,
            } => {
                let at = victim.known(block).wrapping_add_signed(distance);
                victim.write(at, &bytes.to_ne_bytes()[..length]);
            }
            Step::Copy { from, to } => victim.copy(from, to),
        }
        let _ = nt::validate(heap, HeapFlags::empty(), None);
    }
    victim.give_up();
}

impl Victim {
    fn known(&self, number: usize) -> usize {
        self.known[number % self.known.len()]
    }

    /// Writes `bytes` if that would not fault in any program.
    fn write(&self, at: usize, bytes: &[u8]) {
        if self.is_committed(at, bytes.len()) {
            // SAFETY: committed memory of the heap, which is to withstand this.
            unsafe { (at as *mut u8).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        }
    }

    fn copy(&mut self, from: usize, to: usize) {
        const LENGTH: usize = 32;
        let (from, to) = (self.known(from), self.known(to));
        if self.copies.contains(&from) {
            return;
        }
        self.copies.insert(to);
        let (from, to) = (from.wrapping_sub(LENGTH / 2), to.wrapping_sub(LENGTH / 2));
        if self.is_committed(from, LENGTH) && self.is_committed(to, LENGTH) {
            // SAFETY: as in `write`; the two may be the same.
            unsafe { (to as *mut u8).copy_from(from as *const u8, LENGTH) };
        }
    }

    fn is_committed(&self, at: usize, size: usize) -> bool {
        let is_ours = |address: usize| {
            nt::region_of(address)
                .is_some_and(|region| region.heap == self.heap.0 && region.committed)
        };
        at.checked_add(size.max(1) - 1)
            .is_some_and(|last| (at..=last).step_by(PAGE).chain([last]).all(is_ours))
    }

    fn call(&mut self, operation: Operation) {
        let heap = self.heap;
        match operation {
            Operation::Allocate {
                flags,
                size,
                alignment,
            } => {
                let flags = HeapFlags::from_bits_retain(flags);
                if let Ok(block) = nt::allocate_aligned(heap, flags, size, 1 << alignment) {
                    self.take(block.as_ptr() as usize, size);
                }
            }
            Operation::Reallocate { flags, block, size } => {
                let flags = HeapFlags::from_bits_retain(flags);
                let block = self.known(block);
                // SAFETY: nobody uses the blocks of this heap.
                if let Ok(moved) = unsafe { nt::reallocate(heap, flags, block as *mut u8, size) } {
                    self.live.remove(&block);
                    self.take(moved.as_ptr() as usize, size);
                }
            }
            Operation::Free { flags, block } => self.free(flags, self.known(block)),
            Operation::Ask { block, .. } => {
                let block = self.known(block) as *const u8;
                let _ = nt::size(heap, HeapFlags::empty(), block);
                let _ = nt::validate(heap, HeapFlags::empty(), Some(block));
            }
            Operation::Compact { .. } => {
                let _ = nt::compact(heap, HeapFlags::empty());
            }
            Operation::Rare(Rare::SetValue { block, value }) => {
                let block = self.known(block) as *const u8;
                let _ = nt::user_info(heap, HeapFlags::empty(), block);
                let _ = nt::set_user_value(heap, HeapFlags::empty(), block, value);
            }
            Operation::Rare(Rare::SetFlags { block, reset, set }) => {
                let [reset, set] = [reset, set].map(HeapFlags::from_bits_retain);
                let block = self.known(block) as *const u8;
                let _ = nt::set_user_flags(heap, HeapFlags::empty(), block, reset, set);
            }
            Operation::Rare(Rare::Zero { flags }) => {
                let _ = nt::zero(heap, HeapFlags::from_bits_retain(flags));
            }
            Operation::Rare(Rare::Optimize) => {
                let _ = nt::optimize_resources(Some(heap));
            }
            Operation::Lock => self.walk(),
            _ => {}
        }
    }

    /// A walk ends, whatever the heap's memory holds (D15).
    fn walk(&self) {
        let most = nt::accounting(self.heap).map_or(0, |sums| sums.reserved / GRANULE) + 1000;
        let mut address = 0;
        for _ in 0..most {
            match nt::walk(self.heap, address) {
                Ok(entry) => address = entry.address,
                Err(_) => return,
            }
        }
        panic!("the walk does not end");
    }

    fn free(&mut self, flags: u32, block: usize) {
        let flags = HeapFlags::from_bits_retain(flags);
        // SAFETY: nobody uses the blocks of this heap.
        if unsafe { nt::free(self.heap, flags, block as *mut u8) }.is_ok() {
            self.live.remove(&block);
        }
    }

    /// Notes a block that was handed out, and uses all of it.
    fn take(&mut self, block: usize, size: usize) {
        assert!(
            self.is_committed(block, size),
            "handed out what is no memory"
        );
        let before = self.live.range(..=block).next_back();
        let apart = before.is_none_or(|(before, size)| before + size.max(&1) <= block);
        let after = self.live.range(block..).next();
        let free = after.is_none_or(|(after, _)| block + size.max(1) <= *after);
        assert!(apart && free, "a live block was handed out again");
        // SAFETY: committed memory that was handed out.
        unsafe { (block as *mut u8).write_bytes(0x5A, size) };
        self.live.insert(block, size);
        self.known.push(block);
    }

    /// Frees what can be freed.
    fn give_up(&mut self) {
        for (block, _) in core::mem::take(&mut self.live) {
            self.free(0, block);
        }
        let _ = nt::compact(self.heap, HeapFlags::empty());
        let _ = nt::validate(self.heap, HeapFlags::empty(), None);
    }
}
