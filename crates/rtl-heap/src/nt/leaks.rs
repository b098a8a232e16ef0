//! Reporting what was never freed (5.1).

use crate::hooks::{self, HeapLeak};
use crate::lifecycle::registry;
use crate::nt::{HeapHandle, accounting};

/// Reports each heap of the process that has live blocks, if leak detection is on
/// ([`hooks::enable_leak_detection`]). No lock is held when a report is made.
///
/// # Source
/// Specification 5.1 names the call; what it says is our choice.
#[doc(alias = "RtlDetectHeapLeaks")]
pub fn detect_leaks() {
    if !hooks::detects_leaks() {
        return;
    }
    let mut slot = 0;
    while let Some(handle) = registry::nth_handle(slot) {
        slot += 1;
        // A heap that ends meanwhile has no leaks.
        if let Ok(sums) = accounting(HeapHandle(handle))
            && sums.live_blocks != 0
        {
            hooks::report_leak(&HeapLeak {
                heap: handle,
                blocks: sums.live_blocks,
                bytes: sums.live_bytes,
            });
        }
    }
}
