//! Committing more than is asked for.
//!
//! A heap that grows commits by NT's small steps, and everything that looks at it finds them so. A system
//! call for each is dear, so the system is asked for more at once: what was not asked for counts as
//! uncommitted and is warm (`backend::warm`). It holds no memory before it is touched.

use core::ptr::NonNull;

use crate::backend::warm;
use crate::heap::{Accounting, Heap};
use crate::region::Region;
use crate::units::PAGE;

/// Bytes committed beyond what is asked for, at most. Our choice.
const AHEAD: usize = 128 << 10;

/// Bytes of a new segment to commit besides what is asked for, up to `most`. Then [`note`] is next.
pub fn bytes(heap: &Heap, accounting: &Accounting, most: usize) -> usize {
    if heap.settings.vm.lets_keep_pages() && warm::has_room(accounting, AHEAD) {
        AHEAD.min(most)
    } else {
        0
    }
}

/// The pages `first..last` of a segment were committed though they count as uncommitted.
///
/// # Safety
/// 1. `region` is a live segment of `heap`, whose lock is held, and the pages lie inside a free block.
pub unsafe fn note(
    heap: &Heap,
    accounting: &mut Accounting,
    region: NonNull<Region>,
    first: usize,
    last: usize,
) {
    // SAFETY: (1).
    unsafe {
        if !warm::keep(heap, accounting, region, first, last) {
            let base = region.as_ref().base;
            warm::decommit(heap, region, base + first * PAGE, (last - first) * PAGE);
        }
    }
}

/// How many of the uncommitted pages of a segment from `page` on to commit with those before. They can be
/// kept warm then.
///
/// # Safety
/// 1. `region` is a live segment of `heap`, whose lock is held.
pub unsafe fn pages(
    heap: &Heap,
    accounting: &Accounting,
    region: NonNull<Region>,
    page: usize,
) -> usize {
    // SAFETY: (1).
    let record = unsafe { region.as_ref() };
    let limit = (record.commit_limit - record.base) / PAGE;
    let last = limit.min(page + AHEAD / PAGE);
    if page >= last || !warm::has_room(accounting, AHEAD) {
        return 0;
    }
    let uncommitted = record.pages.find(page, last, true);
    // SAFETY: (1).
    if uncommitted == page || !unsafe { warm::may_keep(heap, region) } {
        return 0;
    }
    // SAFETY: (1): nobody else has a reference into the record.
    let warm = unsafe { region.as_ref() }.warm;
    warm.find(page, uncommitted, true) - page
}
