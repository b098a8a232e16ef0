//! Threads: two indices, one that leads to the block, and one for the sake of its callback at the
//! thread's end.

use core::ffi::c_void;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering};

use windows_sys::Win32::System::Threading::{
    FLS_OUT_OF_INDEXES, FlsAlloc, FlsFree, FlsSetValue, GetCurrentThreadId, TLS_OUT_OF_INDEXES,
    TlsAlloc, TlsFree, TlsGetValue, TlsSetValue,
};

use super::last_error::kept;
use crate::sys::keyed;
use crate::thread::ThreadBlock;

/// The index of the block, plus one; 0 before there is one.
static BLOCK: AtomicUsize = AtomicUsize::new(0);
/// The index of the callback, plus one.
static EXIT: AtomicUsize = AtomicUsize::new(0);

/// The system's number of the thread.
pub fn id() -> usize {
    // SAFETY: takes nothing, and reads the thread's own number.
    unsafe { GetCurrentThreadId() as usize }
}

/// The thread's block.
pub fn block() -> NonNull<ThreadBlock> {
    let index = block_index();
    // Reading an index succeeds and sets the last error all the same.
    let value = kept(|| {
        // SAFETY: the index exists and is never freed.
        Some(unsafe { TlsGetValue(index) })
    })
    .unwrap_or(core::ptr::null_mut());
    match NonNull::new(value.cast::<ThreadBlock>()) {
        Some(block) if block.as_ptr().addr() != keyed::GONE => block,
        seen => new_block(index, seen.is_some()),
    }
}

/// Every block is watched from the beginning.
pub fn watch_exit(_block: NonNull<ThreadBlock>) {}

#[cold]
fn new_block(index: u32, is_late: bool) -> NonNull<ThreadBlock> {
    let block = keyed::take(is_late);
    let _ = kept(|| {
        // SAFETY: the index exists and is never freed.
        unsafe { TlsSetValue(index, block.as_ptr().cast()) };
        if !is_late {
            // SAFETY: the index exists and is never freed.
            unsafe { FlsSetValue(exit_index(), block.as_ptr().cast()) };
        }
        Some(())
    });
    block
}

/// Runs at the end of the thread, and also of a fiber, which may be another's.
///
/// # Safety
///
/// 1. The current thread, or a fiber, is ending, and `value` is a block.
unsafe extern "system" fn callback(value: *const c_void) {
    let index = block_index();
    // SAFETY: the index exists and is never freed.
    let own = unsafe { TlsGetValue(index) };
    let Some(block) = NonNull::new(own.cast::<ThreadBlock>()) else {
        return;
    };
    if !core::ptr::addr_eq(value, own) {
        return;
    }
    // SAFETY: 1: the value is the thread's own block, so it is the thread that is ending.
    unsafe { ThreadBlock::leave(block) };
    // SAFETY: the index exists and is never freed.
    unsafe { TlsSetValue(index, core::ptr::without_provenance(keyed::GONE)) };
    // SAFETY: 1: with the thread's way to the block gone, nobody knows it.
    unsafe { keyed::give(block) };
}

fn block_index() -> u32 {
    once(
        &BLOCK,
        || {
            // SAFETY: takes nothing.
            let index = unsafe { TlsAlloc() };
            (index != TLS_OUT_OF_INDEXES).then_some(index)
        },
        |index| {
            // SAFETY: the index was made just now, and nobody else knows it.
            unsafe { TlsFree(index) };
        },
    )
}

fn exit_index() -> u32 {
    once(
        &EXIT,
        || {
            // SAFETY: the callback is valid as long as the process lives.
            let index = unsafe { FlsAlloc(Some(callback)) };
            (index != FLS_OUT_OF_INDEXES).then_some(index)
        },
        |index| {
            // SAFETY: the index was made just now, and nobody else knows it.
            unsafe { FlsFree(index) };
        },
    )
}

/// An index that the first thread makes. A thread that comes second frees its own.
fn once(place: &AtomicUsize, make: impl Fn() -> Option<u32>, undo: impl Fn(u32)) -> u32 {
    let known = place.load(Ordering::Relaxed);
    if known != 0 {
        return (known - 1) as u32;
    }
    let Ok(index) = kept(make) else {
        crate::stderr::write(b"rtl-heap: the system has no index left for thread-local storage\n");
        crate::process::abort();
    };
    // Relaxed is enough: an index's number is all there is to publish.
    let stored =
        place.compare_exchange(0, index as usize + 1, Ordering::Relaxed, Ordering::Relaxed);
    match stored {
        Ok(_) => index,
        Err(first) => {
            undo(index);
            (first - 1) as u32
        }
    }
}
