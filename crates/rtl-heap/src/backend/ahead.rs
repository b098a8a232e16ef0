//! Committing more than is asked for.
//!
//! A heap that grows commits by NT's small steps, and everything that looks at it finds them so. A system
//! call for each is dear, so the system is asked for more at once: what was not asked for counts as
//! uncommitted and is warm (`backend::warm`). It holds no memory before it is touched, or before something
//! else is in the same large page: the system provides one where all of it is committed, so a large segment
//! commits to the end of one.

use core::ptr::NonNull;

use crate::backend::warm;
use crate::heap::{Accounting, Heap};
use crate::region::Region;
use crate::units::{PAGE, round_up};

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

/// Bytes to commit from `address` on: [`AHEAD`] at least, and to the end of a large page of the system, which
/// has `large_page` bytes; 0 where there are none.
fn bytes_to_large_page_end(address: usize, large_page: usize) -> usize {
    match large_page {
        0 => AHEAD,
        _ => round_up(address + AHEAD, large_page).map_or(AHEAD, |end| end - address),
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
    let whole = bytes_to_large_page_end(record.base + page * PAGE, record.large_page);
    let mut wished = [whole, AHEAD].into_iter();
    let Some(bytes) = wished.find(|bytes| warm::has_room(accounting, *bytes)) else {
        return 0;
    };
    let last = limit.min(page + bytes / PAGE);
    if page >= last {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_committed_ahead_ends_with_a_large_page() {
        const LARGE: usize = 2 << 20;
        assert_eq!(bytes_to_large_page_end(0x7000, 0), AHEAD);
        for address in [0, PAGE, LARGE - AHEAD, LARGE - PAGE, LARGE] {
            let end = address + bytes_to_large_page_end(address, LARGE);
            assert!(end.is_multiple_of(LARGE));
            assert!((AHEAD..LARGE + AHEAD).contains(&(end - address)));
        }
    }
}
