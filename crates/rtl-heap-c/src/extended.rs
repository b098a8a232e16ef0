//! `HeapExtendedInformation`: structures and callback (specification 9).

#![allow(non_camel_case_types, clippy::upper_case_acronyms)]

use rtl_heap::nt::{self, Item, Level, WalkFlags};
use rtl_heap::status::Status;

use crate::pin::pin_layout;
use crate::rtl::handle;
use crate::types::{HANDLE, NTSTATUS, PVOID, SIZE_T, ULONG, ULONG_PTR};

/// The process.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct PROCESS_HEAP_INFORMATION {
    /// Bytes reserved by all heaps.
    pub ReserveSize: SIZE_T,
    /// Bytes committed.
    pub CommitSize: SIZE_T,
    /// How many heaps there are.
    pub NumberOfHeaps: ULONG,
    /// 0: items come through the callback.
    pub FirstHeapInformationOffset: ULONG_PTR,
}

/// A heap.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HEAP_INFORMATION {
    /// The handle.
    pub Address: PVOID,
    /// 0 standard, 2 low-fragmentation heap.
    pub Mode: ULONG,
    /// Bytes reserved.
    pub ReserveSize: SIZE_T,
    /// Bytes committed.
    pub CommitSize: SIZE_T,
    /// 0.
    pub FirstRegionInformationOffset: ULONG_PTR,
    /// 0.
    pub NextHeapInformationOffset: ULONG_PTR,
}

/// A region.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HEAP_REGION_INFORMATION {
    /// First address.
    pub Address: PVOID,
    /// Bytes reserved.
    pub ReserveSize: SIZE_T,
    /// Bytes committed.
    pub CommitSize: SIZE_T,
    /// 0.
    pub FirstRangeInformationOffset: ULONG_PTR,
    /// 0.
    pub NextRegionInformationOffset: ULONG_PTR,
}

/// Pages in one state.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HEAP_RANGE_INFORMATION {
    /// First address.
    pub Address: PVOID,
    /// Bytes.
    pub Size: SIZE_T,
    /// [`HEAP_RANGE_TYPE_COMMITTED`] or [`HEAP_RANGE_TYPE_RESERVED`].
    pub Type: ULONG,
    /// `PAGE_*`.
    pub Protection: ULONG,
    /// 0.
    pub FirstBlockInformationOffset: ULONG_PTR,
    /// 0.
    pub NextRangeInformationOffset: ULONG_PTR,
}

/// A block.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HEAP_BLOCK_INFORMATION {
    /// As a walk gives it.
    pub Address: PVOID,
    /// `HEAP_BLOCK_*`.
    pub Flags: ULONG,
    /// Bytes of data.
    pub DataSize: SIZE_T,
    /// Bytes besides.
    pub OverheadSize: ULONG_PTR,
    /// 0.
    pub NextBlockInformationOffset: ULONG_PTR,
}

/// Pages that are committed.
pub const HEAP_RANGE_TYPE_COMMITTED: ULONG = 1;
/// Pages that are reserved and no more.
pub const HEAP_RANGE_TYPE_RESERVED: ULONG = 2;
/// In use.
pub const HEAP_BLOCK_BUSY: ULONG = 1;
/// Has a user value or user flags.
pub const HEAP_BLOCK_EXTRA_INFORMATION: ULONG = 2;
/// Has a reservation of its own.
pub const HEAP_BLOCK_LARGE_BLOCK: ULONG = 4;
/// A slot of the front end.
pub const HEAP_BLOCK_LFH_BLOCK: ULONG = 8;

/// What an item is, by its level.
#[repr(C)]
#[derive(Clone, Copy)]
pub union HEAP_INFORMATION_ITEM_DETAILS {
    /// Level 1.
    pub ProcessHeapInformation: PROCESS_HEAP_INFORMATION,
    /// Level 2.
    pub HeapInformation: HEAP_INFORMATION,
    /// Level 3.
    pub HeapRegionInformation: HEAP_REGION_INFORMATION,
    /// Level 4.
    pub HeapRangeInformation: HEAP_RANGE_INFORMATION,
    /// Level 5.
    pub HeapBlockInformation: HEAP_BLOCK_INFORMATION,
}

/// What the callback is given.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct HEAP_INFORMATION_ITEM {
    /// 1 process, 2 heap, 3 region, 4 range, 5 block.
    pub Level: ULONG,
    /// Size of this structure.
    pub Size: SIZE_T,
    /// The item.
    pub u: HEAP_INFORMATION_ITEM_DETAILS,
}

