//! Pages that count as uncommitted and are still there.
//!
//! NT's thresholds say when a heap decommits, and a heap in use does so all the time: two system
//! calls and the page faults for memory that is wanted again a moment later. So the pages are
//! counted as uncommitted, and everything that looks at the heap finds them so, but they are given
//! back later and together: when there are too many of them, before the heap compacts, and with
//! their segment. Until then to commit them takes no call and cannot fail. What they hold is
//! arbitrary, like any freed block's (INV-WARM: a warm page is uncommitted as `Region::pages` says
//! and committed as the vm sees it; `Accounting::warm` counts them).

use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::bits::Bits;
use crate::heap::{Accounting, Heap, State};
use crate::region::{Backing, Region};
use crate::units::PAGE;

/// Most bytes kept in the process. Our choice.
const MOST_IN_PROCESS: usize = 24 << 20;
/// Most bytes kept in a heap, and what any heap may keep. Our choice.
const MOST_IN_HEAP: usize = 16 << 20;
const LEAST_IN_HEAP: usize = 2 << 20;

/// Bytes kept in all heaps. Relaxed all along: a bound, not a book.
static IN_PROCESS: AtomicUsize = AtomicUsize::new(0);

/// Keeps the pages `first..last` of a region. False when they are to be given back now.
///
/// # Safety
/// 1. `region` is a live segment of `heap`, whose lock is held, and the pages are committed, lie
///    inside a free block, and are about to count as uncommitted.
pub unsafe fn keep(
    heap: &Heap,
    accounting: &mut Accounting,
    region: NonNull<Region>,
    first: usize,
    last: usize,
) -> bool {
    // SAFETY: (1).
    if !unsafe { may_keep(heap, region) } {
        return false;
    }
    // SAFETY: (1): nobody else has a reference into the record.
    let record = unsafe { &mut *region.as_ptr() };
    record.warm.fill(first, last, true);
    let bytes = (last - first) * PAGE;
    accounting.warm += bytes;
    IN_PROCESS.fetch_add(bytes, Ordering::Relaxed);
    true
}

/// Whether pages of a region may be warm; it has the bits that say which are, then.
///
/// # Safety
/// 1. `region` is a live segment of `heap`, whose lock is held.
pub unsafe fn may_keep(heap: &Heap, region: NonNull<Region>) -> bool {
    if !heap.settings.vm.lets_keep_pages() {
        return false;
    }
    // SAFETY: (1): nobody else has a reference into the record.
    let record = unsafe { &mut *region.as_ptr() };
    if record.backing != Backing::Heap {
        return false;
    }
    if record.warm.is_empty() {
        let Some(bits) = Bits::create(record.size / PAGE) else {
            return false;
        };
        record.warm = bits;
    }
    true
}

/// Whether `bytes` may be warm that nobody has used: a heap that has as much already needs no more, and most
/// of what the process may keep is for pages that were used.
pub fn has_room(accounting: &Accounting, bytes: usize) -> bool {
    accounting.warm < bytes && IN_PROCESS.load(Ordering::Relaxed) + bytes <= MOST_IN_PROCESS / 4
}

/// The end of the run of pages from `page` on, before `last`, that are all warm or all not; and
/// whether they are.
///
/// # Safety
/// 1. `region` is a live segment of a heap whose lock is held.
pub unsafe fn run(region: NonNull<Region>, page: usize, last: usize) -> (usize, bool) {
    // SAFETY: (1).
    let warm = unsafe { region.as_ref() }.warm;
    if warm.is_empty() {
        return (last, false);
    }
    let is_warm = warm.get(page);
    (warm.find(page, last, !is_warm), is_warm)
}

/// Forgets that pages of `first..last` are warm: they are somebody's again, or gone.
///
/// # Safety
/// 1. As for [`run`].
pub unsafe fn forget(
    accounting: &mut Accounting,
    region: NonNull<Region>,
    first: usize,
    last: usize,
) {
    // SAFETY: (1): nobody else has a reference into the record.
    let record = unsafe { &mut *region.as_ptr() };
    if record.warm.is_empty() {
        return;
    }
    let bytes = record.warm.count(first, last) * PAGE;
    if bytes != 0 {
        record.warm.fill(first, last, false);
        accounting.warm -= bytes;
        IN_PROCESS.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Gives pages back if there are too many warm ones.
///
/// # Safety
/// 1. The heap's lock is held and `state` is its state.
#[inline]
pub unsafe fn bound(heap: &Heap, state: &mut State) {
    let most = (state.accounting.committed / 4).clamp(LEAST_IN_HEAP, MOST_IN_HEAP);
    let kept = if IN_PROCESS.load(Ordering::Relaxed) > MOST_IN_PROCESS {
        0
    } else if state.accounting.warm > most {
        // Half of them at once, so that neighbours go in one call.
        most / 2
    } else {
        return;
    };
    // SAFETY: (1).
    unsafe { give_back(heap, state, kept) };
}

/// Decommits warm pages, the oldest segment's first, until no more than `kept` bytes are left.
///
/// # Safety
/// 1. The heap's lock is held and `state` is its state.
#[cold]
pub unsafe fn give_back(heap: &Heap, state: &mut State, kept: usize) {
    for region in state.segments.iter() {
        // SAFETY: (1).
        let (base, pages, warm) = unsafe {
            let record = region.as_ref();
            (record.base, record.size / PAGE, record.warm)
        };
        if warm.is_empty() {
            continue;
        }
        let mut page = 0;
        while state.accounting.warm > kept {
            let start = warm.find(page, pages, true);
            let stop = warm.find(start, pages, false);
            if start == stop {
                break;
            }
            // SAFETY: (1) INV-WARM: committed pages, nobody's.
            unsafe { decommit(heap, region, base + start * PAGE, (stop - start) * PAGE) };
            // SAFETY: (1).
            unsafe { forget(&mut state.accounting, region, start, stop) };
            page = stop;
        }
    }
}

/// Decommits pages of a segment. A system that refuses keeps them.
///
/// # Safety
/// 1. `region` is a live segment of `heap`, whose lock is held, and the pages are committed and
///    nobody's.
pub unsafe fn decommit(heap: &Heap, region: NonNull<Region>, at: usize, size: usize) {
    let Some(at) = NonNull::new(at as *mut u8) else {
        return;
    };
    let vm = heap.settings.vm;
    // SAFETY: (1): nobody else has a reference into the record.
    let record = unsafe { &mut *region.as_ptr() };
    // SAFETY: (1).
    if unsafe { vm.decommit(at, size) }.is_err() {
        record.left_pages = true;
    } else if record.large_page != 0 {
        // Said of the segment before: what it said went with the pages.
        // SAFETY: (1).
        unsafe { vm.expect_dense_use(at, size) };
    }
}

/// Whether `bytes` more may be kept by a heap; they are counted then, until [`let_go`].
pub fn may_hold(bytes: usize) -> bool {
    let fits = |held: usize| {
        let sum = held.saturating_add(bytes);
        (sum <= MOST_IN_PROCESS).then_some(sum)
    };
    IN_PROCESS
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits)
        .is_ok()
}

/// [`may_hold`] is over.
pub fn let_go(bytes: usize) {
    IN_PROCESS.fetch_sub(bytes, Ordering::Relaxed);
}

/// A region with its warm pages is about to be released.
///
/// # Safety
/// 1. Nobody uses the region any more.
pub unsafe fn region_goes(region: &Region) {
    let bytes = region.warm.count(0, region.warm.length()) * PAGE;
    IN_PROCESS.fetch_sub(bytes, Ordering::Relaxed);
}
