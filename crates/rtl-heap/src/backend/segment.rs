//! Segments: adding them by NT's law of growth, and letting empty ones go.

use core::ptr::{self, NonNull};
use core::sync::atomic::Ordering;

use crate::backend::blocks::{self, Block};
use crate::backend::{ahead, warm};
use crate::entry::{Entry, EntryFlags, TAIL_SPILL};
use crate::failure::Refusal;
use crate::flags::HeapFlags;
use crate::heap::{Heap, State};
use crate::layout::{self, SegmentHeader};
use crate::pattern;
use crate::region::{Backing, Region, RegionKind};
use crate::regions;
use crate::units::{ALLOCATION_GRANULARITY, GRANULE, Granules, PAGE, round_down, round_up};

/// Bytes left free at a segment's end: the last block's tail stays inside, and so does the address of
/// a walk's entry for a last block that is all head.
const END_GAP: usize = GRANULE;
const _: () = assert!(END_GAP >= TAIL_SPILL);

/// Segments from this size on are of a heap that has as much already, and may have the system's large pages,
/// of which one may be there for a single byte. Our choice.
const DENSE: usize = 4 << 20;

/// A range of address space that is to become a segment.
pub struct Extent {
    /// First address.
    pub base: usize,
    /// Bytes.
    pub size: usize,
    /// Of them, committed from the base on: whole pages.
    pub committed: usize,
    /// Who provides the pages.
    pub backing: Backing,
    /// The last page stays uncommitted for good.
    pub guard: bool,
    /// Bytes before the first block.
    pub header: usize,
    /// The caller's record of the memory, which the segment replaces while the heap lives.
    pub caller: Option<NonNull<Region>>,
}

/// Makes `extent` a segment of `heap`: writes its header, its one free block, and publishes it.
///
/// # Errors
/// No memory for the records; nothing was changed.
///
/// # Safety
/// 1. The heap's lock is held, or nobody else knows the heap yet.
/// 2. The extent is the heap's alone, its first `committed` bytes are readable and writable and
///    hold at least its header and one block.
pub unsafe fn adopt(
    heap: &Heap,
    state: &mut State,
    extent: &Extent,
) -> Result<NonNull<Region>, Refusal> {
    let region =
        Region::create(RegionKind::Segment, extent.base, extent.size).ok_or(Refusal::NoMemory)?;
    let limit = extent.base + extent.size - if extent.guard { PAGE } else { 0 };
    let first = extent.base + extent.header;
    let end = round_down(limit, GRANULE) - END_GAP;
    let (Some(size), true) = (Granules::exactly(end.saturating_sub(first)), end > first) else {
        // SAFETY: nobody has seen it.
        unsafe { Region::destroy(region) };
        return Err(Refusal::NoMemory);
    };
    // SAFETY: (1) (2): the record is new and the memory ours.
    unsafe {
        let record = region.as_ptr();
        (*record).backing = extent.backing;
        (*record).first_block = first;
        (*record).end = end;
        (*record).end_granule = (end - extent.base) / GRANULE;
        (*record).commit_limit = limit;
        (*record).initial_commit_end = extent.base + extent.committed;
        (*record).committed = extent.committed;
        (*record).owner.store(heap.record(), Ordering::Relaxed);
        if extent.base == heap.handle {
            (*record).handle_of.store(heap.record(), Ordering::Relaxed);
        }
        let pages = extent.committed.div_ceil(PAGE).min(extent.size / PAGE);
        (*record).pages.fill(0, pages, true);
        (*record).starts.set_first((first - extent.base) / GRANULE);
        if extent.base != heap.handle || heap.settings.page_heap.is_none() {
            write_header(heap, &*record);
        }

        let hole = if extent.base + extent.committed < limit {
            EntryFlags::HOLE
        } else {
            EntryFlags::empty()
        };
        let entry = Entry {
            size,
            unused: 0,
            flags: EntryFlags::LAST | hole,
        };
        heap.key.write(first, entry);
        if heap
            .settings
            .flags
            .contains(HeapFlags::FREE_CHECKING_ENABLED)
        {
            let body = blocks::free_body(first, first + size.bytes());
            let committed = limit.min(extent.base + pages * PAGE);
            pattern::fill_freed(body.start, body.end.min(committed).max(body.start));
        }
        if let Some(caller) = extent.caller {
            (*record).caller = caller.as_ptr();
            regions::withdraw(caller);
        }
        regions::publish(region);
        (*record).segments_before = match state.segments.last.as_ref() {
            Some(last) => last.segments_before + 1,
            None => 0,
        };
        state.segments.append(region);
        state.free.insert(&heap.key, first, size);
    }
    let accounting = &mut state.accounting;
    accounting.add_reserved(extent.size);
    accounting.add_committed(extent.committed);
    accounting.uncommitted_free += limit.saturating_sub(extent.base + extent.committed);
    Ok(region)
}

