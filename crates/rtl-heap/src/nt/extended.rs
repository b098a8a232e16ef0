//! `HeapExtendedInformation`: the process, its heaps, their regions, those regions' ranges of pages
//! and the blocks in them, as deep as asked (9).

use core::ops::Range;
use core::sync::atomic::Ordering;

use crate::flags::HeapFlags;
use crate::heap::Heap;
use crate::lifecycle::registry;
use crate::nt::{HeapHandle, WalkEntry, WalkFlags, accounting, walk};
use crate::region::{Region, RegionKind};
use crate::regions;
use crate::status::Status;
use crate::units::PAGE;

/// How deep an enumeration goes: to the items of this kind and no further.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u32)]
pub enum Level {
    /// The process alone.
    Process = 1,
    /// Its heaps.
    Heap = 2,
    /// Their regions.
    Region = 3,
    /// The regions' runs of pages in one state.
    Range = 4,
    /// The blocks, busy and free.
    Block = 5,
}

impl Level {
    /// The level with this number.
    pub fn from_number(number: u32) -> Option<Level> {
        let all = [
            Level::Process,
            Level::Heap,
            Level::Region,
            Level::Range,
            Level::Block,
        ];
        all.into_iter().find(|level| *level as u32 == number)
    }
}

/// Something an enumeration comes by. Sizes in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Item {
    /// The process: sums over its heaps.
    Process {
        /// Reserved.
        reserved: usize,
        /// Committed.
        committed: usize,
        /// Number of heaps.
        heaps: usize,
    },
    /// A heap.
    Heap {
        /// Its handle.
        handle: usize,
        /// `HeapCompatibilityInformation`.
        mode: u32,
        /// Reserved.
        reserved: usize,
        /// Committed.
        committed: usize,
    },
    /// A segment, or a large block's reservation.
    Region {
        /// First address.
        address: usize,
        /// Reserved.
        reserved: usize,
        /// Committed.
        committed: usize,
    },
    /// Pages in one state.
    Range {
        /// First address.
        address: usize,
        /// Bytes.
        size: usize,
        /// They are committed.
        committed: bool,
        /// They may hold code.
        executable: bool,
    },
    /// A block, or the piece of a free one that lies in one range.
    Block(WalkEntry),
}

impl Item {
    /// What kind of thing it is.
    pub fn level(&self) -> Level {
        match self {
            Item::Process { .. } => Level::Process,
            Item::Heap { .. } => Level::Heap,
            Item::Region { .. } => Level::Region,
            Item::Range { .. } => Level::Range,
            Item::Block(_) => Level::Block,
        }
    }
}

/// What an enumeration calls with each item; an error ends it and is its result.
pub type Visit<'v> = &'v mut dyn FnMut(&Item) -> Result<(), Status>;

/// Enumerates one heap, or the process and all its heaps, in the order process, heap, region, range,
/// block, each before what it holds.
///
/// `visit` runs with the heap's lock held and may use the heap (G14).
///
/// # Errors
/// `INVALID_HANDLE` for what is no heap; those of [`walk`]; and what `visit` returns.
pub fn extended(heap: Option<HeapHandle>, level: Level, visit: Visit<'_>) -> Result<(), Status> {
    match heap {
        Some(handle) => one_heap(
            Heap::at(handle.0).ok_or(Status::INVALID_HANDLE)?,
            level,
            visit,
        ),
        None => whole_process(level, visit),
    }
}

fn whole_process(level: Level, visit: Visit<'_>) -> Result<(), Status> {
    let (mut reserved, mut committed, mut heaps) = (0, 0, 0);
    registry::for_each(|heap| {
        if let Ok(sums) = accounting(HeapHandle(heap.handle)) {
            reserved += sums.reserved;
            committed += sums.committed;
        }
        heaps += 1;
        true
    });
    visit(&Item::Process {
        reserved,
        committed,
        heaps,
    })?;
    if level == Level::Process {
        return Ok(());
    }
    let mut result = Ok(());
    registry::for_each(|heap| {
        // No call finds a heap that is protected.
        if !heap.protected.load(Ordering::Relaxed) {
            result = one_heap(heap, level, visit);
        }
        result.is_ok()
    });
    result
}

