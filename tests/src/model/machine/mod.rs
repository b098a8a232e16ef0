//! The model, and the machine that runs it beside a heap.

mod checks;
mod misuse;
mod rare;
mod walk;

use std::collections::BTreeMap;

use rtl_heap::nt::{self, HeapHandle};
use rtl_heap::{Accounting, GRANULE, HeapFlags, Status, hooks};

use super::contents::{Contents, is_zero};
use super::operation::Operation;
use super::shape::Shape;
use super::subject::Subject;
pub use misuse::prepare;

/// No request of this many bytes can be granted.
const ABSURD: usize = isize::MAX as usize - 0x10_0000;
/// Flags of a call or a heap that make blocks larger than size and header.
const EXTRAS: HeapFlags = HeapFlags::TAIL_CHECKING_ENABLED
    .union(HeapFlags::FREE_CHECKING_ENABLED)
    .union(HeapFlags::CREATE_ENABLE_TRACING)
    .union(HeapFlags::SETTABLE_USER_VALUE);
/// A heap of fewer blocks is validated after every operation, another one after every so many.
const FEW_BLOCKS: usize = 32;
/// Freed addresses that are remembered, to be freed again.
const FREED_MOST: usize = 64;

/// A live block as the model knows it.
#[derive(Clone, Copy, Debug)]
struct Live {
    size: usize,
    contents: Contents,
    /// The user value, for a block that has one.
    value: Option<usize>,
    /// Its user flags.
    user_flags: HeapFlags,
}

/// Whether the system may refuse memory during a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// It has plenty.
    Generous,
    /// It may refuse any call.
    Moody,
}

/// A heap and the model of it.
pub struct Machine<'s> {
    subject: &'s Subject,
    heap: HeapHandle,
    system: System,
    /// Flags that are in force with every call.
    forced: HeapFlags,
    /// Flags the heap was made with, its process's included.
    made_with: HeapFlags,
    /// Blocks have stamps or pages of their own.
    page_heap: bool,
    fresh: Accounting,
    live: BTreeMap<usize, Live>,
    freed: Vec<usize>,
    /// Bytes in live blocks.
    live_bytes: usize,
    depth: usize,
    filled: usize,
    steps: usize,
    /// Every check of the heap walks it. A walk ends the parking of blocks, so not every run has it.
    walks: bool,
}

/// Runs `operations` on a new heap of the shape, checks every answer, frees everything, and checks
/// that the heap is as it was at first.
///
/// # Panics
/// When heap and model differ.
pub fn run(shape: &Shape, operations: &[Operation]) {
    let subject = Subject::create(shape, None).unwrap_or_else(|error| panic!("{error}: {shape:?}"));
    let mut machine = Machine::new(&subject, System::Generous);
    machine.perform(operations);
    machine.finish();
}

impl<'s> Machine<'s> {
    /// A model of a heap nobody used yet.
    pub fn new(subject: &'s Subject, system: System) -> Self {
        hooks::set_failure_handler(Some(misuse::count_failure));
        let heap = subject.handle();
        let fresh = nt::accounting(heap).expect("a heap");
        let made_with = nt::flags(heap).expect("a heap");
        assert!(nt::validate(heap, HeapFlags::empty(), None));
        Self {
            subject,
            heap,
            system,
            forced: (subject.shape().flags & HeapFlags::CREATE_VALID).forced(),
            made_with,
            page_heap: made_with.contains(HeapFlags::PAGE_ALLOCS),
            fresh,
            live: BTreeMap::new(),
            freed: Vec::new(),
            live_bytes: 0,
            depth: 0,
            filled: 0,
            steps: 0,
            walks: false,
        }
    }

    /// Performs the operations in turn.
    ///
    /// # Panics
    /// When heap and model differ.
    pub fn perform(&mut self, operations: &[Operation]) {
        self.walks = operations.len().is_multiple_of(2);
        for operation in operations {
            self.step(*operation);
            self.check_sums();
            self.steps += 1;
            // To validate a heap takes as long as it has blocks.
            if self.live.len() < FEW_BLOCKS || self.steps.is_multiple_of(FEW_BLOCKS) {
                self.check_heap();
            }
        }
    }

    /// Frees everything and insists that the heap is as it was at first.
    ///
    /// # Panics
    /// When it is not.
    pub fn finish(mut self) {
        self.free_everything();
        self.check_freshness();
    }

