//! Threads. Native thread-local storage allocates when a thread first looks at it, so a key leads
//! to the block instead: the system keeps the keys' values inside the thread's own structure.

use core::ffi::c_void;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::sys::keyed;
use crate::thread::ThreadBlock;

/// Rounds of destructors that the system makes: `PTHREAD_DESTRUCTOR_ITERATIONS`.
const ROUNDS: usize = 4;

/// The key's number plus one; 0 before there is a key.
static KEY: AtomicUsize = AtomicUsize::new(0);

/// The address of the thread's own structure.
pub fn id() -> usize {
    // SAFETY: takes nothing.
    unsafe { libc::pthread_self() as usize }
}

/// The thread's block.
pub fn block() -> NonNull<ThreadBlock> {
    let key = key();
    // SAFETY: the key exists and is never deleted.
    let value = unsafe { libc::pthread_getspecific(key) };
    match NonNull::new(value.cast::<ThreadBlock>()) {
        Some(block) if block.as_ptr().addr() != keyed::GONE => block,
        seen => {
            let block = keyed::take(seen.is_some());
            set(key, block.as_ptr().cast());
            block
        }
    }
}

/// Every block is watched from the beginning.
pub fn watch_exit(_block: NonNull<ThreadBlock>) {}

/// Runs in every round. The block stays the thread's until the last, so that other destructors
/// find it.
///
/// # Safety
///
/// 1. `value` is the current thread's block or mark, and the thread is ending.
unsafe extern "C" fn destructor(value: *mut c_void) {
    if value.addr() == keyed::GONE {
        return;
    }
    let Some(block) = NonNull::new(value.cast::<ThreadBlock>()) else {
        return;
    };
    let key = key();
    // The system has cleared the value before the call.
    set(key, value);
    // SAFETY: 1.
    unsafe { ThreadBlock::leave(block) };
    // SAFETY: the block is this thread's until it is given back.
    let rounds = &unsafe { block.as_ref() }.system[1];
    rounds.set(rounds.get() + 1);
    if rounds.get() == ROUNDS {
        set(key, core::ptr::without_provenance_mut(keyed::GONE));
        // SAFETY: 1: with the thread's way to the block gone, nobody knows it.
        unsafe { keyed::give(block) };
    }
}

fn set(key: libc::pthread_key_t, value: *mut c_void) {
    // SAFETY: the key exists and is never deleted.
    unsafe { libc::pthread_setspecific(key, value) };
}

fn key() -> libc::pthread_key_t {
    let known = KEY.load(Ordering::Relaxed);
    if known != 0 {
        return (known - 1) as libc::pthread_key_t;
    }
    let mut key: libc::pthread_key_t = 0;
    // SAFETY: the key's place is valid for writing, and the destructor for the whole program.
    if unsafe { libc::pthread_key_create(&mut key, Some(destructor)) } != 0 {
        crate::stderr::write(b"rtl-heap: the system has no key left for thread-local storage\n");
        crate::process::abort();
    }
    // Relaxed is enough: a key's number is all there is to publish.
    let stored = KEY.compare_exchange(0, key as usize + 1, Ordering::Relaxed, Ordering::Relaxed);
    match stored {
        Ok(_) => key,
        Err(first) => {
            // SAFETY: the key was made just above, and nobody else knows it.
            unsafe { libc::pthread_key_delete(key) };
            (first - 1) as libc::pthread_key_t
        }
    }
}
