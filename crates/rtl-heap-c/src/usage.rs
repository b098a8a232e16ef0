//! `RtlUsageHeap` (specification 5.3).
//!
//! The lists of blocks lie in one block of the process heap, whose address the caller's structure
//! carries from call to call; it is believed only if it is such a block.

#![allow(non_camel_case_types, clippy::upper_case_acronyms)]

use core::ptr;

use rtl_heap::flags::HeapFlags;
use rtl_heap::nt::{self, WalkFlags};
use rtl_heap::status::Status;

use crate::exports::exports;
use crate::pin::pin_layout;
use crate::rtl::handle;
use crate::types::{NTSTATUS, PVOID, SIZE_T, ULONG, ULONG_PTR};

/// A block in use, as a usage lists it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RTL_HEAP_USAGE_ENTRY {
    /// The next one, at a higher address.
    pub Next: PRTL_HEAP_USAGE_ENTRY,
    /// The user pointer.
    pub Address: PVOID,
    /// Bytes asked for.
    pub Size: SIZE_T,
    /// Its stack back trace.
    pub AllocatorBackTraceIndex: u16,
    /// Its tag.
    pub TagIndex: u16,
}

/// Sums over a heap, in bytes, and lists of its blocks.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RTL_HEAP_USAGE {
    /// Size of this structure.
    pub Length: ULONG,
    /// What callers asked for and have not freed.
    pub BytesAllocated: SIZE_T,
    /// Committed.
    pub BytesCommitted: SIZE_T,
    /// Reserved.
    pub BytesReserved: SIZE_T,
    /// The most that was ever reserved.
    pub BytesReservedMaximum: SIZE_T,
    /// The blocks in use.
    pub Entries: PRTL_HEAP_USAGE_ENTRY,
    /// Those that the call before did not list.
    pub AddedEntries: PRTL_HEAP_USAGE_ENTRY,
    /// Those that only the call before listed.
    pub RemovedEntries: PRTL_HEAP_USAGE_ENTRY,
    /// The library's between two calls; zero before the first one.
    pub Reserved: [ULONG_PTR; 8],
}

pin_layout!(
    RTL_HEAP_USAGE,
    64 / 128,
    Length = 0 / 0,
    BytesAllocated = 4 / 8,
    BytesCommitted = 8 / 16,
    BytesReserved = 12 / 24,
    BytesReservedMaximum = 16 / 32,
    Entries = 20 / 40,
    AddedEntries = 24 / 48,
    RemovedEntries = 28 / 56,
    Reserved = 32 / 64
);
pin_layout!(
    RTL_HEAP_USAGE_ENTRY,
    16 / 32,
    Next = 0 / 0,
    Address = 4 / 8,
    Size = 8 / 16,
    AllocatorBackTraceIndex = 12 / 24,
    TagIndex = 14 / 26
);

/// Where a caller has its structure.
pub type PRTL_HEAP_USAGE = *mut RTL_HEAP_USAGE;
/// An entry of a list.
pub type PRTL_HEAP_USAGE_ENTRY = *mut RTL_HEAP_USAGE_ENTRY;

/// Give the lists of the call before back.
const HEAP_USAGE_FREE_BUFFER: ULONG = 0x8;
/// List blocks.
const HEAP_USAGE_ALLOCATED_BLOCKS: ULONG = 0x10;

/// Begins the block that holds a usage's lists.
#[repr(C)]
struct Lists {
    magic: ULONG_PTR,
    /// How many entries are those of `Entries`; they come first.
    listed: usize,
}

const MAGIC: ULONG_PTR = 0x4745_5355;

const NO_FLAGS: HeapFlags = HeapFlags::empty();

/// The lists of an earlier call and its entries, if `address`, any bit pattern, has them.
fn earlier<'l>(process: nt::HeapHandle, address: usize) -> Option<&'l [RTL_HEAP_USAGE_ENTRY]> {
    let at = ptr::with_exposed_provenance::<Lists>(address);
    if address == 0 || !nt::validate(process, NO_FLAGS, Some(at.cast())) {
        return None;
    }
    let size = nt::size(process, NO_FLAGS, at.cast()).ok()?;
    if size < size_of::<Lists>() {
        return None;
    }
    // SAFETY: a live block of at least that size; any bits are numbers.
    let lists = unsafe { at.read() };
    let room = (size - size_of::<Lists>()) / size_of::<RTL_HEAP_USAGE_ENTRY>();
    if lists.magic != MAGIC || lists.listed > room {
        return None;
    }
    // SAFETY: as many entries fit into the block, which only this caller's structure leads to.
    Some(unsafe { core::slice::from_raw_parts(at.add(1).cast(), lists.listed) })
}

/// The blocks in use of a heap but for two, in no order, into as many entries as there are.
fn list(heap: nt::HeapHandle, room: &mut [RTL_HEAP_USAGE_ENTRY], except: [usize; 2]) -> usize {
    let (mut address, mut count) = (0, 0);
    while let Ok(entry) = nt::walk(heap, address) {
        address = entry.address;
        if !entry.flags.contains(WalkFlags::BUSY) || except.contains(&address) {
            continue;
        }
        let Some(slot) = room.get_mut(count) else {
            break;
        };
        *slot = RTL_HEAP_USAGE_ENTRY {
            Next: ptr::null_mut(),
            Address: ptr::with_exposed_provenance_mut(address),
            Size: entry.size,
            AllocatorBackTraceIndex: 0,
            TagIndex: 0,
        };
        count += 1;
    }
    count
}