fn one_heap(heap: &'static Heap, level: Level, visit: Visit<'_>) -> Result<(), Status> {
    // Held all the time; each step takes it once more.
    let _held = heap.enter(HeapFlags::empty());
    let handle = HeapHandle(heap.handle);
    let sums = accounting(handle)?;
    visit(&Item::Heap {
        handle: heap.handle,
        mode: heap.compatibility.load(Ordering::Relaxed),
        reserved: sums.reserved,
        committed: sums.committed,
    })?;
    if level <= Level::Heap {
        return Ok(());
    }
    let mut address = 0;
    loop {
        let entry = match walk(handle, address) {
            Ok(entry) => entry,
            Err(Status::NO_MORE_ENTRIES) => return Ok(()),
            Err(status) => return Err(status),
        };
        address = entry.address;
        // What it lies in, as it is before `visit` changes anything.
        let region = regions::find(address).ok_or(Status::INVALID_PARAMETER)?;
        // SAFETY: INV-REGION: records stay readable, and the heap's lock is held.
        let region = unsafe { region.as_ref() };
        let (item, ranges) = around(heap, region, &entry);
        let ranges = ranges.map(|range| range.map(|pages| range_item(heap, pages)));
        if let Some(item) = item {
            visit(&item)?;
        }
        if level >= Level::Range {
            ranges.iter().flatten().try_for_each(&mut *visit)?;
        }
        let is_block = !entry
            .flags
            .intersects(WalkFlags::SEGMENT | WalkFlags::UNCOMMITTED_RANGE);
        if level >= Level::Block && is_block {
            visit(&Item::Block(entry))?;
        }
    }
}

/// Pages in one state.
struct Pages {
    addresses: Range<usize>,
    committed: bool,
}

fn range_item(heap: &Heap, pages: Pages) -> Item {
    Item::Range {
        address: pages.addresses.start,
        size: pages.addresses.len(),
        committed: pages.committed,
        executable: heap
            .settings
            .flags
            .contains(HeapFlags::CREATE_ENABLE_EXECUTE),
    }
}

/// The region and the ranges that begin with a walk's entry.
fn around(heap: &Heap, region: &Region, entry: &WalkEntry) -> (Option<Item>, [Option<Pages>; 2]) {
    let whole = Item::Region {
        address: region.base,
        reserved: region.size,
        committed: region.committed,
    };
    if region.kind == RegionKind::Large {
        let end = (region.user + region.requested.max(1)).next_multiple_of(PAGE);
        let pages = Pages {
            addresses: end - region.committed..end,
            committed: true,
        };
        return (Some(whole), [Some(pages), None]);
    }
    debug_assert_eq!(region.owner.load(Ordering::Relaxed), heap.record());
    if entry.flags.contains(WalkFlags::SEGMENT) {
        return (Some(whole), [committed_run(region, region.base), None]);
    }
    if entry.flags.contains(WalkFlags::UNCOMMITTED_RANGE) {
        let end = entry.address + entry.size;
        let gap = Pages {
            addresses: entry.address..end,
            committed: false,
        };
        return (None, [Some(gap), committed_run(region, end)]);
    }
    (None, [None, None])
}

/// The committed pages from `start` on, if there are any below the region's end.
fn committed_run(region: &Region, start: usize) -> Option<Pages> {
    if start >= region.commit_limit {
        return None;
    }
    let last = region.page(region.commit_limit - 1) + 1;
    let end = region.pages.find(region.page(start), last, false);
    Some(Pages {
        addresses: start..region.base + end * PAGE,
        committed: true,
    })
}
