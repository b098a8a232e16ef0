//! One word of the thread's own, two instructions away.
//!
//! A shared library reaches Rust's thread-local storage by a call. This word has a symbol of its own
//! and is reached in the initial-exec way: its distance from the thread pointer is one load from the
//! table of offsets, which the loader fills in. A library that is loaded late takes eight bytes for it
//! from what the C library keeps for such; a program that links it statically pays one instruction.

use core::arch::{asm, global_asm};

use crate::thread::NOTHING;

global_asm!(
    ".pushsection .tdata.rtl_platform_thread_word,\"awT\",@progbits",
    ".p2align 3",
    ".hidden rtl_platform_thread_word",
    ".globl rtl_platform_thread_word",
    ".type rtl_platform_thread_word,@object",
    ".size rtl_platform_thread_word,8",
    "rtl_platform_thread_word:",
    ".quad {nothing}",
    ".popsection",
    nothing = sym NOTHING,
);

/// The current thread's word.
#[inline(always)]
pub fn word() -> usize {
    let word: usize;
    // SAFETY: loads the word at its offset from the thread pointer, which the loader made for every
    // thread of the process; changes nothing.
    unsafe {
        asm!(
            "mov {word}, qword ptr [rip + rtl_platform_thread_word@GOTTPOFF]",
            "mov {word}, qword ptr fs:[{word}]",
            word = out(reg) word,
            options(nostack, preserves_flags, readonly)
        );
    }
    word
}

/// Sets the current thread's word.
#[inline]
pub fn set_word(word: usize) {
    // SAFETY: stores into the current thread's own word, as above.
    unsafe {
        asm!(
            "mov {offset}, qword ptr [rip + rtl_platform_thread_word@GOTTPOFF]",
            "mov qword ptr fs:[{offset}], {word}",
            offset = out(reg) _,
            word = in(reg) word,
            options(nostack, preserves_flags)
        );
    }
}
