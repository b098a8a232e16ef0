//! Types, structures and numbers of the heap interface (specification 0.2, 1.1, 2.4).

use core::ffi::c_void;

/// A heap handle, and every other untyped pointer of the interface.
pub type HANDLE = *mut c_void;
/// A 32-bit truth value: zero is false.
pub type BOOL = i32;
/// The 8-bit truth value of the older Rtl functions.
pub type BOOLEAN = u8;
/// A status code; negative values are failures.
pub type NTSTATUS = i32;

/// `BOOL` true.
pub const TRUE: BOOL = 1;
/// `BOOL` false.
pub const FALSE: BOOL = 0;

/// Commits memory for a heap over caller memory: heap base, address (in and out), bytes (in and
/// out).
pub type RTL_HEAP_COMMIT_ROUTINE =
    unsafe extern "system" fn(*mut c_void, *mut *mut c_void, *mut usize) -> NTSTATUS;

/// Called by `RtlEnumProcessHeaps` with each heap and the caller's parameter.
pub type RTL_ENUM_HEAPS_ROUTINE = unsafe extern "system" fn(HANDLE, *mut c_void) -> NTSTATUS;

/// Tuning of one heap, all sizes in bytes; zero takes the default.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RTL_HEAP_PARAMETERS {
    /// Bytes of this structure; with any other value the structure is ignored.
    pub Length: u32,
    /// Size of each later segment.
    pub SegmentReserve: usize,
    /// Commit step of a segment.
    pub SegmentCommit: usize,
    /// Smallest free block that is decommitted.
    pub DeCommitFreeBlockThreshold: usize,
    /// Free bytes the heap keeps before it decommits.
    pub DeCommitTotalFreeThreshold: usize,
    /// Largest request.
    pub MaximumAllocationSize: usize,
    /// Largest block of a segment.
    pub VirtualMemoryThreshold: usize,
    /// Committed bytes at the start of caller memory with a commit routine.
    pub InitialCommit: usize,
    /// Bytes of caller memory with a commit routine.
    pub InitialReserve: usize,
    /// Commits caller memory.
    pub CommitRoutine: Option<RTL_HEAP_COMMIT_ROUTINE>,
    /// Must be zero.
    pub Reserved: [usize; 2],
}

impl RTL_HEAP_PARAMETERS {
    /// Every member zero but `Length`.
    pub const fn new() -> Self {
        Self {
            Length: size_of::<Self>() as u32,
            SegmentReserve: 0,
            SegmentCommit: 0,
            DeCommitFreeBlockThreshold: 0,
            DeCommitTotalFreeThreshold: 0,
            MaximumAllocationSize: 0,
            VirtualMemoryThreshold: 0,
            InitialCommit: 0,
            InitialReserve: 0,
            CommitRoutine: None,
            Reserved: [0; 2],
        }
    }
}

impl Default for RTL_HEAP_PARAMETERS {
    fn default() -> Self {
        Self::new()
    }
}

const _: () = assert!(
    size_of::<RTL_HEAP_PARAMETERS>()
        == if cfg!(target_pointer_width = "64") {
            96
        } else {
            48
        }
);

/// Flags of heaps and calls.
pub mod flags {
    /// No lock is taken.
    pub const HEAP_NO_SERIALIZE: u32 = 0x0000_0001;
    /// The heap adds segments as it needs them (`RtlCreateHeap` only).
    pub const HEAP_GROWABLE: u32 = 0x0000_0002;
    /// Failed requests raise an exception.
    pub const HEAP_GENERATE_EXCEPTIONS: u32 = 0x0000_0004;
    /// New bytes are zero.
    pub const HEAP_ZERO_MEMORY: u32 = 0x0000_0008;
    /// The block must not move.
    pub const HEAP_REALLOC_IN_PLACE_ONLY: u32 = 0x0000_0010;
    /// A pattern is kept behind each block.
    pub const HEAP_TAIL_CHECKING_ENABLED: u32 = 0x0000_0020;
    /// Free blocks are filled and checked.
    pub const HEAP_FREE_CHECKING_ENABLED: u32 = 0x0000_0040;
    /// Neighbouring free blocks are not merged.
    pub const HEAP_DISABLE_COALESCE_ON_FREE: u32 = 0x0000_0080;
    /// The block carries a user value.
    pub const HEAP_SETTABLE_USER_VALUE: u32 = 0x0000_0100;
    /// First user flag of a block.
    pub const HEAP_SETTABLE_USER_FLAG1: u32 = 0x0000_0200;
    /// Second user flag of a block.
    pub const HEAP_SETTABLE_USER_FLAG2: u32 = 0x0000_0400;
    /// Third user flag of a block.
    pub const HEAP_SETTABLE_USER_FLAG3: u32 = 0x0000_0800;
    /// The class `HeapCreate` gives: private.
    pub const HEAP_CLASS_1: u32 = 0x0000_1000;
    /// Blocks are multiples of 16 bytes.
    pub const HEAP_CREATE_ALIGN_16: u32 = 0x0001_0000;
    /// Blocks may hold code.
    pub const HEAP_CREATE_ENABLE_EXECUTE: u32 = 0x0004_0000;
    /// A name from Windows 9x; no effect.
    pub const HEAP_SHARED: u32 = 0x0400_0000;
}

/// Win32 error numbers.
pub mod error {
    /// No error.
    pub const NO_ERROR: u32 = 0;
    /// There is no such function.
    pub const ERROR_INVALID_FUNCTION: u32 = 1;
    /// The handle is invalid.
    pub const ERROR_INVALID_HANDLE: u32 = 6;
    /// Not enough memory.
    pub const ERROR_NOT_ENOUGH_MEMORY: u32 = 8;
    /// A device is not functioning: the general failure.
    pub const ERROR_GEN_FAILURE: u32 = 31;
    /// A parameter is wrong.
    pub const ERROR_INVALID_PARAMETER: u32 = 87;
    /// The buffer is too small.
    pub const ERROR_INSUFFICIENT_BUFFER: u32 = 122;
    /// The memory object was discarded.
    pub const ERROR_DISCARDED: u32 = 157;
    /// The memory object is not locked.
    pub const ERROR_NOT_LOCKED: u32 = 158;
    /// The end of an enumeration.
    pub const ERROR_NO_MORE_ITEMS: u32 = 259;
    /// The caller does not own the lock.
    pub const ERROR_NOT_OWNER: u32 = 288;
    /// Memory cannot be accessed.
    pub const ERROR_NOACCESS: u32 = 998;
}

/// Status codes.
pub mod status {
    use super::NTSTATUS;

    /// Success.
    pub const STATUS_SUCCESS: NTSTATUS = 0;
    /// The end of an enumeration.
    pub const STATUS_NO_MORE_ENTRIES: NTSTATUS = 0x8000_001Au32 as i32;
    /// The general failure.
    pub const STATUS_UNSUCCESSFUL: NTSTATUS = 0xC000_0001u32 as i32;
    /// A structure's length is wrong.
    pub const STATUS_INFO_LENGTH_MISMATCH: NTSTATUS = 0xC000_0004u32 as i32;
    /// The handle is invalid.
    pub const STATUS_INVALID_HANDLE: NTSTATUS = 0xC000_0008u32 as i32;
    /// A parameter is wrong.
    pub const STATUS_INVALID_PARAMETER: NTSTATUS = 0xC000_000Du32 as i32;
    /// Not enough memory.
    pub const STATUS_NO_MEMORY: NTSTATUS = 0xC000_0017u32 as i32;
}
