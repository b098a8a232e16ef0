//! The standard error stream.

use super::errno;

/// Writes all of `bytes`, as far as the stream takes them.
pub fn write(mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let written = errno::kept(|| {
            // SAFETY: the pointer and the length are those of one slice.
            let written = unsafe { libc::write(2, bytes.as_ptr().cast(), bytes.len()) };
            usize::try_from(written).ok()
        });
        match written {
            Ok(0) => return,
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(libc::EINTR) => {}
            Err(_) => return,
        }
    }
}
