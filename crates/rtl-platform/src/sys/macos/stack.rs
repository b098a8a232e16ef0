//! The thread's stack, whose limits the thread's own structure holds.

pub use crate::sys::posix::modules::place_of;

use crate::sys::posix::frames;

/// Captures the callers of the caller.
#[inline(never)]
pub fn capture(frames: &mut [usize]) -> usize {
    let (frame, stack_pointer) = frames::pointers();
    // SAFETY: takes nothing.
    let own = unsafe { libc::pthread_self() };
    // SAFETY: the thread is the current one.
    let end = unsafe { libc::pthread_get_stackaddr_np(own) }.addr();
    // SAFETY: the thread is the current one.
    let size = unsafe { libc::pthread_get_stacksize_np(own) };
    // On a signal's or a fiber's stack the limits are not known.
    if stack_pointer > end || end - stack_pointer > size {
        return 0;
    }
    // SAFETY: 1: the stack can be read from the stack pointer up to its end.
    unsafe { frames::walk(frame, stack_pointer, end, frames) }
}
