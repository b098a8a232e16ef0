//! Why a call was refused: no memory, no room in place, or misuse and damage that was found.

use crate::status::Status;

/// What was found wrong, numbered as Windows numbers `HEAP_FAILURE_TYPE`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum FailureKind {
    /// A block's header is damaged.
    EntryCorruption = 3,
    /// The bytes behind a block's data were overwritten.
    BufferOverrun = 6,
    /// The bytes before a block's data were overwritten.
    BufferUnderrun = 7,
    /// The block is not in use: freed twice, or never handed out.
    BlockNotBusy = 8,
    /// The address is no block of the heap.
    InvalidArgument = 9,
    /// The bytes of a free block were overwritten.
    UsageAfterFree = 0xB,
    /// The block belongs to another heap.
    CrossHeapOperation = 0xC,
    /// The links of a free block are damaged.
    FreeListsCorruption = 0xD,
    /// What was passed for a heap is none: null, destroyed, or never one.
    InvalidHandle = 0x13,
}

impl FailureKind {
    /// What happened, for a report.
    pub const fn text(self) -> &'static str {
        match self {
            FailureKind::EntryCorruption => "the header of a block was overwritten",
            FailureKind::BufferOverrun => "the bytes behind a block were overwritten",
            FailureKind::UsageAfterFree => "the bytes of a free block were overwritten",
            FailureKind::BufferUnderrun => "the bytes before a block were overwritten",
            FailureKind::BlockNotBusy => "the block is not in use (freed before?)",
            FailureKind::InvalidArgument => "the address is not a block of the heap",
            FailureKind::CrossHeapOperation => "the block belongs to another heap",
            FailureKind::InvalidHandle => "the handle is not a heap",
            FailureKind::FreeListsCorruption => "the links of a free block were overwritten",
        }
    }
}

/// Misuse or damage, as the corruption hook is told of it. Holds no key and no block contents.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeapFailure {
    /// What was found.
    pub kind: FailureKind,
    /// Handle of the heap the call named.
    pub heap: usize,
    /// The address that was passed, or the block that was found damaged.
    pub address: usize,
    /// Handle of the heap that owns the address, where another one does; else 0.
    pub owner: usize,
    /// Who allocated the block at the address, where that is recorded; else empty. Return addresses,
    /// innermost first.
    pub allocated_by: &'static [usize],
}

/// Why an operation did nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// No room in a heap that cannot grow, or no memory from the system, or not possible in place.
    NoMemory,
    /// Misuse or damage; to be reported once the lock is released.
    Failure(HeapFailure),
}

impl Refusal {
    /// The status of the call.
    pub const fn status(self) -> Status {
        match self {
            Refusal::NoMemory => Status::NO_MEMORY,
            Refusal::Failure(_) => Status::INVALID_PARAMETER,
        }
    }
}

impl From<HeapFailure> for Refusal {
    fn from(failure: HeapFailure) -> Refusal {
        Refusal::Failure(failure)
    }
}
