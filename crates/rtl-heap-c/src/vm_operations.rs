//! Virtual memory from C callbacks: `rtlheap_set_vm_operations`.

use core::cell::UnsafeCell;
use core::ffi::c_void;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicU8, Ordering};

use rtl_heap::status::Status;
use rtl_platform::ALLOCATION_GRANULARITY;
use rtl_platform::vm::{PageState, Protection, RangeInfo, Vm, VmError, Window};

use crate::exports::exports;
use crate::last_error;
use crate::pin::pin_layout;
use crate::probe;
use crate::types::{BOOL, FALSE, PVOID, SIZE_T, TRUE, ULONG, ULONG_PTR};

const PAGE_NOACCESS: ULONG = 0x01;
const PAGE_READONLY: ULONG = 0x02;
const PAGE_READWRITE: ULONG = 0x04;
const PAGE_EXECUTE_READWRITE: ULONG = 0x40;
pub(crate) const MEM_COMMIT: ULONG = 0x1000;
pub(crate) const MEM_RESERVE: ULONG = 0x2000;
const MEM_FREE: ULONG = 0x1_0000;
const MEM_TOP_DOWN: ULONG = 0x10_0000;

/// `rtlheap_vm_range` of the header: what the operation `query` answers.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(non_camel_case_types)]
pub struct rtlheap_vm_range {
    /// First address of the run.
    pub base: PVOID,
    /// Bytes of the run.
    pub size: SIZE_T,
    /// `MEM_COMMIT`, `MEM_RESERVE` or `MEM_FREE`.
    pub state: ULONG,
    /// `PAGE_*`.
    pub protection: ULONG,
}

pin_layout!(
    rtlheap_vm_range,
    16 / 24,
    base = 0 / 0,
    size = 4 / 8,
    state = 8 / 16,
    protection = 12 / 20
);

type Reserve = unsafe extern "C" fn(PVOID, SIZE_T, ULONG_PTR, ULONG_PTR, ULONG) -> PVOID;
type OnPages = unsafe extern "C" fn(PVOID, PVOID, SIZE_T) -> BOOL;
type WithProtection = unsafe extern "C" fn(PVOID, PVOID, SIZE_T, ULONG) -> BOOL;
type Query = unsafe extern "C" fn(PVOID, PVOID, *mut rtlheap_vm_range) -> BOOL;

/// `rtlheap_vm_operations` of the header, which explains the members.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(non_camel_case_types)]
pub struct rtlheap_vm_operations {
    /// Size of this structure in bytes.
    pub size: SIZE_T,
    /// Passed to every operation.
    pub context: *mut c_void,
    /// Sets aside address space.
    pub reserve: Option<Reserve>,
    /// Makes pages usable.
    pub commit: Option<WithProtection>,
    /// Gives pages back, keeps the address space.
    pub decommit: Option<OnPages>,
    /// Gives a reservation back.
    pub release: Option<OnPages>,
    /// Changes protections; optional.
    pub protect: Option<WithProtection>,
    /// Says what an address is part of; optional.
    pub query: Option<Query>,
}

pin_layout!(
    rtlheap_vm_operations,
    32 / 64,
    size = 0 / 0,
    context = 4 / 8,
    reserve = 8 / 16,
    commit = 12 / 24,
    decommit = 16 / 32,
    release = 20 / 40,
    protect = 24 / 48,
    query = 28 / 56
);

/// The operations, complete.
#[derive(Clone, Copy)]
struct Operations {
    context: *mut c_void,
    reserve: Reserve,
    commit: WithProtection,
    decommit: OnPages,
    release: OnPages,
    protect: Option<WithProtection>,
    query: Option<Query>,
}

impl Operations {
    fn complete(given: &rtlheap_vm_operations) -> Option<Operations> {
        Some(Operations {
            context: given.context,
            reserve: given.reserve?,
            commit: given.commit?,
            decommit: given.decommit?,
            release: given.release?,
            protect: given.protect,
            query: given.query,
        })
    }
}

/// Registered operations as a [`Vm`].
struct CallbackVm(Operations);

// SAFETY: the registrar promised (header) that any thread may call the operations with the context.
unsafe impl Sync for CallbackVm {}

fn done(result: BOOL) -> Result<(), VmError> {
    if result == FALSE {
        Err(VmError::OutOfMemory)
    } else {
        Ok(())
    }
}

const fn page_protection(protection: Protection) -> ULONG {
    match protection {
        Protection::NoAccess => PAGE_NOACCESS,
        Protection::ReadOnly => PAGE_READONLY,
        Protection::ReadWrite => PAGE_READWRITE,
        Protection::ReadWriteExecute => PAGE_EXECUTE_READWRITE,
    }
}

