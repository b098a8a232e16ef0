//! Who a thread is, what is kept for it, and its end.
//!
//! Nothing here relies on the C library's or the system's own thread structure staying the same
//! while a thread lives: a host that swaps the segment registers around foreign code has to restore
//! them before it calls a heap, as for any other native code.

use core::cell::Cell;
use core::ptr::NonNull;
use core::sync::atomic::AtomicUsize;

use crate::sys::{thread as sys, word};

/// What runs when a thread ends, with the thread's block.
pub type ExitRoutine = unsafe fn(NonNull<ThreadBlock>);

/// What is kept for a thread. It is there from the first look at it and stays at its address until
/// the thread is gone; a look never calls Rust's allocator.
#[derive(Debug, Default)]
pub struct ThreadBlock {
    /// The thread's Win32 last error, for hosts without one.
    pub last_error: Cell<u32>,
    /// The thread's last NT status, for hosts without one.
    pub last_status: Cell<i32>,
    /// The heap's own words; zero at first. The first one is [`word()`], where that is no variable of
    /// its own.
    pub words: [Cell<usize>; 8],
    exit: Cell<Option<ExitRoutine>>,
    exiting: Cell<bool>,
    /// For the layer below: the limits of the stack the thread last captured, or the way to the
    /// next free block.
    pub(crate) system: [Cell<usize>; 2],
}

impl ThreadBlock {
    /// A block of a thread that has just begun, or is already ending.
    pub(crate) const fn new(is_exiting: bool) -> Self {
        Self {
            last_error: Cell::new(0),
            last_status: Cell::new(0),
            words: [const { Cell::new(0) }; 8],
            exit: Cell::new(None),
            exiting: Cell::new(is_exiting),
            system: [const { Cell::new(0) }; 2],
        }
    }

    /// Marks the thread as ending and runs the routine it is armed with, once per arming.
    ///
    /// # Safety
    ///
    /// 1. `block` is the current thread's, and the thread is ending.
    pub(crate) unsafe fn leave(block: NonNull<Self>) {
        // SAFETY: 1: the block lives until the thread is gone, and no other thread uses it.
        let this = unsafe { block.as_ref() };
        this.exiting.set(true);
        if let Some(exit) = this.exit.take() {
            // SAFETY: `arm`'s caller says the routine is fit to run at the thread's end.
            unsafe { exit(block) };
        }
    }
}

/// A number that no other living thread has: never 0, got without a system call. It may be given
/// to a new thread when this one is gone.
#[must_use]
#[inline]
pub fn id() -> usize {
    sys::id()
}

/// Zeros: what [`word()`] leads to until it is set. Writable, so that who has not looked yet whether there is
/// anything may store there what says nothing.
pub static NOTHING: [AtomicUsize; 512] = [const { AtomicUsize::new(0) }; 512];

/// A word of the current thread's own, the address of [`NOTHING`] until [`set_word()`]: the quickest
/// thing to know of a thread, two instructions where the system allows.
#[must_use]
#[inline(always)]
pub fn word() -> usize {
    word::word()
}

/// Sets [`word()`]. For the heap, and nobody else: there is only one.
#[inline]
pub fn set_word(word: usize) {
    word::set_word(word);
}

/// The current thread's block. It is valid until the thread is gone, for this thread only.
#[must_use]
pub fn block() -> NonNull<ThreadBlock> {
    sys::block()
}

/// Runs `exit` with the current thread's block when the thread ends. Arming an armed thread
/// replaces the routine.
///
/// The routine may run before other destructors of the thread, which may use the heap again: then
/// [`is_exiting`] is true, and arming again makes the routine run again in a later round of
/// destructors, as long as the system makes one (POSIX promises four). Whoever needs no second
/// round should not keep anything for a thread that is exiting.
///
/// Hold no lock that `calloc` could need: the C library may allocate a page of keys on the way.
/// The thread that ends the process, by returning from `main` or by `exit`, runs no routine.
///
/// # Safety
///
/// 1. `exit` stays valid until the process ends (the library is never unloaded).
/// 2. It is fit to run at the end of this thread with this thread's block, and does not unwind.
pub unsafe fn arm(exit: ExitRoutine) {
    let block = block();
    // SAFETY: the block is this thread's and valid now.
    let was = unsafe { block.as_ref() }.exit.replace(Some(exit));
    if was.is_none() {
        sys::watch_exit(block);
    }
}

/// Whether the current thread's exit routine has run, or runs now: keep nothing for it.
#[must_use]
pub fn is_exiting() -> bool {
    // SAFETY: the block is this thread's and valid now.
    unsafe { block().as_ref() }.exiting.get()
}

#[cfg(test)]
mod tests;
