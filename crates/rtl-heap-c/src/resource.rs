//! `ERESOURCE`: initialised, initialised again, deleted; and what the parameter `Lock` means.

use core::ptr::NonNull;

use rtl_heap::heap_lock::{CallerLock, LockTable, Resource};
use rtl_heap::status::Status;

use crate::exports::exports;
use crate::pin::pin_layout;
use crate::probe;
use crate::types::{NTSTATUS, PERESOURCE, PVOID};

/// First word of a caller's [`rtlheap_lock`].
pub const RTLHEAP_LOCK_MAGIC: usize = 0x4C54_5248;

/// `struct rtlheap_lock` of the header: a caller's lock as functions.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(non_camel_case_types)]
pub struct rtlheap_lock {
    /// [`RTLHEAP_LOCK_MAGIC`].
    pub magic: usize,
    /// Takes the lock.
    pub enter: Option<unsafe extern "C" fn(context: PVOID)>,
    /// Gives it back.
    pub leave: Option<unsafe extern "C" fn(context: PVOID)>,
    /// Passed to both.
    pub context: PVOID,
}

pin_layout!(
    rtlheap_lock,
    16 / 32,
    magic = 0 / 0,
    enter = 4 / 8,
    leave = 8 / 16,
    context = 12 / 24
);

/// What the parameter `Lock` of `RtlCreateHeap` points to.
///
/// # Errors
/// `INVALID_PARAMETER` for memory that is neither an initialised resource nor a complete
/// `rtlheap_lock`: the document's "lock initialization failures".
///
/// # Safety
/// 1. What `lock` points to, if it is one of the two, outlives the heap.
pub(crate) unsafe fn caller_lock(lock: PVOID) -> Result<CallerLock, Status> {
    let Some(lock) = NonNull::new(lock) else {
        return Ok(CallerLock::None);
    };
    let address = lock.as_ptr().addr();
    let invalid = Err(Status::INVALID_PARAMETER);
    if address % align_of::<usize>() != 0 || !probe::is_readable(address, size_of::<rtlheap_lock>())
    {
        return invalid;
    }
    // SAFETY: aligned and readable, as just checked.
    let first_word = unsafe { lock.cast::<usize>().read() };
    if first_word == RTLHEAP_LOCK_MAGIC {
        // SAFETY: aligned and readable for its whole size, as checked; any bits are valid for its
        // fields but the functions, which are the caller's word (1).
        let table = unsafe { lock.cast::<rtlheap_lock>().read() };
        let (Some(enter), Some(leave)) = (table.enter, table.leave) else {
            return invalid;
        };
        return Ok(CallerLock::Table(LockTable {
            enter,
            leave,
            context: table.context,
        }));
    }
    if !probe::is_readable(address, size_of::<Resource>()) {
        return invalid;
    }
    let resource = lock.cast::<Resource>();
    // SAFETY: aligned and readable; every field is a number, valid whatever its bits.
    if !unsafe { resource.as_ref() }.is_initialized() {
        return invalid;
    }
    Ok(CallerLock::Resource(resource))
}

/// The resource at `pointer`, if that can be one at all.
fn resource_at(pointer: PERESOURCE) -> Option<NonNull<Resource>> {
    NonNull::new(pointer).filter(|resource| resource.is_aligned())
}

exports! { nt:
    /// Makes the 104 (32-bit: 56) bytes at `Resource` a free resource.
    ///
    /// `STATUS_INVALID_PARAMETER` for NULL or a misaligned address (our choice: Windows stops the
    /// system).
    ///
    /// # Safety
    /// 1. The bytes are writable, and no resource that is in use.
    pub unsafe extern "system" fn ExInitializeResourceLite(Resource: PERESOURCE) -> NTSTATUS {
        let Some(resource) = resource_at(Resource) else { return Status::INVALID_PARAMETER.0 };
        // SAFETY: (1); aligned, as `resource_at` checked.
        unsafe { resource.write(crate::types::ERESOURCE::initialized()) };
        Status::SUCCESS.0
    }

    /// Makes an initialised resource a fresh one.
    ///
    /// `STATUS_INVALID_PARAMETER` if it is not initialised or somebody holds it (our choice, as
    /// above).
    ///
    /// # Safety
    /// 1. As for `ExInitializeResourceLite`.
    pub unsafe extern "system" fn ExReinitializeResourceLite(Resource: PERESOURCE) -> NTSTATUS {
        let Some(resource) = resource_at(Resource) else { return Status::INVALID_PARAMETER.0 };
        // SAFETY: (1); every field is a number, valid whatever its bits.
        let usable = unsafe { resource.as_ref() };
        if !usable.is_initialized() || usable.is_held() {
            return Status::INVALID_PARAMETER.0;
        }
        // SAFETY: (1).
        unsafe { resource.write(crate::types::ERESOURCE::initialized()) };
        Status::SUCCESS.0
    }

    /// Ends a resource: its memory is the caller's again, and no heap takes it any more.
    ///
    /// `STATUS_INVALID_PARAMETER` if it is not initialised or somebody holds it.
    ///
    /// # Safety
    /// 1. The bytes are readable and writable, and no heap that still exists uses the resource.
    pub unsafe extern "system" fn ExDeleteResourceLite(Resource: PERESOURCE) -> NTSTATUS {
        let Some(resource) = resource_at(Resource) else { return Status::INVALID_PARAMETER.0 };
        // SAFETY: (1); every field is a number, valid whatever its bits.
        let deleted = unsafe { resource.as_ref() }.delete();
        if deleted { Status::SUCCESS.0 } else { Status::INVALID_PARAMETER.0 }
    }
}

