//! The thread's word where it lies in the thread's block like everything else.

use super::thread::block;
use crate::thread::NOTHING;

/// The current thread's word.
#[inline]
pub fn word() -> usize {
    // SAFETY: the block is this thread's and valid now.
    match unsafe { block().as_ref() }.words[0].get() {
        0 => NOTHING.as_ptr().addr(),
        word => word,
    }
}

/// Sets the current thread's word.
#[inline]
pub fn set_word(word: usize) {
    // SAFETY: the block is this thread's and valid now.
    unsafe { block().as_ref() }.words[0].set(word);
}
