//! Calls that must be refused: cleanly while termination on corruption is off, by ending the
//! process once it is on, and never with anything changed.

use core::cell::{Cell, RefCell};
use core::ffi::c_void;
use core::ptr::null_mut;
use std::sync::Once;

use crate::abi::own::{
    rtlheap_enable_termination_on_corruption, rtlheap_failure, rtlheap_set_corruption_handler,
};
use crate::abi::*;
use crate::child;
use crate::heap::TestHeap;
use crate::last_error::observe;
use crate::witness::Witness;

/// What was found, numbered as `HEAP_FAILURE_TYPE`.
pub mod kind {
    /// A write behind a block.
    pub const BUFFER_OVERRUN: u32 = 6;
    /// A block that is not in use.
    pub const BLOCK_NOT_BUSY: u32 = 8;
    /// An address that is no block.
    pub const INVALID_ARGUMENT: u32 = 9;
    /// A block of another heap.
    pub const CROSS_HEAP_OPERATION: u32 = 12;
    /// A damaged list of what is free.
    pub const FREE_LISTS_CORRUPTION: u32 = 13;
}

/// A report of the corruption handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// One of [`kind`].
    pub kind: u32,
    /// The heap of the call, as a number.
    pub heap: usize,
    /// The bad address.
    pub address: usize,
    /// The heap the address belongs to, or zero.
    pub owner: usize,
}

thread_local! {
    static LISTENING: Cell<bool> = const { Cell::new(false) };
    static REPORTS: RefCell<Vec<Report>> = const { RefCell::new(Vec::new()) };
}

/// Makes a call; returns its result and what the corruption handler was told on this thread
/// meanwhile.
pub fn reported_by<T>(call: impl FnOnce() -> T) -> (T, Vec<Report>) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the handler ignores its context.
        let set = unsafe { rtlheap_set_corruption_handler(Some(handler), null_mut()) };
        assert_eq!(set, TRUE);
    });
    LISTENING.set(true);
    let result = call();
    LISTENING.set(false);
    (result, REPORTS.take())
}

unsafe extern "C" fn handler(failure: *const rtlheap_failure, _: *mut c_void) {
    if !LISTENING.get() {
        return;
    }
    // SAFETY: the library passes a structure of its own.
    let failure = unsafe { *failure };
    let report = Report {
        kind: failure.kind,
        heap: failure.heap as usize,
        address: failure.address as usize,
        owner: failure.owner as usize,
    };
    REPORTS.with_borrow_mut(|reports| reports.push(report));
}

/// A call with a pointer it must refuse.
#[derive(Clone, Copy, Debug)]
pub enum BadCall {
    /// `HeapFree`.
    Free(*mut c_void),
    /// `HeapSize`.
    Size(*mut c_void),
    /// `HeapReAlloc` to 64 bytes.
    ReAlloc(*mut c_void),
}

use BadCall::{Free, ReAlloc, Size};

impl BadCall {
    /// All calls with one pointer.
    pub fn all(pointer: *mut c_void) -> [BadCall; 3] {
        [Free(pointer), Size(pointer), ReAlloc(pointer)]
    }

    fn pointer(self) -> *mut c_void {
        match self {
            Free(pointer) | Size(pointer) | ReAlloc(pointer) => pointer,
        }
    }

    /// Makes the call; true if it was refused.
    fn is_refused(self, heap: HANDLE) -> bool {
        match self {
            Free(pointer) => HeapFree(heap, 0, pointer) == FALSE,
            Size(pointer) => HeapSize(heap, 0, pointer) == usize::MAX,
            ReAlloc(pointer) => HeapReAlloc(heap, 0, pointer, 64).is_null(),
        }
    }

    /// Asserts that the call is refused as NT refuses it, with one report; returns the report.
    #[track_caller]
    pub fn assert_refused(self, heap: &TestHeap) -> Report {
        let ((refused, error), reports) =
            reported_by(|| observe(|| self.is_refused(heap.handle())));
        assert!(refused, "{self:x?} was accepted");
        assert_eq!(error, error::ERROR_INVALID_PARAMETER, "{self:x?}");
        assert_eq!(reports.len(), 1, "{self:x?}: {reports:x?}");
        assert_eq!(reports[0].heap, heap.address(), "{self:x?}");
        assert_eq!(reports[0].address, self.pointer() as usize, "{self:x?}");
        reports[0]
    }
}

/// Asserts that the calls `prepare` leads up to are refused with nothing changed, and that the
/// first of them ends a process that has termination on corruption. `test` is the calling test's
/// name.
pub fn assert_misuse(test: &str, prepare: impl Fn(&TestHeap) -> Vec<BadCall>) {
    child::assert_terminates(test, || {
        let heap = TestHeap::new();
        let calls = prepare(&heap);
        rtlheap_enable_termination_on_corruption();
        calls[0].is_refused(heap.handle());
    });
    let heap = TestHeap::new();
    let witness = Witness::new(&heap);
    let calls = prepare(&heap);
    assert!(!calls.is_empty());
    for call in calls {
        call.assert_refused(&heap);
        witness.assert_undisturbed();
    }
}
