//! `RtlQueryProcessHeapInformation` and the buffer it fills (specification 5.1, 9).

#![allow(non_camel_case_types, clippy::upper_case_acronyms)]

use core::ptr;

use rtl_heap::caller_memory;
use rtl_heap::nt::{self, WalkEntry, WalkFlags};
use rtl_heap::status::Status;

use crate::exports::exports;
use crate::last_error::fail;
use crate::pin::pin_layout;
use crate::rtl::{handle, pointer};
use crate::tags::{PRTL_HEAP_TAG, RTL_HEAP_TAG};
use crate::types::{BOOLEAN, HANDLE, NTSTATUS, PVOID, SIZE_T, ULONG, ULONG_PTR};

/// What is known of a process; its lists lie behind it in one buffer.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RTL_DEBUG_INFORMATION {
    /// NULL.
    pub SectionHandleClient: HANDLE,
    /// The buffer's, and this structure's, address.
    pub ViewBaseClient: PVOID,
    /// The same.
    pub ViewBaseTarget: PVOID,
    /// 0.
    pub ViewBaseDelta: ULONG_PTR,
    /// NULL.
    pub EventPairClient: HANDLE,
    /// NULL.
    pub EventPairTarget: HANDLE,
    /// NULL.
    pub TargetProcessId: HANDLE,
    /// NULL.
    pub TargetThreadHandle: HANDLE,
    /// What to fill in: `RTL_QUERY_PROCESS_*`.
    pub Flags: ULONG,
    /// Where the unused part of the buffer begins, in bytes from its start.
    pub OffsetFree: SIZE_T,
    /// Bytes of the buffer that are committed.
    pub CommitSize: SIZE_T,
    /// Bytes of the buffer.
    pub ViewSize: SIZE_T,
    /// Not the heap's.
    pub Modules: PVOID,
    /// Not the heap's.
    pub BackTraces: PVOID,
    /// The heaps.
    pub Heaps: PRTL_PROCESS_HEAPS,
    /// Not the heap's.
    pub Locks: PVOID,
    /// The one heap to tell of; NULL for all.
    pub SpecificHeap: PVOID,
    /// NULL.
    pub TargetProcessHandle: HANDLE,
    /// Not the heap's.
    pub VerifierOptions: PVOID,
    /// The process heap.
    pub ProcessHeap: PVOID,
    /// NULL.
    pub CriticalSectionHandle: HANDLE,
    /// NULL.
    pub CriticalSectionOwnerThread: HANDLE,
    /// Zero.
    pub Reserved: [PVOID; 4],
}

/// The heaps of a process: as many as `NumberOfHeaps` says.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RTL_PROCESS_HEAPS {
    /// How many.
    pub NumberOfHeaps: ULONG,
    /// The first of them.
    pub Heaps: [RTL_HEAP_INFORMATION; 1],
}

/// A heap.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RTL_HEAP_INFORMATION {
    /// The handle.
    pub BaseAddress: PVOID,
    /// Creation flags.
    pub Flags: ULONG,
    /// Bytes of a block's header.
    pub EntryOverhead: u16,
    /// The stack that made the heap.
    pub CreatorBackTraceIndex: u16,
    /// What callers asked for and have not freed.
    pub BytesAllocated: SIZE_T,
    /// Committed.
    pub BytesCommitted: SIZE_T,
    /// How many `Tags`.
    pub NumberOfTags: ULONG,
    /// How many `Entries`.
    pub NumberOfEntries: ULONG,
    /// How many of the tags are pseudo tags.
    pub NumberOfPseudoTags: ULONG,
    /// Bytes from one pseudo tag's size to the next.
    pub PseudoTagGranularity: ULONG,
    /// Zero.
    pub Reserved: [ULONG; 5],
    /// Tags.
    pub Tags: PRTL_HEAP_TAG,
    /// Regions, ranges and blocks, as a walk has them.
    pub Entries: PRTL_HEAP_ENTRY,
}

/// A step of a walk, without its address: a region says where its first block is, and sizes add up.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RTL_HEAP_ENTRY {
    /// Bytes, overhead included; of a region its header's.
    pub Size: SIZE_T,
    /// `RTL_HEAP_*` of a walk.
    pub Flags: u16,
    /// The stack that allocated the block.
    pub AllocatorBackTraceIndex: u16,
    /// More, by kind.
    pub u: RTL_HEAP_ENTRY_DETAILS,
}

/// What else an entry says, by kind.
#[repr(C)]
#[derive(Clone, Copy)]
pub union RTL_HEAP_ENTRY_DETAILS {
    /// A block's user value.
    pub Settable: SIZE_T,
    /// A block's tag, if it has one and no user value.
    pub Tag: ULONG,
    /// Of a region.
    pub Region: RTL_HEAP_ENTRY_REGION,
}

