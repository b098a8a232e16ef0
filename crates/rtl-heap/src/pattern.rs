//! The patterns the debug heap fills memory with, and the search for what has changed them (10.3).

use core::ptr;

/// In a block that was handed out and not yet written to: whole DWORDs.
pub const UNINITIALIZED: u32 = 0xBAAD_F00D;
/// In a free block, behind its links.
pub const FREED: u32 = 0xFEEE_FEEE;
/// Behind a block's data.
pub const TAIL: u8 = 0xAB;

const DWORD: usize = size_of::<u32>();

/// Fills `from..to` as free memory.
///
/// # Safety
/// 1. Both are multiples of 4, and the bytes between are writable and nobody's.
pub unsafe fn fill_freed(from: usize, to: usize) {
    // SAFETY: (1).
    unsafe { fill(from, to, FREED) }
}

/// Fills the whole DWORDs of `from..to` as memory nobody has written to.
///
/// # Safety
/// 1. The bytes are writable, and nobody else uses them.
pub unsafe fn fill_uninitialized(from: usize, to: usize) {
    // SAFETY: (1).
    unsafe {
        fill(
            from.next_multiple_of(DWORD),
            to & !(DWORD - 1),
            UNINITIALIZED,
        )
    }
}

/// # Safety
/// 1. Both ends are multiples of 4; the bytes between are writable.
unsafe fn fill(from: usize, to: usize, pattern: u32) {
    let mut at = from;
    while at < to {
        // SAFETY: (1).
        unsafe { (at as *mut u32).write(pattern) };
        at += DWORD;
    }
}

/// The first DWORD of `from..to` that is not as [`fill_freed`] left it.
///
/// # Safety
/// 1. Both are multiples of 4, and the bytes between are readable.
pub unsafe fn first_not_freed(from: usize, to: usize) -> Option<usize> {
    (from..to).step_by(DWORD).find(|at| {
        // SAFETY: (1). Volatile: whoever wrote there after the free may be writing still.
        unsafe { (*at as *const u32).read_volatile() != FREED }
    })
}

/// Fills `count` bytes.
///
/// # Safety
/// 1. They are writable, and nobody else uses them.
pub unsafe fn fill_bytes(at: usize, count: usize, byte: u8) {
    // SAFETY: (1).
    unsafe { ptr::write_bytes(at as *mut u8, byte, count) }
}

/// The first of `count` bytes that is not `byte`.
///
/// # Safety
/// 1. They are readable.
pub unsafe fn first_not_byte(at: usize, count: usize, byte: u8) -> Option<usize> {
    // SAFETY: (1). Volatile: whoever wrote past its block may be writing still.
    (at..at + count).find(|place| unsafe { (*place as *const u8).read_volatile() } != byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[repr(align(16))]
    struct Bytes([u8; 64]);

    #[test]
    fn only_whole_dwords_are_filled_as_uninitialized() {
        let mut bytes = Bytes([0; 64]);
        let at = bytes.0.as_mut_ptr() as usize;
        // SAFETY: (1) the bytes are ours.
        unsafe { fill_uninitialized(at + 5, at + 15) };
        let pattern = [0x0D, 0xF0, 0xAD, 0xBA];
        assert_eq!(bytes.0[..8], [0; 8]);
        assert_eq!(bytes.0[8..12], pattern);
        assert_eq!(bytes.0[12..], [0; 52]);
        // SAFETY: (1) nothing is written.
        unsafe { fill_uninitialized(at + 21, at + 23) };
        assert_eq!(bytes.0[16..24], [0; 8]);
    }

    #[test]
    fn every_changed_byte_is_found() {
        let mut bytes = Bytes([0; 64]);
        let at = bytes.0.as_mut_ptr() as usize;
        for changed in 0..64 {
            // SAFETY: (1) the bytes are ours.
            unsafe {
                fill_freed(at, at + 64);
                assert_eq!(first_not_freed(at, at + 64), None);
                (at as *mut u8).add(changed).write(0);
                assert_eq!(first_not_freed(at, at + 64), Some((at + changed) & !3));
                fill_bytes(at, 64, TAIL);
                assert_eq!(first_not_byte(at, 64, TAIL), None);
                (at as *mut u8).add(changed).write(0);
                assert_eq!(first_not_byte(at, 64, TAIL), Some(at + changed));
            }
        }
    }
}
