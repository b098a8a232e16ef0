//! What HEAP_GENERATE_EXCEPTIONS comes to in C: a registered routine, NT's exceptions where the
//! system has them, or the end of the process with a report.

use core::ffi::c_void;
use core::fmt::Write;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use rtl_heap::report::Line;
use rtl_heap::status::Status;
use rtl_platform::{process, stderr};

use crate::routine::Routine;
use crate::types::{EXCEPTION_MAXIMUM_PARAMETERS, EXCEPTION_RECORD};

/// Raises an exception in the program's own way: may return, unwind, or jump out.
#[allow(non_camel_case_types)]
pub type rtlheap_raise_routine =
    Option<unsafe extern "C-unwind" fn(record: *const EXCEPTION_RECORD, context: *mut c_void)>;

static ROUTINE: Routine<rtlheap_raise_routine> = Routine::none();
static CONTEXT: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());

/// From now on `routine` raises; `None` goes back to the default.
pub(crate) fn register(routine: rtlheap_raise_routine, context: *mut c_void) {
    // Published by the store of the routine.
    CONTEXT.store(context, Ordering::Relaxed);
    ROUTINE.store(routine);
}

/// Raises `code` with `information` (at most 15 words). Returns if the routine does.
///
/// No caller up to the exported function owns anything that has to be dropped: a routine that jumps
/// out skips them all.
#[cold]
pub(crate) fn raise(code: Status, information: &[usize]) {
    let Some(routine) = ROUTINE.load() else {
        return raise_by_default(code, information);
    };
    let mut record = EXCEPTION_RECORD {
        ExceptionCode: code.0 as u32,
        ExceptionFlags: 0,
        ExceptionRecord: ptr::null_mut(),
        ExceptionAddress: ptr::null_mut(),
        NumberParameters: 0,
        ExceptionInformation: [0; EXCEPTION_MAXIMUM_PARAMETERS],
    };
    for (slot, word) in record.ExceptionInformation.iter_mut().zip(information) {
        *slot = *word;
        record.NumberParameters += 1;
    }
    // SAFETY: the registrar promised that it may be called on any thread; the record outlives the
    // call.
    unsafe { routine(&raw const record, CONTEXT.load(Ordering::Relaxed)) }
}

fn raise_by_default(code: Status, information: &[usize]) {
    if process::has_exceptions() {
        return process::raise_exception(code.0 as u32, 0, information);
    }
    report(code, information);
    process::abort()
}

fn report(code: Status, information: &[usize]) {
    let mut line = Line::new();
    // Writing to a line cannot fail.
    let _ = write!(line, "rtl-heap: HEAP_GENERATE_EXCEPTIONS: {code}");
    if let [size, ..] = information {
        let _ = write!(line, ", block of {size:#x} bytes");
    }
    stderr::write(line.bytes());
    stderr::write(b"\nrtl-heap: no raise routine (rtlheap_set_raise_routine): abort\n");
}