/// What is said of a region.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RTL_HEAP_ENTRY_REGION {
    /// Bytes committed.
    pub CommittedSize: SIZE_T,
    /// First user pointer.
    pub FirstBlock: PVOID,
}

pin_layout!(
    RTL_HEAP_ENTRY_REGION,
    8 / 16,
    CommittedSize = 0 / 0,
    FirstBlock = 4 / 8
);

pin_layout!(
    RTL_HEAP_INFORMATION,
    64 / 88,
    BaseAddress = 0 / 0,
    Flags = 4 / 8,
    EntryOverhead = 8 / 12,
    CreatorBackTraceIndex = 10 / 14,
    BytesAllocated = 12 / 16,
    BytesCommitted = 16 / 24,
    NumberOfTags = 20 / 32,
    NumberOfEntries = 24 / 36,
    NumberOfPseudoTags = 28 / 40,
    PseudoTagGranularity = 32 / 44,
    Reserved = 36 / 48,
    Tags = 56 / 72,
    Entries = 60 / 80
);
pin_layout!(
    RTL_HEAP_ENTRY,
    16 / 32,
    Size = 0 / 0,
    Flags = 4 / 8,
    AllocatorBackTraceIndex = 6 / 10,
    u = 8 / 16
);
pin_layout!(
    RTL_PROCESS_HEAPS,
    68 / 96,
    NumberOfHeaps = 0 / 0,
    Heaps = 4 / 8
);
pin_layout!(
    RTL_DEBUG_INFORMATION,
    104 / 208,
    SectionHandleClient = 0 / 0,
    ViewBaseClient = 4 / 8,
    ViewBaseTarget = 8 / 16,
    ViewBaseDelta = 12 / 24,
    EventPairClient = 16 / 32,
    EventPairTarget = 20 / 40,
    TargetProcessId = 24 / 48,
    TargetThreadHandle = 28 / 56,
    Flags = 32 / 64,
    OffsetFree = 36 / 72,
    CommitSize = 40 / 80,
    ViewSize = 44 / 88,
    Modules = 48 / 96,
    BackTraces = 52 / 104,
    Heaps = 56 / 112,
    Locks = 60 / 120,
    SpecificHeap = 64 / 128,
    TargetProcessHandle = 68 / 136,
    VerifierOptions = 72 / 144,
    ProcessHeap = 76 / 152,
    CriticalSectionHandle = 80 / 160,
    CriticalSectionOwnerThread = 84 / 168,
    Reserved = 88 / 176
);

/// A buffer.
pub type PRTL_DEBUG_INFORMATION = *mut RTL_DEBUG_INFORMATION;
/// A list of heaps.
pub type PRTL_PROCESS_HEAPS = *mut RTL_PROCESS_HEAPS;
/// A list of entries.
pub type PRTL_HEAP_ENTRY = *mut RTL_HEAP_ENTRY;

const RTL_QUERY_PROCESS_HEAP_SUMMARY: ULONG = 0x0000_0004;
const RTL_QUERY_PROCESS_HEAP_TAGS: ULONG = 0x0000_0008;
const RTL_QUERY_PROCESS_HEAP_ENTRIES: ULONG = 0x0000_0010;
const RTL_QUERY_PROCESS_HEAP_SEGMENTS: ULONG = 0x0000_0200;

/// Bytes of a buffer whose maker did not say.
const USUAL_BUFFER: usize = 0x40_0000;
/// Bytes a buffer is committed by.
const COMMIT_STEP: usize = 0x1_0000;
/// Bytes of a block's header.
const ENTRY_OVERHEAD: u16 = 8;

/// Takes `bytes` zeroed bytes from the buffer.
///
/// # Safety
/// 1. `info` lies at the start of a buffer of the caller's that is as it says.
unsafe fn take(info: PRTL_DEBUG_INFORMATION, bytes: usize) -> Result<*mut u8, Status> {
    // SAFETY: (1).
    let (free, committed, size) =
        unsafe { ((*info).OffsetFree, (*info).CommitSize, (*info).ViewSize) };
    let start = free.next_multiple_of(size_of::<PVOID>());
    let end = start.checked_add(bytes).filter(|end| *end <= size);
    let end = end.ok_or(Status::NO_MEMORY)?;
    if end > committed {
        let more = (end - committed)
            .next_multiple_of(COMMIT_STEP)
            .min(size - committed);
        // SAFETY: (1): the buffer is one thread's at a time.
        unsafe { caller_memory::commit(info.addr() + committed, more) }?;
        // SAFETY: (1).
        unsafe { (*info).CommitSize = committed + more };
    }
    // SAFETY: (1): committed, as just seen to.
    unsafe {
        (*info).OffsetFree = end;
        let at = info.cast::<u8>().add(start);
        at.write_bytes(0, bytes);
        Ok(at)
    }
}

