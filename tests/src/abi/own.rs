//! Functions of the library that Windows does not have: virtual memory, hooks, executive resources.

use core::ffi::{c_char, c_void};

use super::{BOOL, BOOLEAN, HANDLE, NTSTATUS};

/// What is known of an address.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rtlheap_vm_info {
    /// Start of the reservation.
    pub base: *mut c_void,
    /// Bytes of the reservation.
    pub size: usize,
    /// State of the page: [`MEM_COMMIT`] or [`MEM_RESERVE`].
    pub state: u32,
    /// The heap that uses the reservation, or NULL.
    pub heap: HANDLE,
}

/// A committed page.
pub const MEM_COMMIT: u32 = 0x1000;
/// A reserved page.
pub const MEM_RESERVE: u32 = 0x2000;

/// An executive resource, opaque.
#[repr(C)]
#[derive(Debug)]
pub struct ERESOURCE {
    opaque: [usize; if size_of::<usize>() == 8 { 13 } else { 14 }],
}

impl ERESOURCE {
    /// Memory for a resource that is not initialised.
    pub const fn uninitialized() -> Self {
        Self {
            opaque: [0; if size_of::<usize>() == 8 { 13 } else { 14 }],
        }
    }
}

/// Marks an [`RTLHEAP_LOCK`].
pub const RTLHEAP_LOCK_MAGIC: usize = 0x4C54_5248;

/// A caller's lock, passed as `Lock`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RTLHEAP_LOCK {
    /// [`RTLHEAP_LOCK_MAGIC`].
    pub magic: usize,
    /// Enters the lock.
    pub enter: Option<unsafe extern "C" fn(*mut c_void)>,
    /// Leaves the lock.
    pub leave: Option<unsafe extern "C" fn(*mut c_void)>,
    /// Passed to both.
    pub context: *mut c_void,
}

/// A misuse or damage, as the corruption handler is told of it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rtlheap_failure {
    /// Bytes of this structure.
    pub size: usize,
    /// What was found, numbered as `HEAP_FAILURE_TYPE`.
    pub kind: u32,
    /// The heap of the call.
    pub heap: HANDLE,
    /// What the caller passed, or the damaged block.
    pub address: *mut c_void,
    /// The heap the address belongs to, if that is another one.
    pub owner: HANDLE,
    /// What happened, in a few words.
    pub text: *const c_char,
}

/// Told of each misuse or damage.
pub type rtlheap_corruption_handler =
    unsafe extern "C" fn(failure: *const rtlheap_failure, context: *mut c_void);

/// What was counted under a tag.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RTL_HEAP_TAG_INFO {
    /// Blocks allocated.
    pub NumberOfAllocations: u32,
    /// Of them, freed.
    pub NumberOfFrees: u32,
    /// Requested bytes of those that live.
    pub BytesAllocated: usize,
}

/// Creation: blocks are counted by tags.
pub const HEAP_TAGGING_ENABLED: u32 = 0x0400_0000;
/// Creation: bits without a meaning at creation are kept.
pub const HEAP_SKIP_VALIDATION_CHECKS: u32 = 0x1000_0000;
/// Process tags.
pub const HEAP_GLOBAL_TAG: u16 = 0x0800;
/// Pseudo tags.
pub const HEAP_PSEUDO_TAG_FLAG: u16 = 0x8000;
/// Where the flags of an allocation have its tag.
pub const HEAP_TAG_SHIFT: u32 = 18;

// Windows has these too; Wine only their names.
import! { "ntdll";
    /// Overwrites free memory.
    safe fn RtlZeroHeap(HeapHandle: HANDLE, Flags: u32) -> NTSTATUS;
    /// Makes the heap's segments read-only, or not.
    safe fn RtlProtectHeap(HeapHandle: HANDLE, MakeReadOnly: BOOLEAN);
    /// Adds the caller's memory to the heap.
    ///
    /// # Safety
    /// The memory is nobody else's while the heap lives, or could not be a heap's.
    unsafe fn RtlExtendHeap(
        HeapHandle: HANDLE,
        Flags: u32,
        Base: *mut c_void,
        Size: usize,
    ) -> NTSTATUS;
    /// All heaps give back what they keep.
    safe fn RtlFlushHeaps();
    /// Reports heaps with blocks.
    safe fn RtlDetectHeapLeaks();
    /// Defines tags; the first one as flags of an allocation have it, or 0.
    ///
    /// # Safety
    /// `TagPrefix` is NULL or a string; `TagNames` is NULL or strings, an empty one last.
    unsafe fn RtlCreateTagHeap(
        HeapHandle: HANDLE,
        Flags: u32,
        TagPrefix: *const u16,
        TagNames: *const u16,
    ) -> u32;
    /// The name of a tag and what was counted under it.
    safe fn RtlQueryTagHeap(
        HeapHandle: HANDLE,
        Flags: u32,
        TagIndex: u16,
        ResetCounters: BOOLEAN,
        TagInfo: Option<&mut RTL_HEAP_TAG_INFO>,
    ) -> *const u16;
}

import! { "rtlheap";
    /// Makes a resource ready for use.
    ///
    /// # Safety
    /// `Resource` stays where it is until it is deleted.
    unsafe fn ExInitializeResourceLite(Resource: *mut ERESOURCE) -> NTSTATUS;
    /// Makes an initialised resource as new.
    ///
    /// # Safety
    /// Nobody uses the resource meanwhile.
    unsafe fn ExReinitializeResourceLite(Resource: *mut ERESOURCE) -> NTSTATUS;
    /// Ends a resource.
    ///
    /// # Safety
    /// No heap uses the resource any more.
    unsafe fn ExDeleteResourceLite(Resource: *mut ERESOURCE) -> NTSTATUS;
}

unsafe extern "system" {
    /// Reserves address space at a multiple of 64 KiB; NULL on failure.
    pub safe fn rtlheap_vm_reserve(size: usize) -> *mut c_void;
    /// Commits pages of a reservation.
    pub safe fn rtlheap_vm_commit(address: *mut c_void, size: usize) -> BOOL;
    /// Releases a whole reservation.
    ///
    /// # Safety
    /// Nobody uses the memory any more.
    pub unsafe fn rtlheap_vm_release(base: *mut c_void) -> BOOL;
    /// Looks an address up in the library's reservations.
    pub safe fn rtlheap_vm_query(
        address: *const c_void,
        info: Option<&mut rtlheap_vm_info>,
    ) -> BOOL;
    /// Has leaks reported when the process ends.
    pub safe fn rtlheap_report_leaks_at_exit() -> BOOL;
    /// Registers who is told of misuse and damage.
    ///
    /// # Safety
    /// The handler accepts the context for as long as it is registered.
    pub unsafe fn rtlheap_set_corruption_handler(
        handler: Option<rtlheap_corruption_handler>,
        context: *mut c_void,
    ) -> BOOL;
    /// From now on misuse and damage end the process.
    pub safe fn rtlheap_enable_termination_on_corruption();
    /// Who allocated a block.
    ///
    /// # Safety
    /// There is room for `count` addresses.
    pub unsafe fn rtlheap_block_trace(
        heap: HANDLE,
        flags: u32,
        block: *const c_void,
        count: u32,
        frames: *mut *mut c_void,
    ) -> u32;
    /// NtGlobalFlag for the heaps made from now on.
    pub safe fn rtlheap_global_flags() -> u32;
    /// Sets it; returns what it was.
    pub safe fn rtlheap_set_global_flags(flags: u32) -> u32;
    /// Page heaps made from now on are full, or light.
    pub safe fn rtlheap_set_page_heap(full: BOOL);
}
