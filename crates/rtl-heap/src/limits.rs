//! The numbers of a heap: what the documentation says, and what Windows does.
//!
//! Every size that NT's behaviour depends on stands here, once.

use crate::units::{ALLOCATION_GRANULARITY, PAGE, POINTER};

/// How a growable heap's first reservation follows from its commit size when no reserve is given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FirstReserve {
    /// The commit size rounded up to 16 pages (the owner's document, four-row table).
    CommitRoundedTo16Pages,
    /// The commit size as given plus 64 KiB (Windows 8 and later; C008 to C010).
    CommitPlusGranularity,
}

/// Sizes and thresholds a heap is created with where its caller names none. All in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Reserve and commit sizes are rounded up to this.
    pub rounding: usize,
    /// Reserved when neither size is given.
    pub reserve: usize,
    /// Committed at first when no commit size is given.
    pub commit: usize,
    /// What is reserved when only a commit size is given.
    pub first_reserve: FirstReserve,
    /// Size of the second segment; each later one is twice its predecessor.
    pub segment_reserve: usize,
    /// No segment is made larger than this by doubling.
    pub segment_reserve_cap: usize,
    /// A segment's commit grows by at least this.
    pub segment_commit: usize,
    /// A free run smaller than this stays committed.
    pub decommit_free_block_threshold: usize,
    /// Nothing is decommitted while less than this is free in the heap.
    pub decommit_total_free_threshold: usize,
    /// Blocks larger than this go to the VM, or are refused by a heap that cannot grow.
    pub virtual_memory_threshold: usize,
}

impl Limits {
    /// The RtlCreateHeap reference: 64 pages reserved, one committed, 0x7F000 as the largest block.
    ///
    /// Default of the Rtl face.
    pub const DOCUMENTED: Limits = Limits {
        rounding: PAGE,
        reserve: 64 * PAGE,
        commit: PAGE,
        first_reserve: FirstReserve::CommitRoundedTo16Pages,
        segment_reserve: 0x10_0000,
        segment_reserve_cap: 0xFD_0000,
        segment_commit: 0x2000,
        decommit_free_block_threshold: 0x1000,
        decommit_total_free_threshold: 0x1_0000,
        virtual_memory_threshold: 0x7_F000,
    };

    /// Windows 8 and later, for this pointer width (specification 2.2, 2.4, 7.1).
    ///
    /// Default of the Win32 face and of the Rust one.
    pub const WINDOWS: Limits = Limits {
        rounding: 0x400 * POINTER,
        reserve: ALLOCATION_GRANULARITY,
        commit: 0x400 * POINTER,
        first_reserve: FirstReserve::CommitPlusGranularity,
        virtual_memory_threshold: if POINTER == 8 { 0xF_F000 } else { 0x7_F000 },
        ..Limits::DOCUMENTED
    };
}