fn heap_entry(entry: &WalkEntry) -> RTL_HEAP_ENTRY {
    let u = match &entry.region {
        Some(region) => RTL_HEAP_ENTRY_DETAILS {
            Region: RTL_HEAP_ENTRY_REGION {
                CommittedSize: region.committed,
                FirstBlock: ptr::with_exposed_provenance_mut(region.first_block),
            },
        },
        None if entry.settable == 0 && entry.tag != 0 => RTL_HEAP_ENTRY_DETAILS {
            Tag: entry.tag.into(),
        },
        None => RTL_HEAP_ENTRY_DETAILS {
            Settable: entry.settable,
        },
    };
    RTL_HEAP_ENTRY {
        Size: entry.size + usize::from(entry.overhead),
        Flags: entry.flags.bits(),
        AllocatorBackTraceIndex: 0,
        u,
    }
}

/// Adds the entries of a heap to the buffer, one behind the other.
///
/// # Safety
/// 1. As for [`take`]; `heap` points into the buffer.
unsafe fn add_entries(
    info: PRTL_DEBUG_INFORMATION,
    heap: *mut RTL_HEAP_INFORMATION,
    all: bool,
) -> Result<(), Status> {
    // SAFETY: (1).
    let handle = handle(unsafe { (*heap).BaseAddress });
    let mut address = 0;
    loop {
        let entry = match nt::walk(handle, address) {
            Ok(entry) => entry,
            Err(Status::NO_MORE_ENTRIES) => return Ok(()),
            Err(status) => return Err(status),
        };
        address = entry.address;
        if !all && !entry.flags.contains(WalkFlags::SEGMENT) {
            continue;
        }
        // SAFETY: (1).
        unsafe {
            let at = take(info, size_of::<RTL_HEAP_ENTRY>())?.cast::<RTL_HEAP_ENTRY>();
            at.write(heap_entry(&entry));
            if (*heap).Entries.is_null() {
                (*heap).Entries = at;
            }
            (*heap).NumberOfEntries += 1;
        }
    }
}

/// Adds the tags of a heap to the buffer, one behind the other.
///
/// # Safety
/// 1. As for [`take`]; `heap` points into the buffer.
unsafe fn add_tags(
    info: PRTL_DEBUG_INFORMATION,
    heap: *mut RTL_HEAP_INFORMATION,
    base: nt::HeapHandle,
) -> Result<(), Status> {
    let mut result = Ok(());
    nt::for_each_tag(Some(base), |tag| {
        if result.is_err() {
            return;
        }
        // SAFETY: (1).
        unsafe {
            result = take(info, size_of::<RTL_HEAP_TAG>()).map(|at| {
                let at = at.cast::<RTL_HEAP_TAG>();
                at.write(tag.into());
                if (*heap).Tags.is_null() {
                    (*heap).Tags = at;
                    (*heap).NumberOfPseudoTags = nt::PSEUDO_TAGS as ULONG;
                    (*heap).PseudoTagGranularity = nt::PSEUDO_TAG_GRANULARITY as ULONG;
                }
                (*heap).NumberOfTags += 1;
            });
        }
    })?;
    result
}

/// # Safety
/// 1. As for [`take`]; `heap` points into the buffer.
unsafe fn describe(
    info: PRTL_DEBUG_INFORMATION,
    heap: *mut RTL_HEAP_INFORMATION,
    base: nt::HeapHandle,
    flags: ULONG,
) -> Result<(), Status> {
    let sums = nt::summary(base)?;
    // SAFETY: (1).
    unsafe {
        (*heap).BaseAddress = pointer(base);
        (*heap).Flags = nt::flags(base)?.bits();
        (*heap).EntryOverhead = ENTRY_OVERHEAD;
        (*heap).BytesAllocated = sums.allocated;
        (*heap).BytesCommitted = sums.committed;
    }
    if flags & RTL_QUERY_PROCESS_HEAP_TAGS != 0 {
        // SAFETY: (1).
        unsafe { add_tags(info, heap, base) }?;
    }
    let all = flags & RTL_QUERY_PROCESS_HEAP_ENTRIES != 0;
    if !all && flags & RTL_QUERY_PROCESS_HEAP_SEGMENTS == 0 {
        return Ok(());
    }
    nt::lock(base)?;
    // SAFETY: (1).
    let result = unsafe { add_entries(info, heap, all) };
    let _ = nt::unlock(base);
    result
}

