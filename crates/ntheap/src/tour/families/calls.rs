//! The calls of the families as the tour speaks them: handles and pointers are numbers, and every
//! block is the tour's own.
#![allow(
    unsafe_code,
    reason = "the interface is C's; here its conditions are seen to"
)]

use std::mem;
use std::ptr;

use rtlheap::information::{HeapQueryInformation, HeapSetInformation, class};
use rtlheap::tags::{RTL_HEAP_TAG_INFO, RtlCreateTagHeap, RtlQueryTagHeap};
use rtlheap::types::{PVOID, WCHAR};
use rtlheap::walking::{HeapWalk, PROCESS_HEAP_ENTRY};
use rtlheap::{checking, global, rtl, sums, win32};

use super::super::calls::last_error;

fn pvoid(address: usize) -> PVOID {
    ptr::with_exposed_provenance_mut(address)
}

/// An entry of a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// `lpData`.
    pub data: usize,
    /// `cbData`.
    pub size: usize,
    /// `cbOverhead`.
    pub overhead: usize,
    /// `iRegionIndex`.
    pub region: u8,
    /// `wFlags`.
    pub flags: u16,
    /// `dwCommittedSize`, of a region.
    pub committed: usize,
    /// `dwUnCommittedSize`, of a region.
    pub uncommitted: usize,
}

/// `HeapWalk` to its end, and the error that ended it.
pub fn walk(heap: usize) -> (Vec<Step>, u32) {
    // SAFETY: all bytes zero are a walk's start.
    let mut entry: PROCESS_HEAP_ENTRY = unsafe { mem::zeroed() };
    let mut steps = Vec::new();
    // SAFETY: the entry is ours.
    while unsafe { HeapWalk(pvoid(heap), &mut entry) } != 0 {
        // SAFETY: every entry is written whole.
        let region = unsafe { entry.u.Region };
        steps.push(Step {
            data: entry.lpData.addr(),
            size: entry.cbData as usize,
            overhead: entry.cbOverhead.into(),
            region: entry.iRegionIndex,
            flags: entry.wFlags,
            committed: region.dwCommittedSize as usize,
            uncommitted: region.dwUnCommittedSize as usize,
        });
    }
    (steps, last_error())
}

/// `HeapAlloc`; 0 for NULL.
pub fn allocate(heap: usize, flags: u32, size: usize) -> usize {
    win32::HeapAlloc(pvoid(heap), flags, size).expose_provenance()
}

/// `HeapReAlloc`; 0 for NULL.
pub fn reallocate(heap: usize, flags: u32, block: usize, size: usize) -> usize {
    // SAFETY: the tour reads no block that it has not got from the last call.
    unsafe { win32::HeapReAlloc(pvoid(heap), flags, pvoid(block), size) }.expose_provenance()
}

/// A byte in memory of a heap's that is committed.
pub fn byte(address: usize) -> u8 {
    // SAFETY: the tour looks at blocks and headers of its own heaps, and right behind them.
    unsafe { ptr::with_exposed_provenance::<u8>(address).read_volatile() }
}

/// Four bytes, as a number.
pub fn word(address: usize) -> u32 {
    u32::from_ne_bytes([0, 1, 2, 3].map(|at| byte(address + at)))
}

/// Overwrites a byte, which the heap is to notice.
pub fn change_byte(address: usize, byte: u8) {
    // SAFETY: as in `byte`; the tour puts the byte back before the heap uses it.
    unsafe { ptr::with_exposed_provenance_mut::<u8>(address).write_volatile(byte) };
}

/// `HeapFree`.
pub fn free(heap: usize, block: usize) -> bool {
    // SAFETY: the tour uses no block once it has freed it.
    unsafe { win32::HeapFree(pvoid(heap), 0, pvoid(block)) != 0 }
}

/// `HeapValidate` of the whole heap.
pub fn is_valid(heap: usize) -> bool {
    checking::HeapValidate(pvoid(heap), 0, ptr::null()) != 0
}

/// `HeapSummary`'s `cbAllocated`.
pub fn allocated(heap: usize) -> usize {
    let mut summary = sums::HEAP_SUMMARY {
        cb: size_of::<sums::HEAP_SUMMARY>() as u32,
        cbAllocated: 0,
        cbCommitted: 0,
        cbReserved: 0,
        cbMaxReserve: 0,
    };
    // SAFETY: the structure is ours.
    unsafe { sums::HeapSummary(pvoid(heap), 0, &mut summary) };
    summary.cbAllocated
}

