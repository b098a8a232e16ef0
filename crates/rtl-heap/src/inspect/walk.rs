//! Stepping through a heap: `RtlWalkHeap` (5.4).
//!
//! A walk keeps nothing between its steps: where it stands is found again from the address of the
//! entry it gave last, which is looked up before anything behind it is read (catalogue G9, G10).
//! Each step moves on, to a higher address in the same region or to a later region, so a walk of a
//! heap that stands still ends, whatever the heap's memory holds (D15).

use core::ptr::NonNull;
use core::sync::atomic::Ordering;

use bitflags::bitflags;

use crate::backend::blocks::Block;
use crate::backend::park;
use crate::entry::{Entry, EntryFlags, USER_OFFSET};
use crate::flags::HeapFlags;
use crate::heap::{Heap, State};
use crate::ops::{compact, extras};
use crate::region::{Region, RegionKind};
use crate::regions;
use crate::slab::Slab;
use crate::slab_map;
use crate::status::Status;
use crate::units::{GRANULE, PAGE, POINTER};

bitflags! {
    /// `RTL_HEAP_WALK_ENTRY.Flags` of Windows 8 and later.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct WalkFlags: u16 {
        /// A block in use.
        const BUSY = 0x0001;
        /// A region's header.
        const SEGMENT = 0x0002;
        /// The block has a user value.
        const SETTABLE_VALUE = 0x0010;
        /// `HEAP_SETTABLE_USER_FLAG1`.
        const SETTABLE_FLAG1 = 0x0020;
        /// `HEAP_SETTABLE_USER_FLAG2`.
        const SETTABLE_FLAG2 = 0x0040;
        /// `HEAP_SETTABLE_USER_FLAG3`.
        const SETTABLE_FLAG3 = 0x0080;
        /// Pages of a region that are not committed.
        const UNCOMMITTED_RANGE = 0x1000;
        /// A block with a reservation of its own.
        const LARGE_ALLOC = 0x4000;
        /// A slot of the front end.
        const LFH_ALLOC = 0x8000;
    }
}

/// One step of a walk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WalkEntry {
    /// What the walk goes on from: the user pointer of a busy block, the region's or the
    /// uncommitted range's first address, the first byte behind the links of a free block.
    pub address: usize,
    /// Bytes of data: as many as a busy block's caller asked for.
    pub size: usize,
    /// Bytes of the block besides.
    pub overhead: u8,
    /// Number of the region; [`LARGE_INDEX`] for large blocks.
    pub index: u8,
    /// What it is; empty for a free block.
    pub flags: WalkFlags,
    /// The user value, 0 for a block without one.
    pub settable: usize,
    /// The tag, 0 for a block without one.
    pub tag: u16,
    /// What is said of a region.
    pub region: Option<WalkRegion>,
}

/// What a walk says of a region, in bytes and addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WalkRegion {
    /// Bytes committed.
    pub committed: usize,
    /// Bytes reserved and not committed, the guard page included.
    pub uncommitted: usize,
    /// Where the first block's user bytes start.
    pub first_block: usize,
    /// Where the last block or uncommitted range ends.
    pub last_block: usize,
}

/// The index of large blocks.
pub const LARGE_INDEX: u8 = 64;
/// Segments beyond this many share the last index below that of large blocks.
const LAST_SEGMENT_INDEX: usize = LARGE_INDEX as usize - 1;

/// Header and links at the start of a free block: its data begin behind them.
const FREE_HEAD: usize = 4 * POINTER;
/// What NT keeps before an uncommitted range: its descriptor, which no entry covers.
const RANGE_HEAD: usize = 8 * POINTER;

/// Where a walk stands.
enum Position {
    /// At a region's header.
    Region,
    /// At a busy block, or at a free one or a piece of it from this address on.
    Block(Block, usize),
    /// At the uncommitted range of a free block that begins there.
    Range(Block, usize),
    /// At a slot.
    Slot(NonNull<Slab>, u32),
    /// At a large block.
    Large,
}

