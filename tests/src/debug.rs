//! Debug heaps: processes with a global flag, and the words of a heap's header that tell.

use crate::child;
use crate::heap::{P, TestHeap};

/// Runs `body` in a child process under the global flag, and insists that it ends well.
///
/// # Panics
/// When it does not.
#[track_caller]
pub fn with_flags(test: &str, global: &str, body: impl FnOnce()) {
    let ending = child::run_with(test, &[("RTLHEAP_GLOBAL_FLAG", global)], body);
    assert!(ending.survived(), "{ending:?}");
}

/// `Flags` and `ForceFlags` of a heap's header (10.4).
pub fn flags_of(heap: &TestHeap) -> (u32, u32) {
    let flags = if P == 8 { 0x70 } else { 0x40 };
    // SAFETY: the header is committed, and the fields are aligned.
    let field = |at: usize| unsafe { heap.handle().byte_add(at).cast::<u32>().read_volatile() };
    (field(flags), field(flags + 4))
}