/// # Safety
/// 1. The first page of the region is committed.
unsafe fn write_header(heap: &Heap, region: &Region) {
    let header = region.base as *mut SegmentHeader;
    // SAFETY: (1); the header is smaller than a page and page-aligned.
    unsafe {
        (*header).segment_signature = layout::SEGMENT_SIGNATURE;
        (*header).segment_flags = match region.backing {
            Backing::Heap => 0,
            _ => 2,
        };
        (*header).heap = heap.handle;
        (*header).base_address = region.base;
        (*header).number_of_pages = (region.size / PAGE) as u32;
        (*header).first_entry = region.first_block;
        (*header).last_valid_entry = region.end;
    }
}

/// Adds a segment that holds a block of `size`, by the law of growth; returns its free block.
///
/// # Errors
/// No memory; the heap is as it was.
///
/// # Safety
/// 1. The heap's lock is held and `state` is its state; the heap may grow.
#[cold]
pub unsafe fn add(heap: &Heap, state: &mut State, size: Granules) -> Result<Block, Refusal> {
    let settings = &heap.settings;
    let least = size
        .bytes()
        .checked_add(layout::SEGMENT_HEADER_BYTES + END_GAP + PAGE)
        .and_then(|bytes| round_up(bytes, ALLOCATION_GRANULARITY))
        .ok_or(Refusal::NoMemory)?;
    let commit = round_up(settings.segment_commit, PAGE)
        .unwrap_or(PAGE)
        .max(PAGE);
    if !state.accounting.may_commit(commit) {
        return Err(Refusal::NoMemory);
    }
    let mut reserve = state.next_segment_reserve.max(least);
    let (base, committed, ahead) = loop {
        let first = commit.min(reserve - PAGE);
        let ahead = ahead::bytes(heap, &state.accounting, reserve - PAGE - first);
        let reserve_with = |committed: usize| {
            settings
                .vm
                .reserve_and_commit(reserve, committed, settings.protection, settings.window)
        };
        if ahead != 0
            && let Ok(base) = reserve_with(first + ahead)
        {
            break (base, first, ahead);
        }
        match reserve_with(first) {
            Ok(base) => break (base, first, 0),
            // Under pressure a smaller segment will do, as long as the request fits (7.1).
            Err(_) if reserve > least => {
                reserve = round_up(reserve / 2, ALLOCATION_GRANULARITY)
                    .unwrap_or(least)
                    .max(least);
            }
            Err(_) => return Err(Refusal::NoMemory),
        }
    };
    let extent = Extent {
        base: base.as_ptr() as usize,
        size: reserve,
        committed,
        backing: Backing::Heap,
        guard: true,
        header: layout::SEGMENT_HEADER_BYTES,
        caller: None,
    };
    // SAFETY: (1); the extent was just reserved.
    let region = match unsafe { adopt(heap, state, &extent) } {
        Ok(region) => region,
        Err(refusal) => {
            // SAFETY: the reservation is ours and unused. A failure leaks address space.
            let _ = unsafe { settings.vm.release(base, reserve) };
            return Err(refusal);
        }
    };
    if reserve >= DENSE {
        // SAFETY: (1): a live reservation.
        unsafe { (*region.as_ptr()).large_page = settings.vm.expect_dense_use(base, reserve) };
    }
    if ahead != 0 {
        let first = committed / PAGE;
        // SAFETY: (1): committed, in the new free block, counted as uncommitted.
        unsafe {
            ahead::note(
                heap,
                &mut state.accounting,
                region,
                first,
                first + ahead / PAGE,
            )
        };
    }
    state.next_segment_reserve = state
        .next_segment_reserve
        .saturating_mul(2)
        .min(settings.segment_reserve_cap)
        .max(settings.segment_reserve);
    // The new segment's only block.
    // SAFETY: (1) INV-STARTS.
    let address = unsafe { region.as_ref() }.first_block;
    // SAFETY: as above.
    let entry = unsafe { heap.key.read(address) }.ok_or(Refusal::NoMemory)?;
    Ok(Block {
        region,
        address,
        entry,
    })
}