/// The entry after the one at `address`; the first one for 0.
///
/// # Errors
/// `NO_MORE_ENTRIES` at the end, `INVALID_PARAMETER` for an address where no entry is (any more),
/// `HEAP_CORRUPTION` where a header was damaged.
///
/// # Safety
/// 1. The heap's lock is held and `state` is its state.
pub unsafe fn next(heap: &Heap, state: &mut State, address: usize) -> Result<WalkEntry, Status> {
    if !state.lookaside.is_empty() {
        // SAFETY: (1).
        unsafe { park::release_all(heap, state) };
    }
    if address == 0 {
        // SAFETY: (1).
        unsafe { settle(heap, state) };
        let first = NonNull::new(state.segments.first).ok_or(Status::NO_MORE_ENTRIES)?;
        // SAFETY: (1).
        return Ok(unsafe { region_entry(first) });
    }
    // SAFETY: (1).
    let (region, position) = unsafe { find(heap, address) }?;
    // SAFETY: (1).
    unsafe { step(heap, state, region, position) }
}

/// Before a walk of a heap in which nothing lives, what the heap keeps for later goes: it is then
/// as it was when it was made (C104, C205). Slabs stay, as NT's do (C219).
///
/// # Safety
/// 1. As for [`next`].
unsafe fn settle(heap: &Heap, state: &mut State) {
    let flags = heap.settings.flags;
    if state.accounting.live_blocks == 0
        && heap.frontend().is_none()
        && !flags.contains(HeapFlags::DISABLE_COALESCE_ON_FREE)
    {
        // SAFETY: (1).
        unsafe { compact::compact(heap, state) };
    }
}

/// What is at an address, any bit pattern but 0.
///
/// # Safety
/// 1. The heap's lock is held.
unsafe fn find(heap: &Heap, address: usize) -> Result<(NonNull<Region>, Position), Status> {
    let region = region_of(heap, address).ok_or(Status::INVALID_PARAMETER)?;
    // SAFETY: INV-REGION.
    let record = unsafe { region.as_ref() };
    let position = match record.kind {
        RegionKind::Large if record.user == address => Position::Large,
        RegionKind::Large | RegionKind::Caller => return Err(Status::INVALID_PARAMETER),
        RegionKind::Segment if record.base == address => Position::Region,
        // SAFETY: (1).
        RegionKind::Segment => unsafe { find_in_segment(heap, region, address) }?,
    };
    Ok((region, position))
}

/// The heap's region that an entry's address belongs to. A free block that is all head has its
/// address where it ends, and on 32-bit that may be where its segment ends.
fn region_of(heap: &Heap, address: usize) -> Option<NonNull<Region>> {
    let is_ours = |region: &NonNull<Region>| {
        // SAFETY: INV-REGION.
        unsafe { region.as_ref() }.owner.load(Ordering::Relaxed) == heap.record()
    };
    regions::find(address).filter(is_ours).or_else(|| {
        let before = regions::find(address - 1).filter(is_ours)?;
        // SAFETY: INV-REGION.
        let record = unsafe { before.as_ref() };
        (record.kind == RegionKind::Segment && record.end == address).then_some(before)
    })
}

