//! A commit routine for heaps over caller memory that does what a test asks for and keeps a record.

use core::cell::{Cell, RefCell};
use core::ffi::c_void;

use crate::abi::{HANDLE, NTSTATUS, RTL_HEAP_PARAMETERS, RtlAllocateHeap, status};
use crate::vm::{PAGE, Region};

/// What the routine does when it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Commits what is asked for.
    Obey,
    /// Commits nothing and says so.
    Refuse,
    /// Refuses one call, counted from zero since the manner was set, and obeys the others.
    RefuseCall(usize),
    /// Commits one page, whatever is asked for, and says so.
    OnePage,
    /// Commits nothing, and reports success with a size of zero.
    Nothing,
    /// Allocates from the heap it is called for, then refuses.
    Reenter,
}

/// One call of the routine, as it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The heap's base.
    pub base: usize,
    /// Where to commit.
    pub address: usize,
    /// How many bytes.
    pub size: usize,
}

thread_local! {
    static MANNER: Cell<Manner> = const { Cell::new(Manner::Obey) };
    static ASKED: RefCell<Vec<Asked>> = const { RefCell::new(Vec::new()) };
    static CALLS: Cell<usize> = const { Cell::new(0) };
    static REENTERED: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Sets what the routine does on this thread from now on.
pub fn behave(manner: Manner) {
    MANNER.set(manner);
    CALLS.set(0);
}

/// The calls on this thread since the last time this was asked.
pub fn asked() -> Vec<Asked> {
    ASKED.take()
}

/// How often the routine was called on this thread since its manner was set.
pub fn calls() -> usize {
    CALLS.get()
}

/// What the allocation of [`Manner::Reenter`] returned, if one was made.
pub fn reentered() -> Option<usize> {
    REENTERED.get()
}

/// Parameters for a heap over `region`, of which `committed` bytes are committed already.
pub fn parameters(region: &Region, committed: usize) -> RTL_HEAP_PARAMETERS {
    RTL_HEAP_PARAMETERS {
        InitialCommit: committed,
        InitialReserve: region.size(),
        CommitRoutine: Some(routine),
        ..RTL_HEAP_PARAMETERS::new()
    }
}

/// The routine.
///
/// # Safety
/// `address` and `size` are writable; what they ask for lies in memory the test reserved.
pub unsafe extern "system" fn routine(
    base: *mut c_void,
    address: *mut *mut c_void,
    size: *mut usize,
) -> NTSTATUS {
    // SAFETY: the heap passes two variables of its own.
    let (address, size) = unsafe { (&mut *address, &mut *size) };
    let asked = Asked {
        base: base as usize,
        address: *address as usize,
        size: *size,
    };
    ASKED.with_borrow_mut(|all| all.push(asked));
    let call = CALLS.replace(CALLS.get() + 1);
    match MANNER.get() {
        Manner::RefuseCall(refused) if refused == call => return status::STATUS_NO_MEMORY,
        Manner::Obey | Manner::RefuseCall(_) => {
            let start = asked.address / PAGE * PAGE;
            let end = (asked.address + asked.size).next_multiple_of(PAGE);
            commit(start, end - start);
            *address = start as *mut c_void;
            *size = end - start;
        }
        Manner::OnePage => {
            let start = asked.address / PAGE * PAGE;
            commit(start, PAGE);
            *address = start as *mut c_void;
            *size = PAGE;
        }
        Manner::Nothing => *size = 0,
        Manner::Refuse => return status::STATUS_NO_MEMORY,
        Manner::Reenter => {
            let inner = RtlAllocateHeap(base as HANDLE, 0, asked.size);
            REENTERED.set(Some(inner as usize));
            return status::STATUS_NO_MEMORY;
        }
    }
    status::STATUS_SUCCESS
}

fn commit(start: usize, size: usize) {
    assert!(
        crate::vm::commit(start, size),
        "cannot commit {size:#x} bytes at {start:#x}"
    );
}
