//! `HEAP_*` flags: what a caller may ask for, and what a heap remembers (specification 1.1, 1.2).

use bitflags::bitflags;

bitflags! {
    /// The 32 flag bits of heap creation and of heap calls, under NT's names without `HEAP_`.
    ///
    /// Unknown bits are kept (`from_bits_retain`): no call refuses them.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct HeapFlags: u32 {
        /// No lock is taken: one thread at a time, by the caller's word.
        const NO_SERIALIZE = 0x0000_0001;
        /// The heap adds segments and hands large requests to the VM.
        const GROWABLE = 0x0000_0002;
        /// A failed allocation raises `STATUS_NO_MEMORY` in place of returning NULL.
        const GENERATE_EXCEPTIONS = 0x0000_0004;
        /// New bytes read zero.
        const ZERO_MEMORY = 0x0000_0008;
        /// A reallocation keeps the address or fails.
        const REALLOC_IN_PLACE_ONLY = 0x0000_0010;
        /// Bytes after the data are filled and checked (debug heap).
        const TAIL_CHECKING_ENABLED = 0x0000_0020;
        /// Freed bytes are filled and checked (debug heap).
        const FREE_CHECKING_ENABLED = 0x0000_0040;
        /// Free neighbours are not merged.
        const DISABLE_COALESCE_ON_FREE = 0x0000_0080;
        /// On a call: the block carries a user value. (At creation the bit asks for a segment
        /// heap, which is served by this heap.)
        const SETTABLE_USER_VALUE = 0x0000_0100;
        /// First user flag.
        const SETTABLE_USER_FLAG1 = 0x0000_0200;
        /// Second user flag.
        const SETTABLE_USER_FLAG2 = 0x0000_0400;
        /// Third user flag.
        const SETTABLE_USER_FLAG3 = 0x0000_0800;
        /// A private heap: `HEAP_CLASS_1`.
        const CLASS_PRIVATE = 0x0000_1000;
        /// The class bits: what kind of heap this is.
        const CLASS_MASK = 0x0000_F000;
        /// Blocks are rounded to 16 bytes on 32-bit.
        const CREATE_ALIGN_16 = 0x0001_0000;
        /// Allocations are traced.
        const CREATE_ENABLE_TRACING = 0x0002_0000;
        /// Blocks may hold code.
        const CREATE_ENABLE_EXECUTE = 0x0004_0000;
        /// Every block has stamps around it, or pages of its own (page heap, 10.6).
        const PAGE_ALLOCS = 0x0100_0000;
        /// Blocks are counted by tags: `FLG_HEAP_ENABLE_TAGGING` (10.1). (NT calls the bit
        /// `HEAP_BREAK_WHEN_OUT_OF_VM`.)
        const TAGGING_ENABLED = 0x0400_0000;
        /// The stack of whoever allocates is remembered with the block.
        const CAPTURE_STACK_BACKTRACES = 0x0800_0000;
        /// Calls do not validate, whatever else is asked for, and unknown creation bits are kept.
        const SKIP_VALIDATION_CHECKS = 0x1000_0000;
        /// Every call validates the whole heap (debug heap).
        const VALIDATE_ALL_ENABLED = 0x2000_0000;
        /// Every call validates its block (debug heap).
        const VALIDATE_PARAMETERS_ENABLED = 0x4000_0000;
        /// The lock came from the caller and outlives the heap.
        const LOCK_USER_ALLOCATED = 0x8000_0000;
    }
}

impl HeapFlags {
    /// The bits `RtlCreateHeap` keeps: `HEAP_CREATE_VALID_MASK` with the two segment-heap bits.
    pub const CREATE_VALID: HeapFlags = HeapFlags::from_bits_retain(0x0007_F3FF);

    /// The bits `HeapCreate` keeps of its caller's (specification 1.2).
    pub const WIN32_CREATE_VALID: HeapFlags = HeapFlags::from_bits_retain(0x0004_0005);

    /// The bits that make a heap check more than it must, at the price of speed.
    pub const DEBUGGING: HeapFlags = HeapFlags::TAIL_CHECKING_ENABLED
        .union(HeapFlags::FREE_CHECKING_ENABLED)
        .union(HeapFlags::DISABLE_COALESCE_ON_FREE)
        .union(HeapFlags::CREATE_ENABLE_TRACING)
        .union(HeapFlags::VALIDATION)
        .union(HeapFlags::PAGE_ALLOCS)
        .union(HeapFlags::CAPTURE_STACK_BACKTRACES);

    /// The bits that make a heap look at its blocks whenever it is called.
    pub const VALIDATION: HeapFlags =
        HeapFlags::VALIDATE_ALL_ENABLED.union(HeapFlags::VALIDATE_PARAMETERS_ENABLED);

    /// The bits for which [`crate::verify`] takes every call of a heap.
    pub(crate) const VERIFIED: HeapFlags = HeapFlags::TAIL_CHECKING_ENABLED
        .union(HeapFlags::FREE_CHECKING_ENABLED)
        .union(HeapFlags::VALIDATION)
        .union(HeapFlags::PAGE_ALLOCS)
        .union(HeapFlags::CAPTURE_STACK_BACKTRACES);

    /// The three user flags.
    pub const SETTABLE_USER_FLAGS: HeapFlags = HeapFlags::from_bits_retain(0x0000_0E00);

    /// What is or-ed into the flags of every call on a heap created with `self` (1.2, 10.2): under
    /// page heap all but two bits.
    pub const fn forced(self) -> HeapFlags {
        const FORCED: u32 = 0x6801_007D;
        const NEVER: HeapFlags =
            HeapFlags::TAGGING_ENABLED.union(HeapFlags::DISABLE_COALESCE_ON_FREE);
        if self.contains(HeapFlags::PAGE_ALLOCS) {
            return self.difference(NEVER);
        }
        HeapFlags::from_bits_retain(self.bits() & FORCED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growable_and_class_bits_are_not_forced_on_calls() {
        let created = HeapFlags::NO_SERIALIZE | HeapFlags::GROWABLE | HeapFlags::CLASS_PRIVATE;
        assert_eq!(created.forced(), HeapFlags::NO_SERIALIZE);
        assert_eq!(
            HeapFlags::DISABLE_COALESCE_ON_FREE.forced(),
            HeapFlags::empty()
        );
    }
}
