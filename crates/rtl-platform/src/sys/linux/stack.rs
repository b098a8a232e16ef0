//! The thread's stack.
//!
//! `pthread_getattr_np` would tell its limits but allocates, so the mapping around the stack
//! pointer is looked up instead: what can be read there, from the stack pointer upwards. The answer
//! is kept until the thread runs on another stack.

use crate::pages::Span;
pub use crate::sys::posix::modules::place_of;

use crate::sys::posix::frames;
use crate::thread;
use crate::vm::PageState;

use super::{memory, unwinder};

/// Captures the callers of the caller.
#[inline(never)]
pub fn capture(frames: &mut [usize]) -> usize {
    let (frame, stack_pointer) = frames::pointers();
    let Some(stack) = limits(stack_pointer) else {
        return 0;
    };
    let count = unwinder::capture(frames, stack);
    if count > 0 {
        return count;
    }
    // SAFETY: 1: the stack is mapped from the stack pointer up to the end of its mapping.
    unsafe { frames::walk(frame, stack_pointer, stack.end, frames) }
}

fn limits(stack_pointer: usize) -> Option<Span> {
    // SAFETY: the block is this thread's and valid now.
    let [start, end] = &unsafe { thread::block().as_ref() }.system;
    let known = Span {
        start: start.get(),
        end: end.get(),
    };
    if (known.start..known.end).contains(&stack_pointer) {
        return Some(known);
    }
    let found = memory::query(stack_pointer).ok()?;
    if found.state != PageState::Committed {
        return None;
    }
    let stack = Span::new(found.base, found.size);
    start.set(stack.start);
    end.set(stack.end);
    Some(stack)
}