/// # Safety
/// 1. The heap's lock is held; `region` is one of its segments and holds `address`, or ends there.
unsafe fn find_in_segment(
    heap: &Heap,
    region: NonNull<Region>,
    address: usize,
) -> Result<Position, Status> {
    // SAFETY: (1).
    let record = unsafe { region.as_ref() };
    if address != record.end
        && let Some(slab) = NonNull::new(slab_map::at(address) as *mut Slab)
    {
        // SAFETY: (1): a slab in the table is live.
        let slot = unsafe { slab.as_ref() }.slot_at(address);
        return slot
            .map(|slot| Position::Slot(slab, slot))
            .ok_or(Status::INVALID_PARAMETER);
    }
    if record.is_block_start(address - USER_OFFSET) {
        // SAFETY: (1), just checked.
        let block = unsafe { read(heap, region, address - USER_OFFSET) }?;
        return if block.entry.is_busy() {
            Ok(Position::Block(block, block.address))
        } else {
            Err(Status::INVALID_PARAMETER)
        };
    }
    // Pieces of free blocks, and ranges, begin where the pages' state changes behind the block's
    // start.
    let committed = |at: usize| record.pages.get(record.page(at));
    let changes_at = |block: &Block, at: usize| {
        at > block.address
            && (at - record.base).is_multiple_of(PAGE)
            && committed(at) != committed(at - PAGE)
    };
    // A piece may be all head: its address is then the next block's.
    let head = address - FREE_HEAD;
    // SAFETY: (1).
    if let Some(block) = unsafe { free_around(heap, region, head) }
        && (head == block.address || changes_at(&block, head) && committed(head))
    {
        return Ok(Position::Block(block, head));
    }
    // SAFETY: (1).
    match unsafe { free_around(heap, region, address) } {
        Some(block) if changes_at(&block, address) && !committed(address) => {
            Ok(Position::Range(block, address))
        }
        _ => Err(Status::INVALID_PARAMETER),
    }
}

/// The free block that holds `address`, any bit pattern.
///
/// # Safety
/// 1. The heap's lock is held; `region` is one of its segments.
unsafe fn free_around(heap: &Heap, region: NonNull<Region>, address: usize) -> Option<Block> {
    // SAFETY: (1).
    let record = unsafe { region.as_ref() };
    if address < record.first_block || address >= record.end {
        return None;
    }
    let (first, here) = (record.granule(record.first_block), record.granule(address));
    let start = record.starts.find_back(first, here + 1);
    let start = record.base + start.checked_sub(1)? * GRANULE;
    if !record.is_block_start(start) {
        return None;
    }
    // SAFETY: (1), just checked.
    let block = unsafe { read(heap, region, start) }.ok()?;
    (!block.entry.is_busy() && address < block.end()).then_some(block)
}

/// The block that starts at `address`.
///
/// # Safety
/// 1. The heap's lock is held; `region` is one of its segments and a block starts there.
unsafe fn read(heap: &Heap, region: NonNull<Region>, address: usize) -> Result<Block, Status> {
    // SAFETY: (1) INV-STARTS.
    let entry = unsafe { heap.key.read(address) }.ok_or(Status::HEAP_CORRUPTION)?;
    let block = Block {
        region,
        address,
        entry,
    };
    // SAFETY: (1).
    if block.end() > unsafe { region.as_ref() }.end {
        return Err(Status::HEAP_CORRUPTION);
    }
    Ok(block)
}

/// # Safety
/// 1. As for [`next`]; `region` is the heap's, and the position in it.
unsafe fn step(
    heap: &Heap,
    state: &State,
    region: NonNull<Region>,
    position: Position,
) -> Result<WalkEntry, Status> {
    // SAFETY: (1).
    let record = unsafe { region.as_ref() };
    // SAFETY: (1), for every call below.
    unsafe {
        match position {
            Position::Region => block_entry(heap, region, record.first_block),
            Position::Large => large_entry(record.next),
            Position::Slot(slab, slot) if slot + 1 < slab.as_ref().slots => {
                Ok(slot_entry(region, slab, slot + 1))
            }
            Position::Slot(slab, _) => {
                let address = slab.as_ref().first() - USER_OFFSET;
                if !record.is_block_start(address) {
                    return Err(Status::HEAP_CORRUPTION);
                }
                let block = read(heap, region, address)?;
                after_block(heap, state, &block)
            }
            Position::Block(block, _) if block.entry.is_busy() => after_block(heap, state, &block),
            Position::Block(block, from) => match hole_after(&block, from) {
                Some((start, end)) => Ok(range_entry(region, start, end)),
                None => after_block(heap, state, &block),
            },
            Position::Range(block, from) => match hole_after(&block, from) {
                Some((_, end)) if end < block.end() => Ok(free_entry(&block, end)),
                _ => after_block(heap, state, &block),
            },
        }
    }
}