/// `HeapQueryInformation` of the compatibility value.
pub fn compatibility(heap: usize) -> u32 {
    let mut value = u32::MAX;
    // SAFETY: the buffer has the four bytes it says.
    unsafe {
        HeapQueryInformation(
            pvoid(heap),
            class::HEAP_COMPATIBILITY_INFORMATION,
            (&raw mut value).cast(),
            size_of::<u32>(),
            ptr::null_mut(),
        )
    };
    value
}

/// `HeapSetInformation` of the compatibility value; 0, or the last error.
pub fn set_compatibility(heap: usize, value: u32) -> u32 {
    // SAFETY: the buffer has the four bytes it says.
    let set = unsafe {
        HeapSetInformation(
            pvoid(heap),
            class::HEAP_COMPATIBILITY_INFORMATION,
            (&raw const value).cast_mut().cast(),
            size_of::<u32>(),
        )
    };
    if set != 0 { 0 } else { last_error() }
}

/// `GlobalAlloc`; 0 for NULL.
pub fn global_alloc(flags: u32, size: usize) -> usize {
    global::GlobalAlloc(flags, size).expose_provenance()
}

/// `GlobalLock`; 0 for NULL.
pub fn global_lock(object: usize) -> usize {
    global::GlobalLock(pvoid(object)).expose_provenance()
}

/// `GlobalUnlock`, and the last error after it.
pub fn global_unlock(object: usize) -> (bool, u32) {
    let locked = global::GlobalUnlock(pvoid(object)) != 0;
    (locked, last_error())
}

/// `GlobalFlags`.
pub fn global_flags(object: usize) -> u32 {
    global::GlobalFlags(pvoid(object))
}

/// `GlobalSize`.
pub fn global_size(object: usize) -> usize {
    global::GlobalSize(pvoid(object))
}

/// `GlobalHandle`; 0 for NULL.
pub fn global_handle(pointer: usize) -> usize {
    global::GlobalHandle(pvoid(pointer)).expose_provenance()
}

/// `GlobalReAlloc`; 0 for NULL.
pub fn global_realloc(object: usize, size: usize, flags: u32) -> usize {
    // SAFETY: the tour uses no pointer into the object.
    unsafe { global::GlobalReAlloc(pvoid(object), size, flags) }.expose_provenance()
}

/// `GlobalFree`; 0 for NULL, which is success.
pub fn global_free(object: usize) -> usize {
    // SAFETY: the tour uses no object once it has freed it.
    unsafe { global::GlobalFree(pvoid(object)) }.addr()
}

/// A heap that counts by tags: `RtlCreateHeap` with the bits that NtGlobalFlag would set.
pub fn tagged_heap() -> usize {
    let flags = rtl_heap::nt::TAGGING | rtl_heap::HeapFlags::GROWABLE;
    // SAFETY: no caller memory, lock or parameters.
    let heap = unsafe {
        rtl::RtlCreateHeap(
            flags.bits(),
            ptr::null_mut(),
            0,
            0,
            ptr::null_mut(),
            ptr::null(),
        )
    };
    heap.expose_provenance()
}

/// `RtlDestroyHeap`.
pub fn destroy(heap: usize) {
    // SAFETY: the tour is done with it.
    unsafe { rtl::RtlDestroyHeap(pvoid(heap)) };
}

/// `RtlCreateTagHeap` with one name.
pub fn create_tag(heap: usize, prefix: &str, name: &str) -> u32 {
    let utf16 = |text: &str| text.encode_utf16().chain([0, 0]).collect::<Vec<WCHAR>>();
    // SAFETY: both end with zeros.
    unsafe { RtlCreateTagHeap(pvoid(heap), 0, utf16(prefix).as_ptr(), utf16(name).as_ptr()) }
}

/// `RtlQueryTagHeap`: name, allocations, frees, bytes.
pub fn query_tag(heap: usize, index: u16) -> (String, u32, u32, usize) {
    let mut info = RTL_HEAP_TAG_INFO {
        NumberOfAllocations: 0,
        NumberOfFrees: 0,
        BytesAllocated: 0,
    };
    // SAFETY: the structure is ours.
    let name = unsafe { RtlQueryTagHeap(pvoid(heap), 0, index, 0, &mut info) };
    let mut text = Vec::new();
    if !name.is_null() {
        // SAFETY: a name ends with a zero.
        unsafe {
            while name.add(text.len()).read() != 0 {
                text.push(name.add(text.len()).read());
            }
        }
    }
    let name = String::from_utf16_lossy(&text);
    (
        name,
        info.NumberOfAllocations,
        info.NumberOfFrees,
        info.BytesAllocated,
    )
}