// SAFETY: the registrar promised the three points in the header's words; where a reservation lies
// is checked below.
unsafe impl Vm for CallbackVm {
    fn reserve(&self, size: usize, window: Option<Window>) -> Result<NonNull<u8>, VmError> {
        let Window {
            low,
            high,
            top_down,
        } = window.unwrap_or(Window {
            low: 0,
            high: usize::MAX,
            top_down: false,
        });
        let flags = if top_down { MEM_TOP_DOWN } else { 0 };
        // SAFETY: the registrar's promise: any thread, any time.
        let base = unsafe { (self.0.reserve)(self.0.context, size, low, high, flags) };
        let base = NonNull::new(base.cast::<u8>()).ok_or(VmError::OutOfMemory)?;
        let start = base.as_ptr().addr();
        let fits = start >= low && start.checked_add(size).is_some_and(|end| end <= high);
        if start % ALLOCATION_GRANULARITY != 0 || !fits {
            // SAFETY: the reservation just made; nobody knows of it.
            let _ = unsafe { self.release(base, size) };
            return Err(VmError::OutOfMemory);
        }
        Ok(base)
    }

    unsafe fn commit(
        &self,
        at: NonNull<u8>,
        size: usize,
        protection: Protection,
    ) -> Result<(), VmError> {
        let Operations {
            context, commit, ..
        } = self.0;
        // SAFETY: the registrar's promise, and our caller's that the pages are of a reservation.
        done(unsafe {
            commit(
                context,
                at.as_ptr().cast(),
                size,
                page_protection(protection),
            )
        })
    }

    unsafe fn decommit(&self, at: NonNull<u8>, size: usize) -> Result<(), VmError> {
        // SAFETY: as in `commit`.
        done(unsafe { (self.0.decommit)(self.0.context, at.as_ptr().cast(), size) })
    }

    unsafe fn release(&self, base: NonNull<u8>, size: usize) -> Result<(), VmError> {
        // SAFETY: as in `commit`.
        done(unsafe { (self.0.release)(self.0.context, base.as_ptr().cast(), size) })
    }

    unsafe fn protect(
        &self,
        at: NonNull<u8>,
        size: usize,
        protection: Protection,
    ) -> Result<(), VmError> {
        let protect = self.0.protect.ok_or(VmError::Unsupported)?;
        let protection = page_protection(protection);
        // SAFETY: as in `commit`.
        done(unsafe { protect(self.0.context, at.as_ptr().cast(), size, protection) })
    }

    fn query(&self, at: usize) -> Result<RangeInfo, VmError> {
        let query = self.0.query.ok_or(VmError::Unsupported)?;
        let mut range = rtlheap_vm_range {
            base: ptr::null_mut(),
            size: 0,
            state: MEM_FREE,
            protection: 0,
        };
        let address = ptr::with_exposed_provenance_mut(at);
        // SAFETY: the registrar's promise; `range` is writable.
        done(unsafe { query(self.0.context, address, &raw mut range) })
            .map_err(|_| VmError::NotOurs)?;
        let state = match range.state {
            MEM_COMMIT => PageState::Committed,
            MEM_RESERVE => PageState::Reserved,
            _ => PageState::Free,
        };
        let protection = match range.protection {
            _ if state != PageState::Committed => Protection::NoAccess,
            PAGE_READONLY => Protection::ReadOnly,
            PAGE_READWRITE => Protection::ReadWrite,
            PAGE_EXECUTE_READWRITE => Protection::ReadWriteExecute,
            _ => Protection::NoAccess,
        };
        Ok(RangeInfo {
            base: range.base.addr(),
            size: range.size,
            state,
            protection,
        })
    }
}

/// The one place registered operations are kept in.
struct Slot(UnsafeCell<Option<CallbackVm>>);

// SAFETY: written once, by the winner of the exchange below, before anybody is given a reference.
unsafe impl Sync for Slot {}

static SLOT: Slot = Slot(UnsafeCell::new(None));
static STATE: AtomicU8 = AtomicU8::new(FREE);
const FREE: u8 = 0;
const TAKEN: u8 = 1;

fn register(operations: Operations) -> bool {
    // Relaxed: `set_system_vm` publishes the slot, with its own ordering.
    if STATE
        .compare_exchange(FREE, TAKEN, Ordering::Relaxed, Ordering::Relaxed)
        .is_err()
    {
        return false;
    }
    // SAFETY: the exchange has one winner, ever.
    unsafe { *SLOT.0.get() = Some(CallbackVm(operations)) };
    // SAFETY: never written again.
    let vm = unsafe { &*SLOT.0.get() };
    vm.as_ref().is_some_and(|vm| rtl_heap::set_system_vm(vm))
}

exports! { own:
    /// Makes the caller's operations the source of all memory of the library, in place of the
    /// operating system.
    ///
    /// FALSE and `ERROR_INVALID_PARAMETER`, and no change, when some were set before, for NULL or a
    /// structure of another size, and when one that is not optional is missing.
    ///
    /// # Safety
    /// 1. Before any other use of the library.
    /// 2. The operations do what the header says of them, on any thread, until the process ends.
    pub unsafe extern "system" fn rtlheap_set_vm_operations(
        operations: *const rtlheap_vm_operations,
    ) -> BOOL {
        let known = size_of::<rtlheap_vm_operations>();
        let complete = if probe::is_readable(operations.addr(), known) {
            // SAFETY: readable, as just checked; that its pointers are functions is (2).
            Some(unsafe { operations.read_unaligned() })
                .filter(|given| given.size == known)
                .and_then(|given| Operations::complete(&given))
        } else {
            None
        };
        if complete.is_some_and(register) {
            return TRUE;
        }
        last_error::fail(Status::INVALID_PARAMETER);
        FALSE
    }
}
