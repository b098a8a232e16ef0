//! The C runtime's error number, of which Windows may have several: none of them is ours.

/// Always 0.
pub fn get() -> i32 {
    0
}

/// Does nothing.
pub fn set(_value: i32) {}