/// # Safety
/// 1. As for [`step`]; `block` is one of the heap's.
unsafe fn after_block(heap: &Heap, state: &State, block: &Block) -> Result<WalkEntry, Status> {
    if !block.entry.is_last() {
        // SAFETY: (1).
        return unsafe { block_entry(heap, block.region, block.end()) };
    }
    // SAFETY: (1).
    match NonNull::new(unsafe { block.region.as_ref() }.next) {
        // SAFETY: (1).
        Some(next) => Ok(unsafe { region_entry(next) }),
        // SAFETY: (1).
        None => unsafe { large_entry(state.large.first) },
    }
}

/// The entry of what starts at `address`: a block, the first piece of a free one, or a slab's first
/// slot.
///
/// # Safety
/// 1. The heap's lock is held; `region` is one of its segments.
unsafe fn block_entry(
    heap: &Heap,
    region: NonNull<Region>,
    address: usize,
) -> Result<WalkEntry, Status> {
    // SAFETY: (1).
    let record = unsafe { region.as_ref() };
    if !record.is_block_start(address) {
        return Err(Status::HEAP_CORRUPTION);
    }
    record.prefetch_after(address);
    // SAFETY: (1), just checked.
    let block = unsafe { read(heap, region, address) }?;
    if !block.entry.is_busy() {
        return Ok(free_entry(&block, address));
    }
    if let Some(slab) = NonNull::new(slab_map::at(block.user()) as *mut Slab)
        // SAFETY: (1): a slab in the table is live.
        && unsafe { slab.as_ref() }.first() == block.user()
    {
        // SAFETY: (1): a slab has at least one slot.
        return Ok(unsafe { slot_entry(region, slab, 0) });
    }
    // SAFETY: (1): it is busy.
    let [_, settable] = unsafe { extras::read_slot(heap, &block) };
    Ok(WalkEntry {
        address: block.user(),
        size: block.entry.requested(),
        overhead: block.entry.unused,
        index: index_of(record),
        flags: WalkFlags::BUSY | user_flags(extras::call_flags(block.entry.flags)),
        settable,
        tag: record.tag_at(address),
        region: None,
    })
}

fn user_flags(call_flags: HeapFlags) -> WalkFlags {
    let mut flags = WalkFlags::empty();
    let pairs = [
        (HeapFlags::SETTABLE_USER_VALUE, WalkFlags::SETTABLE_VALUE),
        (HeapFlags::SETTABLE_USER_FLAG1, WalkFlags::SETTABLE_FLAG1),
        (HeapFlags::SETTABLE_USER_FLAG2, WalkFlags::SETTABLE_FLAG2),
        (HeapFlags::SETTABLE_USER_FLAG3, WalkFlags::SETTABLE_FLAG3),
    ];
    for (asked, shown) in pairs {
        flags.set(shown, call_flags.contains(asked));
    }
    flags
}

/// # Safety
/// 1. The heap's lock is held; `slot` is one of its live slab's, which lies in `region`.
unsafe fn slot_entry(region: NonNull<Region>, slab: NonNull<Slab>, slot: u32) -> WalkEntry {
    // SAFETY: (1).
    let (record, slab_record) = unsafe { (region.as_ref(), slab.as_ref()) };
    // SAFETY: (1).
    let requested = unsafe { Slab::requested(slab, slot) };
    let stride = slab_record.stride as usize;
    let (size, overhead, busy) = match requested {
        Some(requested) => (requested, stride - requested, WalkFlags::BUSY),
        None => (stride - GRANULE, GRANULE, WalkFlags::empty()),
    };
    WalkEntry {
        address: slab_record.address_of(slot),
        size,
        // A large slot may have more to spare than the field can say.
        overhead: overhead.min(u8::MAX as usize) as u8,
        index: index_of(record),
        flags: WalkFlags::LFH_ALLOC | busy,
        settable: 0,
        tag: 0,
        region: None,
    }
}