/// Looks whether the free block that ends a segment is all of it. One empty segment is kept for
/// the next request, the largest; the others go back to the system. Caller memory stays.
///
/// # Safety
/// 1. The heap's lock is held; `free` is a free block in the index.
pub unsafe fn note_if_empty(heap: &Heap, state: &mut State, free: &Block) {
    let region = free.region.as_ptr();
    // SAFETY: (1).
    let (first_block, size, backing) =
        unsafe { ((*region).first_block, (*region).size, (*region).backing) };
    if free.address != first_block
        || backing != Backing::Heap
        || ptr::eq(region, state.segments.first)
        || ptr::eq(region, state.empty_segment)
    {
        return;
    }
    let Some(kept) = NonNull::new(state.empty_segment) else {
        state.empty_segment = region;
        return;
    };
    // SAFETY: (1): the kept segment is live.
    let loser = if unsafe { kept.as_ref() }.size < size {
        kept
    } else {
        free.region
    };
    if loser == kept {
        state.empty_segment = region;
    }
    // SAFETY: (1): both are empty.
    unsafe { remove(heap, state, loser) };
}

/// Gives the empty segment that is kept for the next request back, if there is one.
///
/// # Safety
/// 1. The heap's lock is held.
pub unsafe fn release_kept(heap: &Heap, state: &mut State) {
    if let Some(kept) = NonNull::new(state.empty_segment) {
        state.empty_segment = ptr::null_mut();
        // SAFETY: (1): it is empty.
        unsafe { remove(heap, state, kept) };
    }
}

/// # Safety
/// 1. The heap's lock is held; `region` is a segment with no live block, not the first one, and
///    not remembered as the empty one.
unsafe fn remove(heap: &Heap, state: &mut State, region: NonNull<Region>) {
    // SAFETY: (1).
    let record = unsafe { region.as_ref() };
    // SAFETY: (1) INV-STARTS.
    let Some(entry) = (unsafe { heap.key.read(record.first_block) }) else {
        return;
    };
    // SAFETY: (1): the one free block is in the index.
    if unsafe { state.free.remove(&heap.key, record.first_block, entry.size) }.is_err() {
        // Damaged links are reported when a call trips over them; the segment stays.
        return;
    }
    let accounting = &mut state.accounting;
    accounting.reserved -= record.size;
    accounting.committed -= record.committed;
    accounting.uncommitted_free -= record.commit_limit - record.base - record.committed;
    accounting.warm -= record.warm.count(0, record.warm.length()) * PAGE;
    // SAFETY: (1).
    unsafe {
        state.segments.remove(region);
        for (before, region) in state.segments.iter().enumerate() {
            (*region.as_ptr()).segments_before = before;
        }
    }
    if ptr::eq(state.segments.first, state.segments.last) {
        state.next_segment_reserve = heap.settings.segment_reserve;
    }
    // SAFETY: (1): it is in no list any more.
    unsafe { discard(heap, region) };
}

/// Bytes from a region's base on beyond which no page is committed.
fn committed_end(region: &Region) -> usize {
    match region.kind {
        RegionKind::Segment if !region.left_pages => {
            let pages = region.size / PAGE;
            let committed = region.pages.find_back(0, pages, true);
            let warm = region.warm.find_back(0, region.warm.length(), true);
            committed.max(warm) * PAGE
        }
        _ => region.size,
    }
}

/// Withdraws a region and gives its memory and its record back.
///
/// # Safety
/// 1. `region` is the heap's, in none of its lists, and nobody uses its memory.
pub unsafe fn discard(heap: &Heap, region: NonNull<Region>) {
    // SAFETY: (1).
    unsafe {
        regions::withdraw(region);
        let record = region.as_ref();
        warm::region_goes(record);
        if record.backing == Backing::Heap
            && let Some(base) = NonNull::new(record.base as *mut u8)
        {
            // A system that refuses keeps the address space: leaked, but the call succeeds (I5).
            let _ = heap
                .settings
                .vm
                .release_head(base, record.size, committed_end(record));
        }
        if let Some(caller) = NonNull::new(record.caller) {
            // The memory is its caller's again, with the pages the heap committed. What a commit
            // routine committed its caller knows.
            if record.backing == Backing::CallerReserved {
                (*caller.as_ptr()).pages.copy_from(&record.pages);
            }
            regions::publish(caller);
        }
        Region::destroy(region);
    }
}