    /// Gives the lock back and frees every block.
    ///
    /// # Panics
    /// When a block changed or cannot be freed.
    pub fn free_everything(&mut self) {
        while self.depth != 0 {
            self.unlock();
        }
        while let Some((&block, _)) = self.live.first_key_value() {
            self.free(HeapFlags::empty(), block);
        }
        self.check_heap();
    }

    /// Insists that the emptied heap is as it was at first.
    ///
    /// # Panics
    /// When it is not.
    pub fn check_freshness(&self) {
        let shape = self.subject.shape();
        nt::compact(self.heap, HeapFlags::empty()).expect("a heap");
        self.check_heap();
        let now = self.accounting();
        assert_eq!((now.live_blocks, now.live_bytes), (0, 0));
        if shape.flags.contains(HeapFlags::DISABLE_COALESCE_ON_FREE) {
            return;
        }
        assert_eq!(now.reserved, self.fresh.reserved, "address space stays");
        if shape.decommits() {
            let of = |sums: &Accounting| (sums.committed, sums.uncommitted_free);
            assert_eq!(of(&now), of(&self.fresh), "pages stay");
        }
    }

    fn accounting(&self) -> Accounting {
        nt::accounting(self.heap).expect("a heap")
    }

    fn insert(&mut self, block: usize, live: Live) {
        self.live_bytes += live.size;
        let old = self.live.insert(block, live);
        assert!(old.is_none(), "a block in the place of another");
    }

    fn remove(&mut self, block: usize) {
        let live = self.live.remove(&block).expect("a block of the model's");
        self.live_bytes -= live.size;
    }

    fn step(&mut self, operation: Operation) {
        match operation {
            Operation::Allocate {
                flags,
                size,
                alignment,
            } => self.allocate(HeapFlags::from_bits_retain(flags), size, 1 << alignment),
            Operation::Free { flags, block } => {
                if let Some(block) = self.nth(block) {
                    self.free(HeapFlags::from_bits_retain(flags), block);
                }
            }
            Operation::Reallocate { flags, block, size } => {
                if let Some(block) = self.nth(block) {
                    self.reallocate(HeapFlags::from_bits_retain(flags), block, size);
                }
            }
            Operation::Ask { flags, block } => {
                if let Some(block) = self.nth(block) {
                    self.ask(HeapFlags::from_bits_retain(flags), block);
                }
            }
            Operation::Lock => {
                assert_eq!(nt::lock(self.heap), Ok(()));
                self.depth += 1;
            }
            Operation::Unlock => self.unlock(),
            Operation::Compact { flags } => {
                let flags = HeapFlags::from_bits_retain(flags);
                nt::compact(self.heap, flags).expect("a heap");
            }
            Operation::Misuse {
                call,
                flags,
                pointer,
            } => self.misuse(call, HeapFlags::from_bits_retain(flags), pointer),
            Operation::Rare(rare) => self.rare(rare),
            Operation::WrongHandle { call, handle } => self.wrong_handle(call, handle),
        }
    }

    fn nth(&self, number: usize) -> Option<usize> {
        let count = self.live.len();
        let index = (count != 0).then(|| number % count)?;
        self.live.keys().nth(index).copied()
    }

    fn next_contents(&mut self) -> Contents {
        self.filled += 1;
        Contents::numbered(self.filled)
    }

    fn allocate(&mut self, flags: HeapFlags, size: usize, alignment: usize) {
        let before = self.accounting();
        let all_flags = flags | self.forced;
        let block = match nt::allocate_aligned(self.heap, flags, size, alignment) {
            Ok(block) => block.as_ptr(),
            Err(status) => {
                assert_eq!(status, Status::NO_MEMORY);
                assert!(
                    self.may_refuse(all_flags, size, alignment),
                    "refused {size:#x}"
                );
                self.check_refused(before, all_flags, size);
                return;
            }
        };
        assert_eq!(block as usize % alignment, 0, "misaligned");
        self.accept(block, size, all_flags);
    }

    /// Checks a block that was just handed out, and uses it.
    fn accept(&mut self, block: *mut u8, size: usize, all_flags: HeapFlags) {
        assert!(size < ABSURD, "granted {size:#x}");
        assert_eq!(block as usize % GRANULE, 0, "misaligned");
        self.check_place(block as usize, size);
        if all_flags.contains(HeapFlags::ZERO_MEMORY) {
            // SAFETY: the block was just handed out.
            assert!(unsafe { is_zero(block, size) }, "not zeroed");
        }
        let value = all_flags
            .contains(HeapFlags::SETTABLE_USER_VALUE)
            .then_some(0);
        self.check_value(block as usize, size, value);
        self.check_fill(block as usize, 0, size, all_flags);
        let user_flags = all_flags & HeapFlags::SETTABLE_USER_FLAGS;
        self.check_user_info(block as usize, value, user_flags);
        self.fill(block as usize, size, value, user_flags);
    }