/// Called with each item and the caller's context; a failure ends the enumeration.
pub type PHEAP_EXTENDED_ENUMERATION_ROUTINE = Option<
    unsafe extern "system" fn(
        Information: *const HEAP_INFORMATION_ITEM,
        CallbackContext: PVOID,
    ) -> NTSTATUS,
>;

/// The answer to a question without a callback.
#[repr(C)]
#[derive(Clone, Copy)]
pub union HEAP_EXTENDED_INFORMATION_DETAILS {
    /// Level 1.
    pub ProcessHeapInformation: PROCESS_HEAP_INFORMATION,
    /// Level 2.
    pub HeapInformation: HEAP_INFORMATION,
}

/// Question and answer.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct HEAP_EXTENDED_INFORMATION {
    /// NULL or -1: this process.
    pub ProcessHandle: HANDLE,
    /// The heap; NULL for the process and all its heaps.
    pub HeapHandle: PVOID,
    /// How deep: 1 to 5.
    pub Level: ULONG,
    /// Called with each item down to that level. Levels 1 and 2 can do without.
    pub CallbackRoutine: PHEAP_EXTENDED_ENUMERATION_ROUTINE,
    /// Passed to it.
    pub CallbackContext: PVOID,
    /// Without a callback: the answer.
    pub u: HEAP_EXTENDED_INFORMATION_DETAILS,
}

pin_layout!(
    PROCESS_HEAP_INFORMATION,
    16 / 32,
    ReserveSize = 0 / 0,
    CommitSize = 4 / 8,
    NumberOfHeaps = 8 / 16,
    FirstHeapInformationOffset = 12 / 24
);
pin_layout!(
    HEAP_INFORMATION,
    24 / 48,
    Address = 0 / 0,
    Mode = 4 / 8,
    ReserveSize = 8 / 16,
    CommitSize = 12 / 24,
    FirstRegionInformationOffset = 16 / 32,
    NextHeapInformationOffset = 20 / 40
);
pin_layout!(
    HEAP_REGION_INFORMATION,
    20 / 40,
    Address = 0 / 0,
    ReserveSize = 4 / 8,
    CommitSize = 8 / 16,
    FirstRangeInformationOffset = 12 / 24,
    NextRegionInformationOffset = 16 / 32
);
pin_layout!(
    HEAP_RANGE_INFORMATION,
    24 / 40,
    Address = 0 / 0,
    Size = 4 / 8,
    Type = 8 / 16,
    Protection = 12 / 20,
    FirstBlockInformationOffset = 16 / 24,
    NextRangeInformationOffset = 20 / 32
);
pin_layout!(
    HEAP_BLOCK_INFORMATION,
    20 / 40,
    Address = 0 / 0,
    Flags = 4 / 8,
    DataSize = 8 / 16,
    OverheadSize = 12 / 24,
    NextBlockInformationOffset = 16 / 32
);
pin_layout!(
    HEAP_INFORMATION_ITEM,
    32 / 64,
    Level = 0 / 0,
    Size = 4 / 8,
    u = 8 / 16
);
pin_layout!(
    HEAP_EXTENDED_INFORMATION,
    44 / 88,
    ProcessHandle = 0 / 0,
    HeapHandle = 4 / 8,
    Level = 8 / 16,
    CallbackRoutine = 12 / 24,
    CallbackContext = 16 / 32,
    u = 20 / 40
);

const PAGE_NOACCESS: ULONG = 0x01;
const PAGE_READWRITE: ULONG = 0x04;
const PAGE_EXECUTE_READWRITE: ULONG = 0x40;

fn address(address: usize) -> PVOID {
    core::ptr::with_exposed_provenance_mut(address)
}

fn block_flags(flags: WalkFlags) -> ULONG {
    const EXTRA: WalkFlags = WalkFlags::SETTABLE_VALUE
        .union(WalkFlags::SETTABLE_FLAG1)
        .union(WalkFlags::SETTABLE_FLAG2)
        .union(WalkFlags::SETTABLE_FLAG3);
    let pairs = [
        (WalkFlags::BUSY, HEAP_BLOCK_BUSY),
        (EXTRA, HEAP_BLOCK_EXTRA_INFORMATION),
        (WalkFlags::LARGE_ALLOC, HEAP_BLOCK_LARGE_BLOCK),
        (WalkFlags::LFH_ALLOC, HEAP_BLOCK_LFH_BLOCK),
    ];
    let set = pairs.iter().filter(|(flag, _)| flags.intersects(*flag));
    set.fold(0, |bits, (_, bit)| bits | bit)
}

