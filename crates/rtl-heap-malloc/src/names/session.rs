//! What happens when the library is loaded and when the process exits: the summary's two ends.
//!
//! `ntheap run` invites its own child, and no other process, by
//! `NTHEAP_SUMMARY=<process id of ntheap>:<file of one page>`. A program that the child starts
//! inherits the variable, and finds that its parent is somebody else.

use core::ffi::{CStr, c_char};

use crate::statistics::{self, State};

/// The variable that asks for a summary.
const INVITATION: &CStr = c"NTHEAP_SUMMARY";

/// Bytes of the shared page.
const PAGE: usize = 4096;

/// To be run once by the loader, before `main`. Allocates nothing, and leaves the heap alone.
pub extern "C" fn on_load() {
    let Some(page) = invited_page() else {
        statistics::stop();
        return;
    };
    // SAFETY: mapped for this and never unmapped.
    unsafe { statistics::attach(page) };
    // SAFETY: the handler takes no argument and does not unwind. Should there be no memory to
    // register it, what is lost is the last part of a summary.
    unsafe { libc::atexit(on_exit) };
}

extern "C" fn on_exit() {
    statistics::publish(State::Exited);
}

fn invited_page() -> Option<*mut [u8; PAGE]> {
    // SAFETY: the name is a C string. Before `main` nobody changes the environment.
    let value = unsafe { libc::getenv(INVITATION.as_ptr()) };
    if value.is_null() {
        return None;
    }
    // SAFETY: `getenv` answers with a C string.
    let value = unsafe { CStr::from_ptr(value) };
    let (inviter, path) = split(value)?;
    // SAFETY: no precondition.
    if unsafe { libc::getppid() } != inviter {
        return None;
    }
    map(path)
}

/// `<decimal>:<path>`, without copying the path.
fn split(value: &CStr) -> Option<(libc::pid_t, &CStr)> {
    let bytes = value.to_bytes_with_nul();
    let colon = bytes.iter().position(|byte| *byte == b':')?;
    let inviter = core::str::from_utf8(&bytes[..colon]).ok()?.parse().ok()?;
    Some((
        inviter,
        CStr::from_bytes_with_nul(&bytes[colon + 1..]).ok()?,
    ))
}

fn map(path: &CStr) -> Option<*mut [u8; PAGE]> {
    let path: *const c_char = path.as_ptr();
    // SAFETY: `path` is a C string.
    let file = unsafe { libc::open(path, libc::O_RDWR | libc::O_CLOEXEC | libc::O_NOFOLLOW) };
    if file < 0 {
        return None;
    }
    // SAFETY: a new mapping at an address of the system's choice harms nobody.
    let page = unsafe {
        libc::mmap(
            core::ptr::null_mut(),
            PAGE,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED,
            file,
            0,
        )
    };
    // SAFETY: `file` was opened above, and the mapping does not need it.
    unsafe { libc::close(file) };
    (page != libc::MAP_FAILED).then(|| page.cast())
}