/// # Safety
/// 1. As for [`take`].
unsafe fn fill(info: PRTL_DEBUG_INFORMATION) -> Result<(), Status> {
    const ASKS: ULONG = RTL_QUERY_PROCESS_HEAP_SUMMARY
        | RTL_QUERY_PROCESS_HEAP_TAGS
        | RTL_QUERY_PROCESS_HEAP_ENTRIES
        | RTL_QUERY_PROCESS_HEAP_SEGMENTS;
    // SAFETY: (1).
    let (flags, specific) = unsafe { ((*info).Flags, (*info).SpecificHeap) };
    if flags & ASKS == 0 {
        return Ok(());
    }
    let mut count = 1;
    if specific.is_null() {
        count = 0;
        nt::for_each_process_heap(|_| {
            count += 1;
            true
        });
    }
    let bytes = size_of::<RTL_PROCESS_HEAPS>() + count * size_of::<RTL_HEAP_INFORMATION>();
    // SAFETY: (1): the buffer has room for that many heaps.
    unsafe {
        let heaps = take(info, bytes)?.cast::<RTL_PROCESS_HEAPS>();
        let first = (&raw mut (*heaps).Heaps).cast::<RTL_HEAP_INFORMATION>();
        (*info).ProcessHeap = pointer(nt::process_heap()?);
        if specific.is_null() {
            let mut result = Ok(());
            let mut filled = 0;
            nt::for_each_process_heap(|heap| {
                if filled == count {
                    return false;
                }
                result = describe(info, first.add(filled), heap, flags);
                filled += 1;
                result.is_ok()
            });
            result?;
            (*heaps).NumberOfHeaps = filled as ULONG;
        } else {
            describe(info, first, handle(specific), flags)?;
            (*heaps).NumberOfHeaps = 1;
        }
        (*info).Heaps = heaps;
    }
    Ok(())
}

exports! { nt:
    /// Makes a buffer of `MaximumCommit` bytes, or the usual 4 MiB for 0. NULL and
    /// `STATUS_NO_MEMORY` if there is no memory. `UseEventPair` means nothing.
    pub extern "system" fn RtlCreateQueryDebugBuffer(
        MaximumCommit: ULONG,
        UseEventPair: BOOLEAN,
    ) -> PRTL_DEBUG_INFORMATION {
        let _ = UseEventPair;
        let wanted = if MaximumCommit == 0 { USUAL_BUFFER } else { MaximumCommit as usize };
        let make = || {
            let size = wanted.max(COMMIT_STEP).next_multiple_of(COMMIT_STEP);
            let base = caller_memory::reserve(size)?;
            let address = base.addr().get();
            // SAFETY: nobody else knows the reservation yet.
            if let Err(status) = unsafe { caller_memory::commit(address, COMMIT_STEP) } {
                // SAFETY: it was reserved a moment ago.
                let _ = unsafe { caller_memory::release(address) };
                return Err(status);
            }
            let info = base.as_ptr().cast::<RTL_DEBUG_INFORMATION>();
            // SAFETY: fresh pages read zero, which is a structure with nothing in it.
            unsafe {
                (*info).ViewBaseClient = info.cast();
                (*info).ViewBaseTarget = info.cast();
                (*info).OffsetFree = size_of::<RTL_DEBUG_INFORMATION>();
                (*info).CommitSize = COMMIT_STEP;
                (*info).ViewSize = size;
            }
            Ok(info)
        };
        make().unwrap_or_else(|status| {
            fail(status);
            ptr::null_mut()
        })
    }

    /// Gives a buffer back. `STATUS_INVALID_PARAMETER` for what is none.
    ///
    /// # Safety
    /// 1. The buffer is not used any more.
    pub unsafe extern "system" fn RtlDestroyQueryDebugBuffer(
        Buffer: PRTL_DEBUG_INFORMATION,
    ) -> NTSTATUS {
        // SAFETY: (1).
        let released = unsafe { caller_memory::release(Buffer.addr()) };
        released.err().unwrap_or(Status::SUCCESS).0
    }

    /// Fills in `Heaps` as `Flags` say: sums (0x4), tags (0x8), every entry (0x10), or regions only (0x200), of
    /// `SpecificHeap` or of all heaps.
    ///
    /// `STATUS_NO_MEMORY` if the buffer is too small; `STATUS_INVALID_PARAMETER` for NULL;
    /// `STATUS_INVALID_HANDLE` for a specific heap that is none; `STATUS_HEAP_CORRUPTION` for
    /// entries that were overwritten.
    ///
    /// # Safety
    /// 1. `Buffer` came from `RtlCreateQueryDebugBuffer`, or begins a buffer that is as it says.
    pub unsafe extern "system" fn RtlQueryProcessHeapInformation(
        Buffer: PRTL_DEBUG_INFORMATION,
    ) -> NTSTATUS {
        if Buffer.is_null() {
            return Status::INVALID_PARAMETER.0;
        }
        // SAFETY: (1).
        unsafe { fill(Buffer) }.err().unwrap_or(Status::SUCCESS).0
    }
}