    fn free(&mut self, flags: HeapFlags, block: usize) {
        self.check_block(block);
        // SAFETY: the model's own block.
        let freed = unsafe { nt::free(self.heap, flags, block as *mut u8) };
        assert_eq!(freed, Ok(()));
        self.remove(block);
        if self.freed.len() == FREED_MOST {
            self.freed.remove(0);
        }
        self.freed.push(block);
    }

    fn reallocate(&mut self, flags: HeapFlags, block: usize, size: usize) {
        self.check_block(block);
        let before = self.accounting();
        let old = self.live[&block];
        let all_flags = flags | self.forced;
        let in_place_only = all_flags.contains(HeapFlags::REALLOC_IN_PLACE_ONLY);
        // What a call's flags add may make a smaller block a larger one.
        // A block of the front end never stays where it is.
        let front = nt::compatibility(self.heap) == Ok(2);
        // Nor does one of a page heap.
        let shrinks = size <= old.size && !flags.intersects(EXTRAS) && !front && !self.page_heap;
        // SAFETY: the model's own block.
        let moved = match unsafe { nt::reallocate(self.heap, flags, block as *mut u8, size) } {
            Ok(moved) => moved.as_ptr() as usize,
            Err(status) => {
                assert_eq!(status, Status::NO_MEMORY);
                assert!(!shrinks, "a block cannot shrink");
                let excused = in_place_only || self.may_refuse(all_flags, size, GRANULE);
                assert!(excused, "refused {:#x} to {size:#x}", old.size);
                self.check_refused(before, all_flags, size);
                self.check_block(block);
                return;
            }
        };
        assert!(size < ABSURD, "granted {size:#x}");
        assert_eq!(moved % GRANULE, 0, "misaligned");
        assert!(moved == block || !in_place_only, "moved against its flags");
        assert!(moved == block || !shrinks, "moved to shrink");
        self.remove(block);
        self.check_place(moved, size);
        let kept = old.size.min(size);
        let bytes = moved as *mut u8;
        // SAFETY: the block is ours and `size` long.
        unsafe {
            assert!(old.contents.stands_at(bytes, kept), "contents lost");
            if all_flags.contains(HeapFlags::ZERO_MEMORY) {
                assert!(is_zero(bytes.add(kept), size - kept), "growth not zeroed");
            }
        }
        self.check_value(moved, size, old.value);
        self.check_fill(moved, kept, size, all_flags);
        let user_flags = self.flags_after(moved, &old, flags);
        self.check_user_info(moved, old.value, user_flags);
        self.fill(moved, size, old.value, user_flags);
    }

    /// Fills a block, gives it a new value if it has one, and enters it into the model.
    fn fill(&mut self, block: usize, size: usize, mut value: Option<usize>, user_flags: HeapFlags) {
        let contents = self.next_contents();
        // SAFETY: the block is ours and `size` long.
        unsafe { contents.write(block as *mut u8, size) };
        // A large block's value cannot be reached; it stays what it was.
        if let (Some(value), Some(slot)) = (&mut value, self.value_slot(block, size)) {
            *value = self.filled;
            // SAFETY: the slot belongs to the block.
            unsafe { slot.write(*value) };
        }
        let live = Live {
            size,
            contents,
            value,
            user_flags,
        };
        self.insert(block, live);
    }

    fn ask(&self, flags: HeapFlags, block: usize) {
        let pointer = block as *const u8;
        assert_eq!(
            nt::size(self.heap, flags, pointer),
            Ok(self.live[&block].size)
        );
        assert!(nt::validate(self.heap, flags, Some(pointer)));
    }

    fn unlock(&mut self) {
        let is_serialized = !self.forced.contains(HeapFlags::NO_SERIALIZE);
        if is_serialized && self.depth == 0 {
            assert_eq!(nt::unlock(self.heap), Err(Status::RESOURCE_NOT_OWNED));
            return;
        }
        assert_eq!(nt::unlock(self.heap), Ok(()));
        self.depth = self.depth.saturating_sub(1);
    }
}
