//! Extended information and usage (specification sections 5.3 and 9).

use core::ffi::c_void;
use core::ptr::null_mut;

use super::{BOOLEAN, HANDLE, NTSTATUS};

/// An item of an enumeration. Its structures are seen as words: every member in its place, numbers
/// of 32 bits in the low half of theirs.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HEAP_INFORMATION_ITEM {
    /// 1 process, 2 heap, 3 region, 4 range, 5 block.
    pub Level: u32,
    /// Bytes of this structure.
    pub Size: usize,
    /// The item.
    pub words: [usize; 6],
}

/// Called with each item.
pub type HEAP_EXTENDED_ENUMERATION_ROUTINE =
    unsafe extern "system" fn(*const HEAP_INFORMATION_ITEM, *mut c_void) -> NTSTATUS;

/// Question and answer.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HEAP_EXTENDED_INFORMATION {
    /// NULL: this process.
    pub ProcessHandle: HANDLE,
    /// The heap, or NULL for all.
    pub HeapHandle: HANDLE,
    /// How deep.
    pub Level: u32,
    /// Called with each item.
    pub CallbackRoutine: Option<HEAP_EXTENDED_ENUMERATION_ROUTINE>,
    /// Passed to it.
    pub CallbackContext: *mut c_void,
    /// Without a callback: the answer, as an item's words.
    pub words: [usize; 6],
}

/// A block as a usage lists it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RTL_HEAP_USAGE_ENTRY {
    /// The next one.
    pub Next: *mut RTL_HEAP_USAGE_ENTRY,
    /// The user pointer.
    pub Address: *mut c_void,
    /// Bytes asked for.
    pub Size: usize,
    /// Its stack.
    pub AllocatorBackTraceIndex: u16,
    /// Its tag.
    pub TagIndex: u16,
}

/// Sums over a heap and lists of its blocks.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RTL_HEAP_USAGE {
    /// Bytes of this structure.
    pub Length: u32,
    /// Requested bytes of all live blocks.
    pub BytesAllocated: usize,
    /// Committed bytes.
    pub BytesCommitted: usize,
    /// Reserved bytes.
    pub BytesReserved: usize,
    /// Greatest number of reserved bytes.
    pub BytesReservedMaximum: usize,
    /// Live blocks.
    pub Entries: *mut RTL_HEAP_USAGE_ENTRY,
    /// New since the last call.
    pub AddedEntries: *mut RTL_HEAP_USAGE_ENTRY,
    /// Gone since the last call.
    pub RemovedEntries: *mut RTL_HEAP_USAGE_ENTRY,
    /// The library's.
    pub Reserved: [usize; 8],
}

impl RTL_HEAP_USAGE {
    /// As before the first call.
    pub const fn new() -> Self {
        Self {
            Length: size_of::<Self>() as u32,
            BytesAllocated: 0,
            BytesCommitted: 0,
            BytesReserved: 0,
            BytesReservedMaximum: 0,
            Entries: null_mut(),
            AddedEntries: null_mut(),
            RemovedEntries: null_mut(),
            Reserved: [0; 8],
        }
    }
}

impl Default for RTL_HEAP_USAGE {
    fn default() -> Self {
        Self::new()
    }
}

const _: () = assert!(
    size_of::<RTL_DEBUG_INFORMATION>()
        == if cfg!(target_pointer_width = "64") {
            208
        } else {
            104
        }
);

const _: () = assert!(
    size_of::<RTL_HEAP_USAGE>()
        == if cfg!(target_pointer_width = "64") {
            128
        } else {
            64
        }
);

