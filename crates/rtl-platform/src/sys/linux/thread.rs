//! Threads: native thread-local storage, which the loader provides before a thread runs, and one
//! key for the sake of its destructor.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::thread::ThreadBlock;

thread_local! {
    /// Constant at first and without a destructor, so the first look runs no code of std's.
    static BLOCK: ThreadBlock = const { ThreadBlock::new(false) };
}

/// The key's number plus one; 0 before there is a key.
static KEY: AtomicUsize = AtomicUsize::new(0);

/// The address of the thread's block, which no other living thread shares.
#[inline]
pub fn id() -> usize {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    return pointer();
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    BLOCK.with(|block| core::ptr::from_ref(block).addr())
}

/// The thread pointer: the address of the C library's record of the thread, in one instruction
/// where a look at thread-local storage from a shared library costs a call.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[inline]
fn pointer() -> usize {
    let pointer: usize;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the ABI keeps the thread pointer's own value at offset 0 of the segment; the
    // instruction changes nothing.
    unsafe {
        core::arch::asm!(
            "mov {}, fs:[0]",
            out(reg) pointer,
            options(nostack, preserves_flags, readonly, pure)
        );
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: reads the thread pointer register and changes nothing.
    unsafe {
        core::arch::asm!(
            "mrs {}, tpidr_el0",
            out(reg) pointer,
            options(nomem, nostack, preserves_flags, pure)
        );
    }
    pointer
}

/// The thread's block.
pub fn block() -> NonNull<ThreadBlock> {
    BLOCK.with(|block| NonNull::from(block))
}

/// Has [`ThreadBlock::leave`] called at the thread's end. Where the system has no key left, it is
/// not called, and what the routine would have given back stays with the heap.
pub fn watch_exit(block: NonNull<ThreadBlock>) {
    let Some(key) = key() else { return };
    // SAFETY: the key exists and is never deleted.
    unsafe { libc::pthread_setspecific(key, block.as_ptr().cast()) };
}

fn key() -> Option<libc::pthread_key_t> {
    let known = KEY.load(Ordering::Relaxed);
    if known != 0 {
        return Some((known - 1) as libc::pthread_key_t);
    }
    let mut key: libc::pthread_key_t = 0;
    // SAFETY: the key's place is valid for writing, and the destructor for the whole program.
    if unsafe { libc::pthread_key_create(&mut key, Some(destructor)) } != 0 {
        return None;
    }
    // Relaxed is enough: a key's number is all there is to publish.
    match KEY.compare_exchange(0, key as usize + 1, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => Some(key),
        Err(first) => {
            // SAFETY: the key was made just above, and nobody else knows it.
            unsafe { libc::pthread_key_delete(key) };
            Some((first - 1) as libc::pthread_key_t)
        }
    }
}

/// Runs when a thread ends that has a value for the key.
///
/// # Safety
///
/// 1. `value` is the current thread's block, and the thread is ending.
unsafe extern "C" fn destructor(value: *mut libc::c_void) {
    if let Some(block) = NonNull::new(value.cast()) {
        // SAFETY: 1.
        unsafe { ThreadBlock::leave(block) };
    }
}