#[cfg(test)]
mod tests {
    use core::mem::MaybeUninit;

    use super::*;

    fn is_lock(pointer: PVOID) -> bool {
        // SAFETY: no heap is made with it.
        unsafe { caller_lock(pointer) }.is_ok_and(|lock| !lock.is_none())
    }

    #[test]
    fn a_resource_is_a_lock_from_initialisation_to_deletion() {
        let mut storage = MaybeUninit::<Resource>::zeroed();
        let resource = storage.as_mut_ptr();
        assert!(!is_lock(resource.cast()));
        // SAFETY: `storage` is writable and used by nobody else.
        unsafe {
            assert_eq!(
                ExReinitializeResourceLite(resource),
                Status::INVALID_PARAMETER.0
            );
            assert_eq!(ExInitializeResourceLite(resource), 0);
            assert!(is_lock(resource.cast()));
            assert_eq!(ExReinitializeResourceLite(resource), 0);
            assert!(is_lock(resource.cast()));
            assert_eq!(ExDeleteResourceLite(resource), 0);
            assert!(!is_lock(resource.cast()));
            assert_eq!(ExDeleteResourceLite(resource), Status::INVALID_PARAMETER.0);
        }
    }

    #[test]
    fn a_held_resource_is_neither_deleted_nor_made_anew() {
        let mut resource = Resource::initialized();
        resource.enter();
        // SAFETY: the resource is a local of this test.
        unsafe {
            assert_eq!(
                ExDeleteResourceLite(&raw mut resource),
                Status::INVALID_PARAMETER.0
            );
            assert_eq!(
                ExReinitializeResourceLite(&raw mut resource),
                Status::INVALID_PARAMETER.0
            );
        }
        assert!(resource.leave());
    }

    #[test]
    fn a_lock_table_needs_its_magic_word_and_both_functions() {
        unsafe extern "C" fn nothing(_: PVOID) {}
        let whole = rtlheap_lock {
            magic: RTLHEAP_LOCK_MAGIC,
            enter: Some(nothing),
            leave: Some(nothing),
            context: core::ptr::null_mut(),
        };
        let pointer = |lock: &rtlheap_lock| (&raw const *lock).cast_mut().cast();
        assert!(is_lock(pointer(&whole)));
        assert!(!is_lock(pointer(&rtlheap_lock {
            leave: None,
            ..whole
        })));
        // Room for a resource behind it: without the word it is taken for one.
        let padded = [rtlheap_lock { magic: 7, ..whole }; 4];
        assert!(!is_lock(pointer(&padded[0])));
    }

    #[test]
    fn null_is_no_lock_and_addresses_that_fault_are_refused() {
        // SAFETY: no heap is made with them.
        unsafe {
            assert!(caller_lock(core::ptr::null_mut()).is_ok_and(|lock| lock.is_none()));
            assert!(caller_lock(core::ptr::without_provenance_mut(1)).is_err());
            assert!(caller_lock(core::ptr::without_provenance_mut(0x1000)).is_err());
        }
    }

    #[test]
    fn null_is_no_resource() {
        // SAFETY: NULL is refused before it is used.
        let status = unsafe { ExInitializeResourceLite(core::ptr::null_mut()) };
        assert_eq!(status, Status::INVALID_PARAMETER.0);
    }
}
