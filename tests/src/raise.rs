//! Exceptions that heap calls raise, recorded instead of taken.

use core::cell::{Cell, RefCell};
use core::ffi::c_void;

/// The code of an exception for want of memory.
pub const STATUS_NO_MEMORY: u32 = 0xC000_0017;

/// An exception that was raised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raised {
    /// The status code.
    pub code: u32,
    /// Zero: continuable.
    pub flags: u32,
    /// What the raiser added.
    pub information: Vec<usize>,
}

/// A raised exception as Windows describes it.
#[repr(C)]
#[allow(non_camel_case_types)]
struct EXCEPTION_RECORD {
    code: u32,
    flags: u32,
    next: *mut EXCEPTION_RECORD,
    address: *mut c_void,
    parameter_count: u32,
    information: [usize; 15],
}

thread_local! {
    static LISTENING: Cell<bool> = const { Cell::new(false) };
    static RAISED: RefCell<Vec<Raised>> = const { RefCell::new(Vec::new()) };
}

/// Makes a call; returns its result and the exceptions it raised. Each is continued, so the call
/// returns.
pub fn raised_by<T>(call: impl FnOnce() -> T) -> (T, Vec<Raised>) {
    system::install();
    LISTENING.set(true);
    let result = call();
    LISTENING.set(false);
    (result, RAISED.take())
}

/// Notes the exception if this thread listens.
///
/// # Safety
/// `record` points to a record.
unsafe fn note(record: *const EXCEPTION_RECORD) -> bool {
    // SAFETY: by the caller's promise.
    let record = unsafe { &*record };
    if !LISTENING.get() || record.code != STATUS_NO_MEMORY {
        return false;
    }
    let information = record.information[..record.parameter_count as usize].to_vec();
    let raised = Raised {
        code: record.code,
        flags: record.flags,
        information,
    };
    RAISED.with_borrow_mut(|all| all.push(raised));
    true
}

#[cfg(not(all(feature = "oracle", windows)))]
mod system {
    use core::ffi::c_void;
    use core::ptr::null_mut;
    use std::sync::Once;

    use super::{EXCEPTION_RECORD, note};
    use crate::abi::{BOOL, TRUE};

    type Routine = unsafe extern "C" fn(record: *const EXCEPTION_RECORD, context: *mut c_void);

    unsafe extern "system" {
        safe fn rtlheap_set_raise_routine(routine: Option<Routine>, context: *mut c_void) -> BOOL;
    }

    pub(super) fn install() {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| assert_eq!(rtlheap_set_raise_routine(Some(routine), null_mut()), TRUE));
    }

    unsafe extern "C" fn routine(record: *const EXCEPTION_RECORD, _: *mut c_void) {
        // SAFETY: the library passes a record of its own.
        let noted = unsafe { note(record) };
        assert!(noted, "an exception nobody waits for");
    }
}

#[cfg(all(feature = "oracle", windows))]
mod system {
    use core::ffi::c_void;
    use std::sync::Once;

    use super::{EXCEPTION_RECORD, note};

    #[repr(C)]
    #[allow(non_camel_case_types)]
    struct EXCEPTION_POINTERS {
        record: *const EXCEPTION_RECORD,
        context: *mut c_void,
    }

    const EXCEPTION_CONTINUE_EXECUTION: i32 = -1;
    const EXCEPTION_CONTINUE_SEARCH: i32 = 0;

    #[link(name = "kernel32")]
    unsafe extern "system" {
        safe fn AddVectoredExceptionHandler(
            first: u32,
            handler: unsafe extern "system" fn(*const EXCEPTION_POINTERS) -> i32,
        ) -> *mut c_void;
    }

    pub(super) fn install() {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            AddVectoredExceptionHandler(1, handler);
        });
    }

    unsafe extern "system" fn handler(pointers: *const EXCEPTION_POINTERS) -> i32 {
        // SAFETY: the system passes live pointers.
        let noted = unsafe { note((*pointers).record) };
        if noted {
            EXCEPTION_CONTINUE_EXECUTION
        } else {
            EXCEPTION_CONTINUE_SEARCH
        }
    }
}
