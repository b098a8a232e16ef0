//! Last words.

use crate::sys::stderr as sys;

/// Writes `bytes` to the standard error stream at once, without allocating, locking or buffering.
/// What the stream does not take is lost. Leaves `errno` alone.
pub fn write(bytes: &[u8]) {
    sys::write(bytes);
}
