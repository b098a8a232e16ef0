//! The C types of the headers, under the headers' names.
//!
//! The names are what `tests/headers.rs` compares, so a type here and its namesake in
//! `include/rtlheap/types.h` have to mean the same.

#![allow(non_camel_case_types, clippy::upper_case_acronyms)]

use core::ffi::c_void;

use crate::pin::pin_layout;

/// 32-bit truth value of Win32.
pub type BOOL = i32;
/// 8-bit truth value of NT.
pub type BOOLEAN = u8;
/// 32-bit unsigned integer, on every system.
pub type DWORD = u32;
/// 32-bit unsigned integer, on every system.
pub type ULONG = u32;
/// Where a `ULONG` is.
pub type PULONG = *mut ULONG;
/// 32-bit unsigned integer, on every system C programs run on.
pub type UINT = u32;
/// 32-bit truth value of NT.
pub type LOGICAL = u32;
/// An NT status: negative is failure.
pub type NTSTATUS = i32;
/// 16-bit unsigned integer.
pub type USHORT = u16;
/// A UTF-16 unit, on every system.
pub type WCHAR = u16;
/// Where a string of them is.
pub type PWSTR = *mut WCHAR;
/// A string of them, only read.
pub type PCWSTR = *const WCHAR;
/// A size in bytes.
pub type SIZE_T = usize;
/// Where a caller has a size.
pub type PSIZE_T = *mut SIZE_T;
/// What a heap is asked or told: a C `enum`.
pub type HEAP_INFORMATION_CLASS = u32;
/// An integer as wide as a pointer.
pub type ULONG_PTR = usize;
/// Any address.
pub type PVOID = *mut c_void;
/// Any address.
pub type LPVOID = *mut c_void;
/// Any address, only read.
pub type PCVOID = *const c_void;
/// Any address, only read.
pub type LPCVOID = *const c_void;
/// A heap.
pub type HANDLE = *mut c_void;
/// An object of the Global functions.
pub type HGLOBAL = HANDLE;
/// An object of the Local functions.
pub type HLOCAL = HANDLE;
/// An array of heaps.
pub type PHANDLE = *mut HANDLE;

/// Yes, as a [`BOOL`].
pub const TRUE: BOOL = 1;
/// No, as a [`BOOL`].
pub const FALSE: BOOL = 0;

/// `RTL_HEAP_PARAMETERS` (specification 2.4): 48 bytes on 32-bit, 96 on 64-bit. Sizes in bytes;
/// zero takes the default.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RTL_HEAP_PARAMETERS {
    /// Size of this structure; with any other value the structure is ignored.
    pub Length: ULONG,
    /// Size of the second segment.
    pub SegmentReserve: SIZE_T,
    /// Commit step of a segment.
    pub SegmentCommit: SIZE_T,
    /// Smallest free run that is decommitted.
    pub DeCommitFreeBlockThreshold: SIZE_T,
    /// Free bytes a heap keeps before it decommits.
    pub DeCommitTotalFreeThreshold: SIZE_T,
    /// Largest request granted at all.
    pub MaximumAllocationSize: SIZE_T,
    /// Larger blocks go to the VM.
    pub VirtualMemoryThreshold: SIZE_T,
    /// With a commit routine: bytes committed at the base.
    pub InitialCommit: SIZE_T,
    /// With a commit routine: bytes reserved at the base.
    pub InitialReserve: SIZE_T,
    /// Commits caller memory on demand.
    pub CommitRoutine: PRTL_HEAP_COMMIT_ROUTINE,
    /// Must be zero; not checked, as NT does not.
    pub Reserved: [SIZE_T; 2],
}

pin_layout!(
    RTL_HEAP_PARAMETERS,
    48 / 96,
    Length = 0 / 0,
    SegmentReserve = 4 / 8,
    SegmentCommit = 8 / 16,
    DeCommitFreeBlockThreshold = 12 / 24,
    DeCommitTotalFreeThreshold = 16 / 32,
    MaximumAllocationSize = 20 / 40,
    VirtualMemoryThreshold = 24 / 48,
    InitialCommit = 28 / 56,
    InitialReserve = 32 / 64,
    CommitRoutine = 36 / 72,
    Reserved = 40 / 80
);

/// Where a caller has its [`RTL_HEAP_PARAMETERS`].
pub type PRTL_HEAP_PARAMETERS = *const RTL_HEAP_PARAMETERS;
/// The caller's routine that commits caller memory.
pub type PRTL_HEAP_COMMIT_ROUTINE = Option<rtl_heap::params::CommitRoutine>;

/// What `RtlEnumProcessHeaps` calls for each heap.
pub type PRTL_ENUM_HEAPS_ROUTINE =
    Option<unsafe extern "system" fn(HeapHandle: PVOID, Parameter: PVOID) -> NTSTATUS>;

/// An opaque `ERESOURCE`: 104 bytes on 64-bit, 56 on 32-bit.
pub type ERESOURCE = rtl_heap::heap_lock::Resource;
/// A caller's [`ERESOURCE`].
pub type PERESOURCE = *mut ERESOURCE;

pin_layout!(ERESOURCE, 56 / 104);

/// NT's record of a raised exception.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct EXCEPTION_RECORD {
    /// The status, such as `STATUS_NO_MEMORY`.
    pub ExceptionCode: DWORD,
    /// 0: the raise routine may return.
    pub ExceptionFlags: DWORD,
    /// No outer exception.
    pub ExceptionRecord: *mut EXCEPTION_RECORD,
    /// NULL: not recorded.
    pub ExceptionAddress: PVOID,
    /// How many of the words below are valid.
    pub NumberParameters: DWORD,
    /// For `STATUS_NO_MEMORY`: the size of the failed request in bytes.
    pub ExceptionInformation: [ULONG_PTR; EXCEPTION_MAXIMUM_PARAMETERS],
}

/// Words an [`EXCEPTION_RECORD`] has room for.
pub const EXCEPTION_MAXIMUM_PARAMETERS: usize = 15;

pin_layout!(
    EXCEPTION_RECORD,
    80 / 152,
    ExceptionCode = 0 / 0,
    ExceptionFlags = 4 / 4,
    ExceptionRecord = 8 / 8,
    ExceptionAddress = 12 / 16,
    NumberParameters = 16 / 24,
    ExceptionInformation = 20 / 32
);
