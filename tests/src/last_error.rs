//! What a call does to the last error.

use crate::abi::{GetLastError, SetLastError};

/// The last error every observed call starts with.
pub const PRESET: u32 = 0xDEAD_BEEF;

/// Makes a call with the last error preset; returns its result and the last error after it.
pub fn observe<T>(call: impl FnOnce() -> T) -> (T, u32) {
    SetLastError(PRESET);
    let result = call();
    (result, GetLastError())
}