/// A heap as a debugger sees it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RTL_HEAP_INFORMATION {
    /// The handle.
    pub BaseAddress: HANDLE,
    /// Creation flags.
    pub Flags: u32,
    /// Bytes of a block's header.
    pub EntryOverhead: u16,
    /// The stack that made it.
    pub CreatorBackTraceIndex: u16,
    /// Requested bytes of all live blocks.
    pub BytesAllocated: usize,
    /// Committed bytes.
    pub BytesCommitted: usize,
    /// How many tags.
    pub NumberOfTags: u32,
    /// How many entries.
    pub NumberOfEntries: u32,
    /// How many pseudo tags.
    pub NumberOfPseudoTags: u32,
    /// Their distance.
    pub PseudoTagGranularity: u32,
    /// Zero.
    pub Reserved: [u32; 5],
    /// Tags: the heap's own, then the pseudo tags.
    pub Tags: *const RTL_HEAP_TAG,
    /// Entries.
    pub Entries: *const RTL_HEAP_ENTRY,
}

/// What was counted under a tag.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RTL_HEAP_TAG {
    /// Blocks allocated.
    pub NumberOfAllocations: u32,
    /// Of them, freed.
    pub NumberOfFrees: u32,
    /// Requested bytes of those that live.
    pub BytesAllocated: usize,
    /// Its index.
    pub TagIndex: u16,
    /// The stack that defined it.
    pub CreatorBackTraceIndex: u16,
    /// Its name.
    pub TagName: [u16; 24],
}

/// An entry of a heap.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RTL_HEAP_ENTRY {
    /// Bytes, overhead included.
    pub Size: usize,
    /// As a walk's.
    pub Flags: u16,
    /// The stack that allocated it.
    pub AllocatorBackTraceIndex: u16,
    /// The user value, or a region's committed bytes; a region's first block.
    pub words: [usize; 2],
}

/// The heaps of a process.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RTL_PROCESS_HEAPS {
    /// How many.
    pub NumberOfHeaps: u32,
    /// The first.
    pub Heaps: [RTL_HEAP_INFORMATION; 1],
}

/// The head of a query's buffer.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RTL_DEBUG_INFORMATION {
    /// Section, views, event pairs, process, thread.
    pub before: [usize; 8],
    /// What to fill in.
    pub Flags: u32,
    /// Where the unused part begins.
    pub OffsetFree: usize,
    /// Committed bytes.
    pub CommitSize: usize,
    /// Bytes of the buffer.
    pub ViewSize: usize,
    /// Modules, back traces.
    pub between: [usize; 2],
    /// The heaps.
    pub Heaps: *const RTL_PROCESS_HEAPS,
    /// Locks.
    pub Locks: usize,
    /// One heap, or NULL for all.
    pub SpecificHeap: HANDLE,
    /// The rest.
    pub after: [usize; 9],
}

import! { "kernel32";
    /// Gives back what is kept for later; the size of the largest committed free block.
    safe fn HeapCompact(hHeap: HANDLE, dwFlags: u32) -> usize;
}

import! { "ntdll";
    /// Checks a heap, or one block of it.
    safe fn RtlValidateHeap(HeapHandle: HANDLE, Flags: u32, BaseAddress: *const c_void) -> BOOLEAN;
    /// Makes a query's buffer.
    safe fn RtlCreateQueryDebugBuffer(
        MaximumCommit: u32,
        UseEventPair: BOOLEAN,
    ) -> *mut RTL_DEBUG_INFORMATION;
    /// Ends a query's buffer.
    ///
    /// # Safety
    /// It is not used any more.
    unsafe fn RtlDestroyQueryDebugBuffer(Buffer: *mut RTL_DEBUG_INFORMATION) -> NTSTATUS;
    /// Fills in the heaps.
    ///
    /// # Safety
    /// The buffer is NULL or one made for this.
    unsafe fn RtlQueryProcessHeapInformation(Buffer: *mut RTL_DEBUG_INFORMATION) -> NTSTATUS;
    /// Sums a heap up and lists its blocks.
    ///
    /// # Safety
    /// `Usage` is NULL or a structure that is zero but for its length and what earlier calls stored.
    unsafe fn RtlUsageHeap(HeapHandle: HANDLE, Flags: u32, Usage: *mut RTL_HEAP_USAGE) -> NTSTATUS;
}