/// Links the entries of a list; returns the first.
fn chain(entries: &mut [RTL_HEAP_USAGE_ENTRY]) -> PRTL_HEAP_USAGE_ENTRY {
    let mut next = ptr::null_mut();
    for entry in entries.iter_mut().rev() {
        entry.Next = next;
        next = entry;
    }
    next
}

/// Copies those of `from` that `without`, sorted, has not to the front of `to`; returns how many.
fn difference(
    from: &[RTL_HEAP_USAGE_ENTRY],
    without: &[RTL_HEAP_USAGE_ENTRY],
    to: &mut [RTL_HEAP_USAGE_ENTRY],
) -> usize {
    let mut count = 0;
    for entry in from {
        let found = without.binary_search_by_key(&entry.Address.addr(), |it| it.Address.addr());
        if found.is_ok_and(|at| without[at].Size == entry.Size) {
            continue;
        }
        to[count] = *entry;
        count += 1;
    }
    count
}

/// Makes the lists of a heap's blocks and of the differences to the call before.
fn make_lists(heap: nt::HeapHandle, usage: &mut RTL_HEAP_USAGE) -> Result<(), Status> {
    let process = nt::process_heap()?;
    // With the lock held nothing comes in between counting and listing but the front end's blocks.
    nt::lock(heap)?;
    let before = earlier(process, usage.Reserved[0]).unwrap_or(&[]);
    let live = nt::accounting(heap).map_or(0, |sums| sums.live_blocks) + 1;
    let entries = 2 * live + before.len();
    let bytes = size_of::<Lists>() + entries * size_of::<RTL_HEAP_USAGE_ENTRY>();
    let made = nt::allocate(process, HeapFlags::ZERO_MEMORY, bytes);
    let result = made.map(|block| {
        let lists = block.as_ptr().cast::<Lists>();
        // SAFETY: the block is ours, zeroed, and has room for all of it.
        let room = unsafe {
            core::slice::from_raw_parts_mut(lists.add(1).cast::<RTL_HEAP_USAGE_ENTRY>(), entries)
        };
        let (listed, rest) = room.split_at_mut(live);
        let (added, removed) = rest.split_at_mut(live);
        let count = list(heap, listed, [lists.addr(), usage.Reserved[0]]);
        let listed = &mut listed[..count];
        listed.sort_unstable_by_key(|entry| entry.Address.addr());
        let new = difference(listed, before, added);
        let gone = difference(before, listed, removed);
        usage.AddedEntries = chain(&mut added[..new]);
        usage.RemovedEntries = chain(&mut removed[..gone]);
        usage.Entries = chain(listed);
        // SAFETY: as above.
        unsafe {
            lists.write(Lists {
                magic: MAGIC,
                listed: count,
            })
        };
        lists.expose_provenance()
    });
    let _ = nt::unlock(heap);
    let lists = result?;
    free_lists(usage);
    usage.Reserved[0] = lists;
    Ok(())
}

/// Gives an earlier call's block back.
fn free_lists(usage: &mut RTL_HEAP_USAGE) {
    let address = core::mem::take(&mut usage.Reserved[0]);
    if let Ok(process) = nt::process_heap()
        && earlier(process, address).is_some()
    {
        // SAFETY: a block that an earlier call made, and the caller gave up by this one.
        let _ = unsafe { nt::free(process, NO_FLAGS, ptr::with_exposed_provenance_mut(address)) };
    }
}

exports! { nt:
    /// Sums a heap up; with `HEAP_USAGE_ALLOCATED_BLOCKS` (0x10) also lists its blocks in use, in
    /// the order of their addresses, and how the list differs from that of the last call with this
    /// structure. `HEAP_USAGE_FREE_BUFFER` (0x8) gives the lists back. `Reserved` has to be zero
    /// at first, and left alone then.
    ///
    /// `STATUS_INFO_LENGTH_MISMATCH` for another `Length` than the structure's size;
    /// `STATUS_INVALID_PARAMETER` for NULL; `STATUS_INVALID_HANDLE` for what is no heap;
    /// `STATUS_NO_MEMORY` if there is none for the lists.
    ///
    /// # Safety
    /// 1. `Usage` is NULL or the caller's to read and write; its earlier lists are not used any
    ///    more.
    pub unsafe extern "system" fn RtlUsageHeap(
        HeapHandle: PVOID,
        Flags: ULONG,
        Usage: PRTL_HEAP_USAGE,
    ) -> NTSTATUS {
        let look = || {
            if Usage.is_null() {
                return Err(Status::INVALID_PARAMETER);
            }
            // SAFETY: (1).
            let length = unsafe { (&raw const (*Usage).Length).read_unaligned() };
            if length as usize != size_of::<RTL_HEAP_USAGE>() {
                return Err(Status::INFO_LENGTH_MISMATCH);
            }
            let sums = nt::summary(handle(HeapHandle))?;
            // SAFETY: (1).
            let mut usage = unsafe { Usage.read_unaligned() };
            usage.BytesAllocated = sums.allocated;
            usage.BytesCommitted = sums.committed;
            usage.BytesReserved = sums.reserved;
            usage.BytesReservedMaximum = sums.most_reserved;
            let mut result = Ok(());
            if Flags & HEAP_USAGE_ALLOCATED_BLOCKS != 0 {
                result = make_lists(handle(HeapHandle), &mut usage);
            } else if Flags & HEAP_USAGE_FREE_BUFFER != 0 {
                free_lists(&mut usage);
                usage.Entries = ptr::null_mut();
                usage.AddedEntries = ptr::null_mut();
                usage.RemovedEntries = ptr::null_mut();
            }
            // SAFETY: (1).
            unsafe { Usage.write_unaligned(usage) };
            result
        };
        look().err().unwrap_or(Status::SUCCESS).0
    }
}
