//! The standard error stream.

use windows_sys::Win32::Storage::FileSystem::WriteFile;
use windows_sys::Win32::System::Console::{GetStdHandle, STD_ERROR_HANDLE};

use super::last_error::kept;

/// Writes all of `bytes`, as far as the stream takes them.
pub fn write(mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let mut written = 0;
        let result = kept(|| {
            // SAFETY: takes a number.
            let stream = unsafe { GetStdHandle(STD_ERROR_HANDLE) };
            let from = bytes.as_ptr();
            let no_overlap = core::ptr::null_mut();
            // SAFETY: the pointer and the length are within one slice, and the place for the count
            // is valid for writing.
            let done = unsafe { WriteFile(stream, from, length, &mut written, no_overlap) };
            (done != 0 && written != 0).then_some(())
        });
        if result.is_err() {
            return;
        }
        bytes = bytes.get(written as usize..).unwrap_or_default();
    }
}