/// The piece of a free block from `from` on, as far as its pages are committed.
fn free_entry(block: &Block, from: usize) -> WalkEntry {
    let end = match hole_after(block, from) {
        Some((start, _)) => start - RANGE_HEAD,
        None => block.end(),
    };
    WalkEntry {
        address: from + FREE_HEAD,
        size: end.saturating_sub(from + FREE_HEAD),
        overhead: FREE_HEAD as u8,
        // SAFETY: the caller's block lies in a live region.
        index: index_of(unsafe { block.region.as_ref() }),
        flags: WalkFlags::empty(),
        settable: 0,
        tag: 0,
        region: None,
    }
}

/// The first range of uncommitted pages of a free block at or behind `from`.
fn hole_after(block: &Block, from: usize) -> Option<(usize, usize)> {
    let Entry { flags, .. } = block.entry;
    if !flags.contains(EntryFlags::HOLE) {
        return None;
    }
    // SAFETY: the caller's block lies in a live region.
    let record = unsafe { block.region.as_ref() };
    let end = if block.entry.is_last() {
        record.commit_limit
    } else {
        block.end()
    };
    let last = record.page(end - 1) + 1;
    let start = record.pages.find(record.page(from), last, false);
    if start == last {
        return None;
    }
    let stop = record.pages.find(start, last, true);
    Some((record.base + start * PAGE, record.base + stop * PAGE))
}

fn range_entry(region: NonNull<Region>, start: usize, end: usize) -> WalkEntry {
    WalkEntry {
        address: start,
        size: end - start,
        overhead: 0,
        // SAFETY: the caller's region is live.
        index: index_of(unsafe { region.as_ref() }),
        flags: WalkFlags::UNCOMMITTED_RANGE,
        settable: 0,
        tag: 0,
        region: None,
    }
}

/// # Safety
/// 1. `region` is a segment of a heap whose lock is held.
unsafe fn region_entry(region: NonNull<Region>) -> WalkEntry {
    // SAFETY: (1).
    let record = unsafe { region.as_ref() };
    WalkEntry {
        address: record.base,
        size: record.first_block - record.base,
        overhead: 0,
        index: index_of(record),
        flags: WalkFlags::SEGMENT,
        settable: 0,
        tag: 0,
        region: Some(WalkRegion {
            committed: record.committed,
            uncommitted: record.size - record.committed,
            // Whether the block is busy or free: a request does not change it (C190, C206).
            first_block: record.first_block + USER_OFFSET,
            last_block: record.commit_limit,
        }),
    }
}

/// # Safety
/// 1. `region` is null or a large block of a heap whose lock is held.
unsafe fn large_entry(region: *const Region) -> Result<WalkEntry, Status> {
    // SAFETY: (1).
    let record = unsafe { region.as_ref() }.ok_or(Status::NO_MORE_ENTRIES)?;
    let asked = HeapFlags::from_bits_retain(record.user_flags);
    Ok(WalkEntry {
        address: record.user,
        size: record.requested,
        overhead: 0,
        index: LARGE_INDEX,
        // Every large block has room for a user value (5.5; C200).
        flags: WalkFlags::BUSY
            | WalkFlags::LARGE_ALLOC
            | WalkFlags::SETTABLE_VALUE
            | user_flags(asked),
        settable: record.user_value,
        tag: record.tag,
        region: None,
    })
}

/// Number of segments before this one.
fn index_of(segment: &Region) -> u8 {
    segment.segments_before.min(LAST_SEGMENT_INDEX) as u8
}
