//! Counting calls, and failing some.

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use crate::vm::VmError;

/// A kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// [`Vm::reserve`](crate::vm::Vm::reserve), also within `reserve_and_commit`.
    Reserve,
    /// [`Vm::commit`](crate::vm::Vm::commit), also within `reserve_and_commit`.
    Commit,
    /// [`Vm::decommit`](crate::vm::Vm::decommit).
    Decommit,
    /// [`Vm::release`](crate::vm::Vm::release).
    Release,
    /// [`Vm::protect`](crate::vm::Vm::protect).
    Protect,
    /// [`Vm::query`](crate::vm::Vm::query).
    Query,
    /// [`Vm::relocate`](crate::vm::Vm::relocate).
    Relocate,
}

/// How often a failure happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// One call fails, those after it do not.
    Once,
    /// The call and every one after it fail.
    Forever,
}

const KINDS: usize = 7;

/// A countdown to failure.
#[derive(Debug)]
struct Fuse {
    /// Calls left, the failing one included; 0: none will fail.
    left: AtomicUsize,
    forever: AtomicBool,
}

impl Fuse {
    const fn new() -> Self {
        Self {
            left: AtomicUsize::new(0),
            forever: AtomicBool::new(false),
        }
    }

    fn set(&self, nth: usize, repeat: Repeat) {
        self.forever.store(repeat == Repeat::Forever, SeqCst);
        self.left.store(nth, SeqCst);
    }

    /// Counts a call and says whether it fails.
    fn burns(&self) -> bool {
        let forever = self.forever.load(SeqCst);
        let left = self.left.fetch_update(SeqCst, SeqCst, |left| match left {
            0 => None,
            1 if forever => Some(1),
            left => Some(left - 1),
        });
        left == Ok(1)
    }
}

/// What was counted, and what is to fail.
#[derive(Debug)]
pub struct Faults {
    calls: [AtomicUsize; KINDS],
    fuses: [Fuse; KINDS],
    any: Fuse,
}

impl Faults {
    pub const fn new() -> Self {
        Self {
            calls: [const { AtomicUsize::new(0) }; KINDS],
            fuses: [const { Fuse::new() }; KINDS],
            any: Fuse::new(),
        }
    }

    pub fn set(&self, call: Option<Call>, nth: usize, repeat: Repeat) {
        let fuse = match call {
            Some(call) => &self.fuses[call as usize],
            None => &self.any,
        };
        fuse.set(nth, repeat);
    }

    pub fn clear(&self) {
        for fuse in self.fuses.iter().chain([&self.any]) {
            fuse.set(0, Repeat::Once);
        }
    }

    pub fn calls(&self, call: Call) -> usize {
        self.calls[call as usize].load(SeqCst)
    }

    /// Counts a call, and fails it if it is to fail.
    pub fn count(&self, call: Call) -> Result<(), VmError> {
        self.calls[call as usize].fetch_add(1, SeqCst);
        // Both fuses burn down, so neither waits for the other.
        let by_kind = self.fuses[call as usize].burns();
        let by_order = self.any.burns();
        if by_kind || by_order {
            Err(VmError::OutOfMemory)
        } else {
            Ok(())
        }
    }
}
