//! Giving pages of free runs back to the system, by NT's thresholds (specification 2.4).

use core::ops::Range;

use crate::backend::blocks::Block;
use crate::backend::{commit, warm};
use crate::entry::EntryFlags;
use crate::heap::{Heap, State};
use crate::region::Backing;
use crate::units::{PAGE, POINTER, round_down, round_up};

/// What a walk shows before an uncommitted range: NT's descriptor of it, and the head of a free
/// block. A hole starts no nearer to its block's start.
const BEFORE_HOLE: usize = 12 * POINTER;
/// A hole ends no nearer to its block's end: room for the footer and for a walk entry.
const AFTER_HOLE: usize = 4 * POINTER;

/// Decommits the pages around `freed`, a part of the free block `merged`, if the run they form is
/// large enough and the heap has enough free bytes besides. Marks the block's hole.
///
/// # Safety
/// 1. The heap's lock is held; `merged` is free, not yet in the index, and its header is still to
///    be written.
#[inline]
pub unsafe fn by_thresholds(
    heap: &Heap,
    state: &mut State,
    merged: &mut Block,
    freed: Range<usize>,
) {
    let settings = &heap.settings;
    let size = merged.entry.size.bytes();
    if size < settings.decommit_free_block_threshold {
        return;
    }
    let committed_free =
        (state.free.total_bytes() + size).saturating_sub(state.accounting.uncommitted_free);
    if committed_free >= settings.decommit_total_free_threshold {
        // SAFETY: (1).
        unsafe {
            around(
                heap,
                state,
                merged,
                freed,
                settings.decommit_free_block_threshold,
            )
        };
    }
}

/// Decommits the committed run of whole pages around `freed` if it has at least `least` bytes.
///
/// # Safety
/// 1. As for [`by_thresholds`].
unsafe fn around(
    heap: &Heap,
    state: &mut State,
    merged: &mut Block,
    freed: Range<usize>,
    least: usize,
) {
    // SAFETY: (1).
    let record = unsafe { merged.region.as_ref() };
    if !matches!(record.backing, Backing::Heap | Backing::CallerReserved) {
        return;
    }
    let Some((from, to)) = hole_bounds(merged) else {
        return;
    };
    let from = from.max(record.initial_commit_end);
    // From the pages that were just freed outwards, as far as pages are committed.
    let low = round_down(freed.start, PAGE).max(from);
    let high = round_up(freed.end, PAGE).unwrap_or(to).min(to);
    if low >= high {
        return;
    }
    let low = record
        .pages
        .find_back(record.page(from), record.page(low), false);
    let high = record
        .pages
        .find(record.page(high - 1) + 1, record.page(to - 1) + 1, false);
    if (high - low) * PAGE < least {
        return;
    }
    let (low, high) = (record.base + low * PAGE, record.base + high * PAGE);
    merged.entry.flags |= EntryFlags::HOLE;
    // SAFETY: (1); the bounds keep header, links and footer committed.
    unsafe {
        commit::take_back(heap, &mut state.accounting, merged.region, low, high);
        warm::bound(heap, state);
    }
}

/// The pages of a free block that may be uncommitted, as addresses; `None` when there is no such
/// page.
pub fn hole_bounds(free: &Block) -> Option<(usize, usize)> {
    let from = round_up(free.address + BEFORE_HOLE, PAGE)?;
    let to = if free.entry.is_last() {
        // SAFETY: the caller's block lies in a live region.
        unsafe { free.region.as_ref() }.commit_limit
    } else {
        round_down(free.end() - AFTER_HOLE, PAGE)
    };
    (from < to).then_some((from, to))
}
