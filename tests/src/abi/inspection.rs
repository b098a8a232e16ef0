//! Looking into heaps: validate, walk, information classes, user values (specification sections
//! 4.1, 5, 9).

use core::ffi::c_void;

use super::{BOOL, BOOLEAN, HANDLE, NTSTATUS};

/// An entry of `HeapWalk`. The last four members are valid for regions; for blocks their bytes mean
/// something else.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PROCESS_HEAP_ENTRY {
    /// The user pointer, or the region's or range's start.
    pub lpData: *mut c_void,
    /// Bytes of data.
    pub cbData: u32,
    /// Bytes of the block beyond its data.
    pub cbOverhead: u8,
    /// The region's number; 64 for blocks with a reservation of their own.
    pub iRegionIndex: u8,
    /// What it is.
    pub wFlags: u16,
    /// Committed bytes of the region.
    pub dwCommittedSize: u32,
    /// Reserved bytes of the region that are not committed.
    pub dwUnCommittedSize: u32,
    /// The region's first block.
    pub lpFirstBlock: *mut c_void,
    /// The region's end.
    pub lpLastBlock: *mut c_void,
}

/// An entry of `RtlWalkHeap`. The last four members are valid for segments.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RTL_HEAP_WALK_ENTRY {
    /// As `lpData`.
    pub DataAddress: *mut c_void,
    /// As `cbData`.
    pub DataSize: usize,
    /// As `cbOverhead`.
    pub OverheadBytes: u8,
    /// As `iRegionIndex`.
    pub SegmentIndex: u8,
    /// What it is, in other numbers than `wFlags`.
    pub Flags: u16,
    /// The rest is aligned as pointers are.
    pub padding: [u32; size_of::<usize>() / 8],
    /// As `dwCommittedSize`.
    pub CommittedSize: u32,
    /// As `dwUnCommittedSize`.
    pub UnCommittedSize: u32,
    /// As `lpFirstBlock`.
    pub FirstEntry: *mut c_void,
    /// As `lpLastBlock`.
    pub LastEntry: *mut c_void,
}

const _: () = assert!(
    core::mem::offset_of!(RTL_HEAP_WALK_ENTRY, CommittedSize)
        == if cfg!(target_pointer_width = "64") {
            24
        } else {
            12
        }
);

/// Sums over a heap, in bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct HEAP_SUMMARY {
    /// Bytes of this structure.
    pub cb: u32,
    /// Requested bytes of all live blocks.
    pub cbAllocated: usize,
    /// Committed bytes.
    pub cbCommitted: usize,
    /// Reserved bytes.
    pub cbReserved: usize,
    /// Greatest number of reserved bytes.
    pub cbMaxReserve: usize,
}

/// `HeapWalk`'s flags.
pub mod entry {
    /// A region.
    pub const PROCESS_HEAP_REGION: u16 = 0x0001;
    /// Memory without pages.
    pub const PROCESS_HEAP_UNCOMMITTED_RANGE: u16 = 0x0002;
    /// A block in use.
    pub const PROCESS_HEAP_ENTRY_BUSY: u16 = 0x0004;
    /// `RtlWalkHeap`: a region.
    pub const RTL_HEAP_SEGMENT: u16 = 0x0002;
    /// `RtlWalkHeap`: memory without pages.
    pub const RTL_HEAP_UNCOMMITTED_RANGE: u16 = 0x1000;
    /// `RtlWalkHeap`: a block in use.
    pub const RTL_HEAP_BUSY: u16 = 0x0001;
}

/// Information classes.
pub mod class {
    /// Which front end a heap has.
    pub const HEAP_COMPATIBILITY_INFORMATION: u32 = 0;
    /// Ends the process on corruption.
    pub const HEAP_ENABLE_TERMINATION_ON_CORRUPTION: u32 = 1;
    /// Enumerates.
    pub const HEAP_EXTENDED_INFORMATION: u32 = 2;
    /// Lets caches go.
    pub const HEAP_OPTIMIZE_RESOURCES: u32 = 3;
}

import! { "kernel32";
    /// Checks a heap, or one block of it.
    safe fn HeapValidate(hHeap: HANDLE, dwFlags: u32, lpMem: *const c_void) -> BOOL;
    /// Steps to the next entry of a heap.
    safe fn HeapWalk(hHeap: HANDLE, lpEntry: Option<&mut PROCESS_HEAP_ENTRY>) -> BOOL;
    /// Sums a heap up.
    safe fn HeapSummary(hHeap: HANDLE, dwFlags: u32, lpSummary: Option<&mut HEAP_SUMMARY>) -> BOOL;
    /// Sets something about a heap.
    ///
    /// # Safety
    /// `HeapInformation` has `HeapInformationLength` bytes, or is NULL.
    unsafe fn HeapSetInformation(
        HeapHandle: HANDLE,
        HeapInformationClass: u32,
        HeapInformation: *const c_void,
        HeapInformationLength: usize,
    ) -> BOOL;
    /// Asks something about a heap.
    ///
    /// # Safety
    /// `HeapInformation` has room for `HeapInformationLength` bytes, or is NULL.
    unsafe fn HeapQueryInformation(
        HeapHandle: HANDLE,
        HeapInformationClass: u32,
        HeapInformation: *mut c_void,
        HeapInformationLength: usize,
        ReturnLength: Option<&mut usize>,
    ) -> BOOL;
}

import! { "ntdll";
    /// Checks all heaps.
    safe fn RtlValidateProcessHeaps() -> BOOLEAN;
    /// Steps to the next entry of a heap.
    safe fn RtlWalkHeap(HeapHandle: HANDLE, Entry: Option<&mut RTL_HEAP_WALK_ENTRY>) -> NTSTATUS;
    /// Reads a block's user value and flags.
    safe fn RtlGetUserInfoHeap(
        HeapHandle: HANDLE,
        Flags: u32,
        BaseAddress: *const c_void,
        UserValue: Option<&mut *mut c_void>,
        UserFlags: Option<&mut u32>,
    ) -> BOOLEAN;
    /// Sets a block's user value.
    safe fn RtlSetUserValueHeap(
        HeapHandle: HANDLE,
        Flags: u32,
        BaseAddress: *const c_void,
        UserValue: *mut c_void,
    ) -> BOOLEAN;
    /// Resets and sets a block's user flags.
    safe fn RtlSetUserFlagsHeap(
        HeapHandle: HANDLE,
        Flags: u32,
        BaseAddress: *const c_void,
        UserFlagsReset: u32,
        UserFlagsSet: u32,
    ) -> BOOLEAN;
    /// Allocates several blocks of one size; returns how many.
    ///
    /// # Safety
    /// `Array` has room for `Count` pointers; a NULL array faults unless `Count` is zero.
    unsafe fn RtlMultipleAllocateHeap(
        HeapHandle: HANDLE,
        Flags: u32,
        Size: usize,
        Count: u32,
        Array: *mut *mut c_void,
    ) -> u32;
    /// Frees several blocks; returns how many.
    ///
    /// # Safety
    /// `Array` has `Count` pointers; a NULL array faults unless `Count` is zero.
    unsafe fn RtlMultipleFreeHeap(
        HeapHandle: HANDLE,
        Flags: u32,
        Count: u32,
        Array: *mut *mut c_void,
    ) -> u32;
}
