//! What an adopter registers: raise routine, corruption handler, storage of last errors; and that
//! corruption is to end the process.

use core::ffi::{c_char, c_void};
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use rtl_heap::failure::{FailureKind, HeapFailure};
use rtl_heap::hooks;
use rtl_heap::status::Status;

use crate::exports::exports;
use crate::last_error::{
    self, rtlheap_get_last_error_routine, rtlheap_get_last_status_routine,
    rtlheap_set_last_error_routine, rtlheap_set_last_status_routine,
};
use crate::pin::pin_layout;
use crate::raise::{self, rtlheap_raise_routine};
use crate::routine::Routine;
use crate::types::{BOOL, FALSE, HANDLE, PVOID, SIZE_T, TRUE, ULONG};

/// `rtlheap_failure` of the header: misuse of a call, or damage to a heap.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(non_camel_case_types)]
pub struct rtlheap_failure {
    /// Size of this structure in bytes.
    pub size: SIZE_T,
    /// What was found, numbered as Windows numbers `HEAP_FAILURE_TYPE`.
    pub kind: ULONG,
    /// The heap of the call.
    pub heap: HANDLE,
    /// What the caller passed, or the block that is damaged.
    pub address: PVOID,
    /// The heap that the address belongs to, if that is another one.
    pub owner: HANDLE,
    /// What happened, as a C string that lives as long as the call.
    pub text: *const c_char,
}

pin_layout!(
    rtlheap_failure,
    24 / 48,
    size = 0 / 0,
    kind = 4 / 8,
    heap = 8 / 16,
    address = 12 / 24,
    owner = 16 / 32,
    text = 20 / 40
);

/// Told of each failure; must return.
#[allow(non_camel_case_types)]
pub type rtlheap_corruption_handler =
    Option<unsafe extern "C" fn(failure: *const rtlheap_failure, context: *mut c_void)>;

static HANDLER: Routine<rtlheap_corruption_handler> = Routine::none();
static CONTEXT: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());

/// Longest text of a failure with the NUL behind it, in bytes.
const TEXT_LENGTH: usize = 128;

/// What happened, as C text.
fn text(kind: FailureKind) -> [u8; TEXT_LENGTH] {
    let mut buffer = [0; TEXT_LENGTH];
    let room = &mut buffer[..TEXT_LENGTH - 1];
    for (byte, letter) in room.iter_mut().zip(kind.text().bytes()) {
        *byte = letter;
    }
    buffer
}

/// Hands a failure to the registered handler.
fn tell(failure: &HeapFailure) {
    let Some(handler) = HANDLER.load() else {
        return;
    };
    let text = text(failure.kind);
    let told = rtlheap_failure {
        size: size_of::<rtlheap_failure>(),
        kind: failure.kind as ULONG,
        heap: ptr::without_provenance_mut(failure.heap),
        address: ptr::without_provenance_mut(failure.address),
        owner: ptr::without_provenance_mut(failure.owner),
        text: text.as_ptr().cast(),
    };
    // SAFETY: the registrar promised that it may be called on any thread; `told` and its
    // text outlive the call.
    unsafe { handler(&raw const told, CONTEXT.load(Ordering::Relaxed)) }
}

/// TRUE, or FALSE with `ERROR_INVALID_PARAMETER`.
fn registered(done: bool) -> BOOL {
    if done {
        return TRUE;
    }
    last_error::fail(Status::INVALID_PARAMETER);
    FALSE
}

exports! { own:
    /// From now on `routine` is called, with `context`, for what `HEAP_GENERATE_EXCEPTIONS`
    /// raises; NULL goes back to the default.
    ///
    /// # Safety
    /// 1. The routine may be called on any thread. It may return, unwind or jump out.
    pub unsafe extern "system" fn rtlheap_set_raise_routine(
        routine: rtlheap_raise_routine,
        context: *mut c_void,
    ) -> BOOL {
        raise::register(routine, context);
        TRUE
    }

    /// From now on `handler` is called, with `context`, for each misuse and each damage that is
    /// found; NULL goes back to the default, which reports only what ends the process.
    ///
    /// # Safety
    /// 1. The handler may be called on any thread, and returns.
    pub unsafe extern "system" fn rtlheap_set_corruption_handler(
        handler: rtlheap_corruption_handler,
        context: *mut c_void,
    ) -> BOOL {
        // Published by the store of the handler.
        CONTEXT.store(context, Ordering::Relaxed);
        HANDLER.store(handler);
        hooks::set_failure_handler(handler.map(|_| tell as hooks::FailureHandler));
        TRUE
    }

    /// From now on misuse and damage end the process once they are reported, for good: what
    /// `HeapEnableTerminationOnCorruption` sets.
    pub extern "system" fn rtlheap_enable_termination_on_corruption() {
        hooks::enable_termination_on_corruption();
    }

    /// Moves the last error of every thread to where `get` and `set` keep it; both absent: back to
    /// the library's own storage.
    ///
    /// FALSE and `ERROR_INVALID_PARAMETER`, and no change, if only one is given.
    ///
    /// # Safety
    /// 1. Both may be called from now on, on any thread, at any time.
    /// 2. Neither calls the heap, unwinds or jumps out.
    pub unsafe extern "system" fn rtlheap_set_last_error_storage(
        get: rtlheap_get_last_error_routine,
        set: rtlheap_set_last_error_routine,
    ) -> BOOL {
        registered(last_error::register_error_storage(get, set))
    }

    /// The same for the last status.
    ///
    /// # Safety
    /// As for `rtlheap_set_last_error_storage`.
    pub unsafe extern "system" fn rtlheap_set_last_status_storage(
        get: rtlheap_get_last_status_routine,
        set: rtlheap_set_last_status_routine,
    ) -> BOOL {
        registered(last_error::register_status_storage(get, set))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_whole_and_ends_with_a_nul() {
        for kind in [
            FailureKind::EntryCorruption,
            FailureKind::FreeListsCorruption,
        ] {
            let buffer = text(kind);
            let text = core::ffi::CStr::from_bytes_until_nul(&buffer).expect("a NUL at the end");
            assert_eq!(text.to_str(), Ok(kind.text()));
        }
    }
}
