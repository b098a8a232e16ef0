//! `RTL_HEAP_PARAMETERS` in Rust's terms, and the commit routine.

use core::ffi::c_void;

/// The caller's routine that commits a piece of caller memory (`PRTL_HEAP_COMMIT_ROUTINE`).
///
/// `base` is the heap's base. On entry `*commit_address` and `*commit_size` (bytes) say what the
/// heap wants next; on return they say what was committed. The result is an `NTSTATUS`. Called
/// with the heap's lock held; a call back into the same heap is refused.
pub type CommitRoutine = unsafe extern "system-unwind" fn(
    base: *mut c_void,
    commit_address: *mut *mut c_void,
    commit_size: *mut usize,
) -> i32;

/// What a caller may set about a heap at creation. Zero means the default of the
/// [`Limits`](crate::limits::Limits) in use; sizes are bytes (specification 2.4).
#[derive(Clone, Copy, Debug, Default)]
pub struct HeapParameters {
    /// Size of the second segment; later ones double.
    pub segment_reserve: usize,
    /// Commit step of a segment.
    pub segment_commit: usize,
    /// Smallest free run that is decommitted.
    pub decommit_free_block_threshold: usize,
    /// Free bytes a heap keeps before it decommits.
    pub decommit_total_free_threshold: usize,
    /// Largest request granted at all.
    pub maximum_allocation_size: usize,
    /// Largest block; clamped to the default.
    pub virtual_memory_threshold: usize,
    /// With a commit routine: bytes already committed at the base.
    pub initial_commit: usize,
    /// With a commit routine: bytes reserved at the base.
    pub initial_reserve: usize,
    /// Commits caller memory on demand.
    pub commit_routine: Option<CommitRoutine>,
}
