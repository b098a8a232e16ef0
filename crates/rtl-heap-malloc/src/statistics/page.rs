//! The page that the program shares with `ntheap run`.
//!
//! A mapped file and not a descriptor: a program may close every descriptor it did not open, and
//! be given the same number for a file of its own. Mapped, the last summary also outlives a
//! program that is killed.

use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use super::text::{CAPACITY, State, Text};

/// The mapped page of [`CAPACITY`] bytes; null in a process whose summary nobody reads.
static PAGE: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());

/// Held by whoever writes to the page.
static WRITING: AtomicBool = AtomicBool::new(false);

/// Publishes into `page` from now on.
///
/// # Safety
///
/// 1. `page` is valid for writes of [`CAPACITY`] bytes for the rest of the process.
pub unsafe fn attach(page: *mut [u8; CAPACITY]) {
    // Release: whoever sees the page sees the mapping made.
    PAGE.store(page.cast(), Ordering::Release);
}

/// In a child of `fork`: the page is the parent's, and stays so.
pub extern "C" fn leave_to_parent() {
    PAGE.store(ptr::null_mut(), Ordering::Relaxed);
    // The thread that was writing when `fork` was called is not here to let go.
    WRITING.store(false, Ordering::Relaxed);
}

/// Writes the summary as of now, unless another thread is doing so.
pub fn publish(state: State) {
    let page = PAGE.load(Ordering::Acquire);
    if page.is_null() || WRITING.swap(true, Ordering::Acquire) {
        return;
    }
    if let Some(text) = Text::summary(state) {
        let bytes = text.as_bytes();
        // SAFETY: `attach` was promised CAPACITY bytes, and no summary is longer; WRITING keeps
        // other writers out, and the reader is another process that waits for this one's end.
        unsafe { page.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    }
    WRITING.store(false, Ordering::Release);
}
