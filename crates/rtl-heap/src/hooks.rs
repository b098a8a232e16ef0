//! Hooks an adopter registers before first use: where failures are reported, and how a failed
//! allocation raises.

use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use crate::failure::HeapFailure;
use crate::status::Status;

/// Told of each misuse and each damage, once per call that found it, with no lock held.
pub type FailureHandler = fn(&HeapFailure);

/// Ends the process after a failure was reported, when termination on corruption is on.
pub type TerminateRoutine = fn(&HeapFailure) -> !;

static FAILURE_HANDLER: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());
static TERMINATE_ROUTINE: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());
static TERMINATE: AtomicBool = AtomicBool::new(false);

/// Registers who is told of failures; `None` for the default report on standard error.
pub fn set_failure_handler(handler: Option<FailureHandler>) {
    let raw = handler.map_or(ptr::null_mut(), |handler| handler as *mut ());
    FAILURE_HANDLER.store(raw, Ordering::Release);
}

/// Registers how the process ends on corruption; `None` for an abort.
pub fn set_terminate_routine(routine: Option<TerminateRoutine>) {
    let raw = routine.map_or(ptr::null_mut(), |routine| routine as *mut ());
    TERMINATE_ROUTINE.store(raw, Ordering::Release);
}

/// `HeapEnableTerminationOnCorruption`: from now on a failure ends the process. For the whole
/// process, for good.
pub fn enable_termination_on_corruption() {
    TERMINATE.store(true, Ordering::Relaxed);
}

/// Termination on corruption is on.
pub fn terminates_on_corruption() -> bool {
    TERMINATE.load(Ordering::Relaxed)
}

/// Reports `failure`, and ends the process if that was asked for. No lock may be held.
#[cold]
pub fn report(failure: &HeapFailure) {
    let handler = FAILURE_HANDLER.load(Ordering::Acquire);
    if !handler.is_null() {
        // SAFETY: only `set_failure_handler` stores here, and it stores this type.
        let handler: FailureHandler = unsafe { core::mem::transmute(handler) };
        handler(failure);
    } else if terminates_on_corruption() {
        default::report(failure);
    }
    if terminates_on_corruption() {
        terminate(failure)
    }
}

/// A heap with blocks that nobody freed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeapLeak {
    /// Its handle.
    pub heap: usize,
    /// How many blocks live.
    pub blocks: usize,
    /// Bytes asked for in them.
    pub bytes: usize,
}

/// Told of each heap with live blocks when leaks are detected.
pub type LeakHandler = fn(&HeapLeak);

static LEAK_HANDLER: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());
static DETECT_LEAKS: AtomicBool = AtomicBool::new(false);

/// Registers who is told of leaks; `None` for the default report on standard error.
pub fn set_leak_handler(handler: Option<LeakHandler>) {
    let raw = handler.map_or(ptr::null_mut(), |handler| handler as *mut ());
    LEAK_HANDLER.store(raw, Ordering::Release);
}

/// From now on [`crate::nt::detect_leaks`] reports.
pub fn enable_leak_detection() {
    DETECT_LEAKS.store(true, Ordering::Relaxed);
}

/// Leak detection is on.
pub fn detects_leaks() -> bool {
    DETECT_LEAKS.load(Ordering::Relaxed)
}

/// Reports a leak. No lock may be held.
#[cold]
pub fn report_leak(leak: &HeapLeak) {
    let handler = LEAK_HANDLER.load(Ordering::Acquire);
    if handler.is_null() {
        default::report_leak(leak);
        return;
    }
    // SAFETY: only `set_leak_handler` stores here, and it stores this type.
    let handler: LeakHandler = unsafe { core::mem::transmute(handler) };
    handler(leak);
}

fn terminate(failure: &HeapFailure) -> ! {
    let routine = TERMINATE_ROUTINE.load(Ordering::Acquire);
    if !routine.is_null() {
        // SAFETY: only `set_terminate_routine` stores here, and it stores this type.
        let routine: TerminateRoutine = unsafe { core::mem::transmute(routine) };
        routine(failure);
    }
    default::terminate()
}

#[cfg(feature = "os")]
mod default {
    use rtl_platform::{process, stack, stderr};

    use super::HeapLeak;
    use crate::failure::HeapFailure;
    use crate::report::Line;

    /// One line with what was found, one with the stack, one with the stack of whoever allocated
    /// the block, if that is known. Allocates nothing.
    pub fn report(failure: &HeapFailure) {
        let mut line = Line::new();
        line.failure(failure);
        stderr::write(line.bytes());
        let mut frames = [0; 32];
        let count = stack::capture(&mut frames);
        let place_of = |address| {
            let place = stack::place_of(address)?;
            Some((place.module, place.offset))
        };
        let mut line = Line::new();
        line.stack("called", &frames[..count], place_of);
        stderr::write(line.bytes());
        if !failure.allocated_by.is_empty() {
            let mut line = Line::new();
            line.stack("the block was allocated", failure.allocated_by, place_of);
            stderr::write(line.bytes());
        }
    }

    pub fn report_leak(leak: &HeapLeak) {
        let mut line = Line::new();
        line.leak(leak.heap, leak.blocks, leak.bytes);
        stderr::write(line.bytes());
    }

    pub fn terminate() -> ! {
        process::abort()
    }
}

#[cfg(not(feature = "os"))]
mod default {
    use super::HeapLeak;
    use crate::failure::HeapFailure;

    /// There is nowhere to write to.
    pub fn report(_failure: &HeapFailure) {}

    /// As above.
    pub fn report_leak(_leak: &HeapLeak) {}

    pub fn terminate() -> ! {
        panic!("heap corruption")
    }
}

/// What a failed allocation raises under `HEAP_GENERATE_EXCEPTIONS` (specification 1.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeapException {
    /// The exception code: [`Status::NO_MEMORY`].
    pub code: Status,
    /// Bytes the block would have had, `ExceptionInformation[0]`.
    pub size: usize,
}
