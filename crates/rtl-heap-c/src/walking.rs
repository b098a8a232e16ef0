//! `RtlWalkHeap` and `HeapWalk` (specification 5.4).

#![allow(non_camel_case_types, clippy::upper_case_acronyms)]

use rtl_heap::nt::{self, WalkEntry, WalkFlags};
use rtl_heap::status::Status;

use crate::exports::exports;
use crate::last_error::fail;
use crate::pin::pin_layout;
use crate::rtl::handle;
use crate::types::{BOOL, DWORD, FALSE, HANDLE, NTSTATUS, PVOID, SIZE_T, TRUE, ULONG};

/// An entry of `RtlWalkHeap`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RTL_HEAP_WALK_ENTRY {
    /// The entry's address; NULL to start a walk.
    pub DataAddress: PVOID,
    /// Bytes of data.
    pub DataSize: SIZE_T,
    /// Bytes of the block besides.
    pub OverheadBytes: u8,
    /// The region's number; 64 for large blocks.
    pub SegmentIndex: u8,
    /// `RTL_HEAP_*`.
    pub Flags: u16,
    /// More, by kind.
    pub u: RTL_HEAP_WALK_ENTRY_DETAILS,
}

/// What else a walk entry says, by kind.
#[repr(C)]
#[derive(Clone, Copy)]
pub union RTL_HEAP_WALK_ENTRY_DETAILS {
    /// Of a block.
    pub Block: RTL_HEAP_WALK_BLOCK,
    /// Of a region.
    pub Segment: RTL_HEAP_WALK_SEGMENT,
}

/// A block's user value, tag and allocating stack.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RTL_HEAP_WALK_BLOCK {
    /// The user value; 0 without one.
    pub Settable: SIZE_T,
    /// Its tag.
    pub TagIndex: u16,
    /// Its stack back trace.
    pub AllocatorBackTraceIndex: u16,
    /// Zero.
    pub Reserved: [ULONG; 2],
}

/// What is said of a region.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RTL_HEAP_WALK_SEGMENT {
    /// Bytes committed.
    pub CommittedSize: ULONG,
    /// Bytes reserved and not committed.
    pub UnCommittedSize: ULONG,
    /// First user pointer.
    pub FirstEntry: PVOID,
    /// End of the last block or uncommitted range.
    pub LastEntry: PVOID,
}

pin_layout!(
    RTL_HEAP_WALK_ENTRY,
    28 / 48,
    DataAddress = 0 / 0,
    DataSize = 4 / 8,
    OverheadBytes = 8 / 16,
    SegmentIndex = 9 / 17,
    Flags = 10 / 18,
    u = 12 / 24
);
pin_layout!(
    RTL_HEAP_WALK_BLOCK,
    16 / 24,
    TagIndex = 4 / 8,
    AllocatorBackTraceIndex = 6 / 10,
    Reserved = 8 / 12
);
pin_layout!(
    RTL_HEAP_WALK_SEGMENT,
    16 / 24,
    UnCommittedSize = 4 / 4,
    FirstEntry = 8 / 8,
    LastEntry = 12 / 16
);

/// An entry of `HeapWalk`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct PROCESS_HEAP_ENTRY {
    /// The entry's address; NULL to start a walk.
    pub lpData: PVOID,
    /// Bytes of data, their low 32 bits.
    pub cbData: DWORD,
    /// Bytes of the block besides.
    pub cbOverhead: u8,
    /// The region's number; 64 for large blocks.
    pub iRegionIndex: u8,
    /// `PROCESS_HEAP_*`.
    pub wFlags: u16,
    /// More, by kind.
    pub u: PROCESS_HEAP_ENTRY_DETAILS,
}

/// What else a walk entry says, by kind.
#[repr(C)]
#[derive(Clone, Copy)]
pub union PROCESS_HEAP_ENTRY_DETAILS {
    /// Of a block.
    pub Block: PROCESS_HEAP_ENTRY_BLOCK,
    /// Of a region.
    pub Region: PROCESS_HEAP_ENTRY_REGION,
}

/// A block's handle, which Windows has not reported since Windows 7.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct PROCESS_HEAP_ENTRY_BLOCK {
    /// NULL.
    pub hMem: HANDLE,
    /// Zero.
    pub dwReserved: [DWORD; 3],
}

pin_layout!(
    PROCESS_HEAP_ENTRY_BLOCK,
    16 / 24,
    hMem = 0 / 0,
    dwReserved = 4 / 8
);

/// What is said of a region.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct PROCESS_HEAP_ENTRY_REGION {
    /// Bytes committed.
    pub dwCommittedSize: DWORD,
    /// Bytes reserved and not committed.
    pub dwUnCommittedSize: DWORD,
    /// First user pointer.
    pub lpFirstBlock: PVOID,
    /// End of the last block or uncommitted range.
    pub lpLastBlock: PVOID,
}

pin_layout!(
    PROCESS_HEAP_ENTRY,
    28 / 40,
    lpData = 0 / 0,
    cbData = 4 / 8,
    cbOverhead = 8 / 12,
    iRegionIndex = 9 / 13,
    wFlags = 10 / 14,
    u = 12 / 16
);
pin_layout!(
    PROCESS_HEAP_ENTRY_REGION,
    16 / 24,
    dwUnCommittedSize = 4 / 4,
    lpFirstBlock = 8 / 8,
    lpLastBlock = 12 / 16
);

