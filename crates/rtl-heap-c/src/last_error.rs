//! Last error and last status of the calling thread, and where they are kept.
//!
//! One helper, `fail`, stores both, as NT's helper does; a call that has to leave them untouched
//! does not come here. The storage is the platform's thread block unless a program registered its
//! own, such as the thread environment block of an emulated process.

use rtl_heap::status::Status;
use rtl_platform::thread::{self, ThreadBlock};

use crate::exports::exports;
use crate::routine::Routine;
use crate::types::{DWORD, NTSTATUS, ULONG};

/// Gives the calling thread's last error.
#[allow(non_camel_case_types)]
pub type rtlheap_get_last_error_routine = Option<unsafe extern "C" fn() -> DWORD>;
/// Stores the calling thread's last error.
#[allow(non_camel_case_types)]
pub type rtlheap_set_last_error_routine = Option<unsafe extern "C" fn(error: DWORD)>;
/// Gives the calling thread's last status.
#[allow(non_camel_case_types)]
pub type rtlheap_get_last_status_routine = Option<unsafe extern "C" fn() -> NTSTATUS>;
/// Stores the calling thread's last status.
#[allow(non_camel_case_types)]
pub type rtlheap_set_last_status_routine = Option<unsafe extern "C" fn(status: NTSTATUS)>;

static GET_ERROR: Routine<rtlheap_get_last_error_routine> = Routine::none();
static SET_ERROR: Routine<rtlheap_set_last_error_routine> = Routine::none();
static GET_STATUS: Routine<rtlheap_get_last_status_routine> = Routine::none();
static SET_STATUS: Routine<rtlheap_set_last_status_routine> = Routine::none();

/// Moves every thread's last error; false, and nothing done, if only one routine is given.
pub(crate) fn register_error_storage(
    get: rtlheap_get_last_error_routine,
    set: rtlheap_set_last_error_routine,
) -> bool {
    let paired = get.is_some() == set.is_some();
    if paired {
        GET_ERROR.store(get);
        SET_ERROR.store(set);
    }
    paired
}

/// The same for the last status.
pub(crate) fn register_status_storage(
    get: rtlheap_get_last_status_routine,
    set: rtlheap_set_last_status_routine,
) -> bool {
    let paired = get.is_some() == set.is_some();
    if paired {
        GET_STATUS.store(get);
        SET_STATUS.store(set);
    }
    paired
}

/// The calling thread's block.
fn block<R>(look: impl FnOnce(&ThreadBlock) -> R) -> R {
    // SAFETY: valid until the thread is gone, and used on this thread only.
    look(unsafe { thread::block().as_ref() })
}

/// The calling thread's last error.
#[inline]
pub(crate) fn last_error() -> DWORD {
    match GET_ERROR.load() {
        // SAFETY: the registrar promised that it may be called at any time.
        Some(get) => unsafe { get() },
        None => block(|own| own.last_error.get()),
    }
}

/// Stores the calling thread's last error and nothing else.
#[inline]
pub(crate) fn set_last_error(error: DWORD) {
    match SET_ERROR.load() {
        // SAFETY: as in `last_error`.
        Some(set) => unsafe { set(error) },
        None => block(|own| own.last_error.set(error)),
    }
}

fn last_status() -> NTSTATUS {
    match GET_STATUS.load() {
        // SAFETY: as in `last_error`.
        Some(get) => unsafe { get() },
        None => block(|own| own.last_status.get()),
    }
}

fn set_last_status(status: NTSTATUS) {
    match SET_STATUS.load() {
        // SAFETY: as in `last_error`.
        Some(set) => unsafe { set(status) },
        None => block(|own| own.last_status.set(status)),
    }
}

/// Stores `status` and the Win32 error it means: what a failing heap call does.
#[cold]
pub(crate) fn fail(status: Status) {
    set_last_error(status.win32_error());
    set_last_status(status.0);
}

exports! { nt:
    /// The calling thread's last error.
    pub extern "system" fn GetLastError() -> DWORD {
        last_error()
    }

    /// Stores the calling thread's last error.
    pub extern "system" fn SetLastError(dwErrCode: DWORD) {
        set_last_error(dwErrCode);
    }

    /// `GetLastError` under the name it has in ntdll.
    pub extern "system" fn RtlGetLastWin32Error() -> ULONG {
        last_error()
    }

    /// `SetLastError` under the name it has in ntdll.
    pub extern "system" fn RtlSetLastWin32Error(Win32Error: ULONG) {
        set_last_error(Win32Error);
    }

    /// The status that the calling thread's last failed heap call ended with.
    pub extern "system" fn RtlGetLastNtStatus() -> NTSTATUS {
        last_status()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_stores_the_status_and_the_error_it_means() {
        fail(Status::NO_MEMORY);
        assert_eq!(GetLastError(), 8);
        assert_eq!(RtlGetLastWin32Error(), 8);
        assert_eq!(RtlGetLastNtStatus(), Status::NO_MEMORY.0);
    }

    #[test]
    fn setting_the_error_leaves_the_status() {
        fail(Status::INVALID_HANDLE);
        SetLastError(0xDEAD_BEEF);
        assert_eq!(GetLastError(), 0xDEAD_BEEF);
        RtlSetLastWin32Error(5);
        assert_eq!(GetLastError(), 5);
        assert_eq!(RtlGetLastNtStatus(), Status::INVALID_HANDLE.0);
    }

    #[test]
    fn each_thread_has_its_own() {
        SetLastError(1);
        std::thread::spawn(|| {
            assert_eq!(GetLastError(), 0);
            SetLastError(2);
        })
        .join()
        .unwrap();
        assert_eq!(GetLastError(), 1);
    }
}