fn details(item: &Item) -> HEAP_INFORMATION_ITEM_DETAILS {
    match *item {
        Item::Process {
            reserved,
            committed,
            heaps,
        } => HEAP_INFORMATION_ITEM_DETAILS {
            ProcessHeapInformation: PROCESS_HEAP_INFORMATION {
                ReserveSize: reserved,
                CommitSize: committed,
                NumberOfHeaps: heaps as ULONG,
                FirstHeapInformationOffset: 0,
            },
        },
        Item::Heap {
            handle,
            mode,
            reserved,
            committed,
        } => HEAP_INFORMATION_ITEM_DETAILS {
            HeapInformation: HEAP_INFORMATION {
                Address: address(handle),
                Mode: mode,
                ReserveSize: reserved,
                CommitSize: committed,
                FirstRegionInformationOffset: 0,
                NextHeapInformationOffset: 0,
            },
        },
        Item::Region {
            address: base,
            reserved,
            committed,
        } => HEAP_INFORMATION_ITEM_DETAILS {
            HeapRegionInformation: HEAP_REGION_INFORMATION {
                Address: address(base),
                ReserveSize: reserved,
                CommitSize: committed,
                FirstRangeInformationOffset: 0,
                NextRegionInformationOffset: 0,
            },
        },
        Item::Range {
            address: base,
            size,
            committed,
            executable,
        } => HEAP_INFORMATION_ITEM_DETAILS {
            HeapRangeInformation: HEAP_RANGE_INFORMATION {
                Address: address(base),
                Size: size,
                Type: if committed {
                    HEAP_RANGE_TYPE_COMMITTED
                } else {
                    HEAP_RANGE_TYPE_RESERVED
                },
                Protection: match (committed, executable) {
                    (false, _) => PAGE_NOACCESS,
                    (true, false) => PAGE_READWRITE,
                    (true, true) => PAGE_EXECUTE_READWRITE,
                },
                FirstBlockInformationOffset: 0,
                NextRangeInformationOffset: 0,
            },
        },
        Item::Block(entry) => HEAP_INFORMATION_ITEM_DETAILS {
            HeapBlockInformation: HEAP_BLOCK_INFORMATION {
                Address: address(entry.address),
                Flags: block_flags(entry.flags),
                DataSize: entry.size,
                OverheadSize: entry.overhead.into(),
                NextBlockInformationOffset: 0,
            },
        },
    }
}

/// Answers a question, in its structure or through its callback.
///
/// `STATUS_INVALID_PARAMETER` for a level that is none, or too deep to answer without a callback;
/// `STATUS_INVALID_HANDLE` for another process and for what is no heap.
///
/// # Safety
/// 1. The caller has a structure at `asked`, and its callback may be called with its context; it
///    neither unwinds nor jumps out.
pub(crate) unsafe fn query(asked: *mut HEAP_EXTENDED_INFORMATION) -> Result<(), Status> {
    // SAFETY: (1).
    let question = unsafe { asked.read_unaligned() };
    let process = question.ProcessHandle.addr();
    if process != 0 && process != usize::MAX {
        return Err(Status::INVALID_HANDLE);
    }
    let level = Level::from_number(question.Level).ok_or(Status::INVALID_PARAMETER)?;
    let heap = (!question.HeapHandle.is_null()).then(|| handle(question.HeapHandle));
    if let Some(routine) = question.CallbackRoutine {
        return nt::extended(heap, level, &mut |item| {
            let item = HEAP_INFORMATION_ITEM {
                Level: item.level() as ULONG,
                Size: size_of::<HEAP_INFORMATION_ITEM>(),
                u: details(item),
            };
            // SAFETY: (1).
            let status = Status(unsafe { routine(&raw const item, question.CallbackContext) });
            if status.is_success() {
                Ok(())
            } else {
                Err(status)
            }
        });
    }
    // Without a callback there is room for one item.
    let heap = match level {
        Level::Process => None,
        Level::Heap => Some(heap.ok_or(Status::INVALID_PARAMETER)?),
        _ => return Err(Status::INVALID_PARAMETER),
    };
    nt::extended(heap, level, &mut |item| {
        let u = match (level, details(item)) {
            // SAFETY: the item is of the level asked for, which says what the union holds.
            (Level::Process, details) => unsafe {
                HEAP_EXTENDED_INFORMATION_DETAILS {
                    ProcessHeapInformation: details.ProcessHeapInformation,
                }
            },
            // SAFETY: as above.
            (_, details) => unsafe {
                HEAP_EXTENDED_INFORMATION_DETAILS {
                    HeapInformation: details.HeapInformation,
                }
            },
        };
        // SAFETY: (1).
        unsafe { (&raw mut (*asked).u).write_unaligned(u) };
        Ok(())
    })
}
