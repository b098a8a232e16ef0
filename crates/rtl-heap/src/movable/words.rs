//! The words of Local and Global memory: which family a call is of, its flags, why it refuses.

use core::fmt;

use bitflags::bitflags;

use crate::failure::Refusal;
use crate::status::Status;

bitflags! {
    /// `GMEM_*` and `LMEM_*` flags of a call, under their names without prefix (specification 8.2).
    ///
    /// No bits at all mean a fixed object. The obsolete bits, which change nothing, have no name.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct MemoryFlags: u32 {
        /// The handle stands in the table, and the data may move.
        const MOVEABLE = 0x0002;
        /// New bytes read zero.
        const ZEROINIT = 0x0040;
        /// A reallocation changes the kind of the object and not its size.
        const MODIFY = 0x0080;
        /// The data of a Global object may be discarded. (Local: any of `0x0F00`.)
        const DISCARDABLE = 0x0100;
        /// A mark, kept for its owner.
        const DDESHARE = 0x2000;
    }
}

/// Which functions a call came through. Objects of both stand in one table; the answers differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Family {
    /// `GlobalAlloc` and so on.
    Global,
    /// `LocalAlloc` and so on.
    Local,
}

impl Family {
    /// The bits an allocation may have: `GMEM_VALID_FLAGS`, `LMEM_VALID_FLAGS`.
    pub(super) const fn valid_flags(self) -> u32 {
        match self {
            Family::Global => 0x7F72,
            Family::Local => 0x0F72,
        }
    }

    /// `GMEM_DISCARDABLE`, `LMEM_DISCARDABLE`: how a discardable object reports itself.
    pub(super) const fn discardable(self) -> u32 {
        match self {
            Family::Global => 0x0100,
            Family::Local => 0x0F00,
        }
    }

    /// Whether a call asks for a discardable object. Any of the four bits of `LMEM_DISCARDABLE`
    /// does (our choice).
    pub(super) const fn asks_for_discardable(self, flags: MemoryFlags) -> bool {
        flags.bits() & self.discardable() != 0
    }
}

/// An object as callers pass it around: any address at all, checked by every call.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(transparent)]
pub struct MemoryHandle(pub usize);

/// Why a call on an object did nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MemoryError {
    /// What a heap call would say too.
    Status(Status),
    /// The object has no data: `ERROR_DISCARDED`.
    Discarded,
    /// The object is not locked: `ERROR_NOT_LOCKED`.
    NotLocked,
    /// NT refuses and leaves the last error as it was.
    Silent,
}

impl MemoryError {
    pub(super) const INVALID_HANDLE: MemoryError = MemoryError::Status(Status::INVALID_HANDLE);
    pub(super) const INVALID_PARAMETER: MemoryError =
        MemoryError::Status(Status::INVALID_PARAMETER);

    /// The Win32 error the call leaves behind; `None` when it leaves the last one.
    pub const fn win32_error(self) -> Option<u32> {
        match self {
            MemoryError::Status(status) => Some(status.win32_error()),
            MemoryError::Discarded => Some(157),
            MemoryError::NotLocked => Some(158),
            MemoryError::Silent => None,
        }
    }
}

impl From<Status> for MemoryError {
    fn from(status: Status) -> MemoryError {
        MemoryError::Status(status)
    }
}

impl From<Refusal> for MemoryError {
    fn from(refusal: Refusal) -> MemoryError {
        MemoryError::Status(refusal.status())
    }
}

impl fmt::Display for MemoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MemoryError::Status(status) => status.fmt(f),
            MemoryError::Discarded => f.write_str("the object's data was discarded"),
            MemoryError::NotLocked => f.write_str("the object is not locked"),
            MemoryError::Silent => f.write_str("not an object"),
        }
    }
}

impl core::error::Error for MemoryError {}