/// Where a caller has its entry.
pub type PRTL_HEAP_WALK_ENTRY = *mut RTL_HEAP_WALK_ENTRY;
/// Where a caller has its entry.
pub type LPPROCESS_HEAP_ENTRY = *mut PROCESS_HEAP_ENTRY;

/// `PROCESS_HEAP_REGION` and so on: `HeapWalk` knows fewer kinds, in other numbers.
fn process_heap_flags(flags: WalkFlags) -> u16 {
    const REGION: u16 = 0x0001;
    const UNCOMMITTED_RANGE: u16 = 0x0002;
    const BUSY: u16 = 0x0004;
    if flags.contains(WalkFlags::SEGMENT) {
        REGION
    } else if flags.contains(WalkFlags::UNCOMMITTED_RANGE) {
        UNCOMMITTED_RANGE
    } else if flags.contains(WalkFlags::BUSY) {
        BUSY
    } else {
        0
    }
}

fn address(address: usize) -> PVOID {
    core::ptr::with_exposed_provenance_mut(address)
}

fn rtl_entry(entry: &WalkEntry) -> RTL_HEAP_WALK_ENTRY {
    let u = match &entry.region {
        Some(region) => RTL_HEAP_WALK_ENTRY_DETAILS {
            Segment: RTL_HEAP_WALK_SEGMENT {
                CommittedSize: region.committed as ULONG,
                UnCommittedSize: region.uncommitted as ULONG,
                FirstEntry: address(region.first_block),
                LastEntry: address(region.last_block),
            },
        },
        None => RTL_HEAP_WALK_ENTRY_DETAILS {
            Block: RTL_HEAP_WALK_BLOCK {
                Settable: entry.settable,
                TagIndex: entry.tag,
                AllocatorBackTraceIndex: 0,
                Reserved: [0; 2],
            },
        },
    };
    RTL_HEAP_WALK_ENTRY {
        DataAddress: address(entry.address),
        DataSize: entry.size,
        OverheadBytes: entry.overhead,
        SegmentIndex: entry.index,
        Flags: entry.flags.bits(),
        u,
    }
}

fn process_heap_entry(entry: &WalkEntry) -> PROCESS_HEAP_ENTRY {
    let region = match &entry.region {
        Some(region) => PROCESS_HEAP_ENTRY_REGION {
            dwCommittedSize: region.committed as DWORD,
            dwUnCommittedSize: region.uncommitted as DWORD,
            lpFirstBlock: address(region.first_block),
            lpLastBlock: address(region.last_block),
        },
        // All bytes zero: no handle.
        None => PROCESS_HEAP_ENTRY_REGION {
            dwCommittedSize: 0,
            dwUnCommittedSize: 0,
            lpFirstBlock: address(0),
            lpLastBlock: address(0),
        },
    };
    PROCESS_HEAP_ENTRY {
        lpData: address(entry.address),
        cbData: entry.size as DWORD,
        cbOverhead: entry.overhead,
        iRegionIndex: entry.index,
        wFlags: process_heap_flags(entry.flags),
        u: PROCESS_HEAP_ENTRY_DETAILS { Region: region },
    }
}

exports! { nt:
    /// Steps from the heap's entry at `Entry->DataAddress` to the next one; to the first one if
    /// that is NULL. All other members may hold anything.
    ///
    /// `STATUS_NO_MORE_ENTRIES` at the end; `STATUS_INVALID_PARAMETER` for a NULL entry and for an
    /// address where the heap has no entry (any more); `STATUS_HEAP_CORRUPTION` where the heap's
    /// own data were overwritten; `STATUS_INVALID_HANDLE` for what is no heap. Then the structure
    /// is as it was.
    ///
    /// # Safety
    /// 1. `Entry` is NULL or the caller's to read and write.
    pub unsafe extern "system" fn RtlWalkHeap(
        HeapHandle: PVOID,
        Entry: PRTL_HEAP_WALK_ENTRY,
    ) -> NTSTATUS {
        if Entry.is_null() {
            return Status::INVALID_PARAMETER.0;
        }
        // SAFETY: (1).
        let from = unsafe { (&raw const (*Entry).DataAddress).read_unaligned() };
        match nt::walk(handle(HeapHandle), from.addr()) {
            Ok(entry) => {
                // SAFETY: (1).
                unsafe { Entry.write_unaligned(rtl_entry(&entry)) };
                Status::SUCCESS.0
            }
            Err(status) => status.0,
        }
    }

    /// [`RtlWalkHeap`] with Win32's structure: FALSE and `ERROR_NO_MORE_ITEMS` at the end.
    ///
    /// # Safety
    /// 1. `lpEntry` is NULL or the caller's to read and write.
    pub unsafe extern "system" fn HeapWalk(hHeap: HANDLE, lpEntry: LPPROCESS_HEAP_ENTRY) -> BOOL {
        if lpEntry.is_null() {
            fail(Status::INVALID_PARAMETER);
            return FALSE;
        }
        // SAFETY: (1).
        let from = unsafe { (&raw const (*lpEntry).lpData).read_unaligned() };
        match nt::walk(handle(hHeap), from.addr()) {
            Ok(entry) => {
                // SAFETY: (1).
                unsafe { lpEntry.write_unaligned(process_heap_entry(&entry)) };
                TRUE
            }
            Err(status) => {
                fail(status);
                FALSE
            }
        }
    }
}
