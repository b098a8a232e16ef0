//! A region's record: what the heap knows of one reservation.
//!
//! The map of [`crate::regions`] leads to it from any address inside.

use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use rtl_platform::prefetch::prefetch;

use crate::bits::Bits;
use crate::entry::{HEADER_OFFSET, USER_OFFSET};
use crate::metadata;
use crate::starts::Starts;
use crate::units::{GRANULE, PAGE};

/// What a region is used for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum RegionKind {
    /// Blocks of a heap's back end. A heap's first segment starts at its handle.
    Segment,
    /// One large block.
    Large,
    /// Reserved by the caller through the library, not (yet) a heap's.
    Caller,
}

/// Who provides a region's pages, and so who commits and releases them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Backing {
    /// The heap reserved it and releases it.
    Heap,
    /// The caller reserved it through a vm: the heap commits and decommits, never releases.
    CallerReserved,
    /// The caller's commit routine commits it; nothing is decommitted.
    CommitRoutine,
    /// The caller's memory, all of it committed, nothing ever decommitted.
    CallerCommitted,
}

/// One reservation and what the heap knows about it.
pub struct Region {
    /// First address.
    pub base: usize,
    /// Bytes reserved.
    pub size: usize,
    /// Address of the record of the heap it belongs to; 0 for [`RegionKind::Caller`].
    pub owner: AtomicUsize,
    /// The same for a heap's first segment, whose base is the heap's handle; else 0.
    pub handle_of: AtomicUsize,
    /// What it is for.
    pub kind: RegionKind,
    /// Who provides its pages.
    pub backing: Backing,
    /// Next of its heap's segments, or of its heap's large blocks, oldest first.
    pub next: *mut Region,
    /// Previous one.
    pub previous: *mut Region,
    /// Bytes committed.
    pub committed: usize,

    /// Segment: number of its heap's segments before it.
    pub segments_before: usize,
    /// Segment: address of the first block. Else past every address: no block starts there.
    pub first_block: usize,
    /// Segment: where the last possible block ends.
    pub end: usize,
    /// Segment: the same as the number of its granule; else 0.
    pub end_granule: usize,
    /// Segment: pages from here on are never committed (the guard page), or the region's end.
    pub commit_limit: usize,
    /// Segment: bytes of the large pages that the system may provide, a power of two; 0 for none.
    pub large_page: usize,
    /// Segment: pages below this address were committed at creation and stay so.
    pub initial_commit_end: usize,
    /// Segment: where a block, busy or free, starts. The header there is committed and decodes, or was
    /// damaged (INV-STARTS).
    pub starts: Starts,
    /// Segment and caller: one bit per NT page, set when the page is committed (INV-PAGES).
    pub pages: Bits,
    /// Segment: one bit per NT page, set when the page counts as uncommitted but is kept committed
    /// (`backend::warm`). No bits as long as none was.
    pub warm: Bits,
    /// Segment: one bit per granule, set where a block starts that shrank there (`backend::canary`). No
    /// bits as long as none did.
    pub shrunk: Bits,
    /// A decommit was refused, so pages may be committed that count as uncommitted.
    pub left_pages: bool,

    /// Segment of a heap with tagging: per granule the tag of the block that starts there. Null as
    /// long as no block of the segment had one.
    tag_table: AtomicPtr<u16>,

    /// Large: the system leaves its pages alone when their protection changes.
    pub set_apart: bool,
    /// Large: where the user's bytes start.
    pub user: usize,
    /// Large: bytes the caller asked for.
    pub requested: usize,
    /// Large: the caller's value and flags, if the block has any.
    pub user_value: usize,
    /// Large: `HEAP_SETTABLE_USER_VALUE` and user flags of the allocation.
    pub user_flags: u32,
    /// Large: the block's tag, if it has one.
    pub tag: u16,

    /// Segment in caller memory that was reserved through the library: the record that stands for
    /// it before and after the heap.
    pub caller: *mut Region,

    /// Next in the list of regions that the map has no entry for.
    pub range_next: AtomicPtr<Region>,
    /// The map has entries for it.
    pub mapped: bool,
}

impl Region {
    /// A new record with its two bitmaps, in no list and no map. Zero bitmaps.
    ///
    /// `None` when there is no memory for it.
    pub fn create(kind: RegionKind, base: usize, size: usize) -> Option<NonNull<Region>> {
        let record = metadata::allocate(size_of::<Region>())?.cast::<Region>();
        let Some((pages, starts)) = Region::maps(kind, size) else {
            // SAFETY: it came from `allocate` with this size and nothing refers to it.
            unsafe { metadata::free(record.cast(), size_of::<Region>()) };
            return None;
        };
        let region = Region {
            base,
            size,
            owner: AtomicUsize::new(0),
            handle_of: AtomicUsize::new(0),
            kind,
            backing: Backing::Heap,
            next: ptr::null_mut(),
            previous: ptr::null_mut(),
            committed: 0,
            segments_before: 0,
            first_block: usize::MAX,
            end: 0,
            end_granule: 0,
            commit_limit: base + size,
            large_page: 0,
            initial_commit_end: base,
            starts,
            pages,
            warm: Bits::EMPTY,
            shrunk: Bits::EMPTY,
            left_pages: false,
            tag_table: AtomicPtr::new(ptr::null_mut()),
            set_apart: false,
            user: 0,
            requested: 0,
            user_value: 0,
            user_flags: 0,
            tag: 0,
            caller: ptr::null_mut(),
            range_next: AtomicPtr::new(ptr::null_mut()),
            mapped: false,
        };
        // SAFETY: the record is ours, large and aligned enough (metadata is 32-aligned).
        unsafe { record.write(region) };
        Some(record)
    }

    /// The maps of a new record.
    fn maps(kind: RegionKind, size: usize) -> Option<(Bits, Starts)> {
        if kind == RegionKind::Large {
            return Some((Bits::EMPTY, Starts::EMPTY));
        }
        let [pages, ends] = Bits::create_two(size / PAGE)?;
        let starts = match kind {
            RegionKind::Segment => Starts::create(size / GRANULE, ends),
            _ => Some(Starts::EMPTY),
        };
        if starts.is_none() {
            pages.destroy_two();
        }
        Some((pages, starts?))
    }

    /// Gives the record and its bitmaps back.
    ///
    /// # Safety
    /// 1. `region` came from [`Region::create`], is in no list and no map.
    pub unsafe fn destroy(region: NonNull<Region>) {
        // SAFETY: (1).
        let record = unsafe { region.as_ref() };
        if let Some(table) = NonNull::new(record.tag_table.load(Ordering::Relaxed)) {
            // SAFETY: (1); it came from `allocate` with this size.
            unsafe { metadata::free(table.cast(), record.tag_table_bytes()) };
        }
        record.starts.destroy();
        record.pages.destroy_two();
        record.warm.destroy();
        record.shrunk.destroy();
        // A lookup that still holds the record must not take it for a heap's.
        // SAFETY: (1).
        unsafe {
            region.as_ref().owner.store(0, Ordering::Relaxed);
            region.as_ref().handle_of.store(0, Ordering::Relaxed);
        }
        // SAFETY: (1); it came from `allocate` with this size.
        unsafe { metadata::free(region.cast(), size_of::<Region>()) };
    }

    /// Makes a new record that of a large block whose reservation has moved to `base`: with what its
    /// old record says of its caller.
    ///
    /// # Safety
    /// 1. `region` came from [`Region::create`] and is in no list and no map.
    pub unsafe fn take_place(region: NonNull<Region>, old: &Region, base: usize) {
        let record = region.as_ptr();
        // SAFETY: (1).
        unsafe {
            (*record).base = base;
            (*record).initial_commit_end = base;
            (*record).commit_limit = base + (*record).size;
            (*record).user_value = old.user_value;
            (*record).user_flags = old.user_flags;
            (*record).tag = old.tag;
            let owner = old.owner.load(Ordering::Relaxed);
            (*record).owner.store(owner, Ordering::Relaxed);
        }
    }

    fn tag_table_bytes(&self) -> usize {
        self.size.div_ceil(GRANULE) * size_of::<u16>()
    }

    /// Remembers the tag of the block that starts at `address`. False without memory for one that is
    /// not 0. The heap's lock is held.
    pub fn set_tag(&self, address: usize, tag: u16) -> bool {
        // Relaxed: the heap's lock orders it.
        let mut table = self.tag_table.load(Ordering::Relaxed);
        if table.is_null() {
            if tag == 0 {
                return true;
            }
            let Some(memory) = metadata::allocate(self.tag_table_bytes()) else {
                return false;
            };
            table = memory.as_ptr().cast();
            self.tag_table.store(table, Ordering::Relaxed);
        }
        // SAFETY: the table has an entry for each granule of the region.
        unsafe { table.add(self.granule(address)).write(tag) };
        true
    }

    /// The tag of the block that starts at `address`, which lies in the region; 0 for none. The
    /// heap's lock is held.
    pub fn tag_at(&self, address: usize) -> u16 {
        let table = self.tag_table.load(Ordering::Relaxed);
        if table.is_null() {
            return 0;
        }
        // SAFETY: the table has an entry for each granule of the region.
        unsafe { table.add(self.granule(address)).read() }
    }

    /// `address` lies inside.
    #[inline]
    pub fn contains(&self, address: usize) -> bool {
        address.wrapping_sub(self.base) < self.size
    }

    /// The granule's number, for `starts`.
    #[inline]
    pub fn granule(&self, address: usize) -> usize {
        (address - self.base) / GRANULE
    }

    /// A block, busy or free, starts at `address`, any bit pattern: reading its header is safe
    /// (INV-STARTS).
    #[inline]
    pub fn is_block_start(&self, address: usize) -> bool {
        address.is_multiple_of(GRANULE)
            && address >= self.first_block
            && address < self.end
            && self.starts.get(self.granule(address))
    }

    /// Has the headers of some blocks that follow the one at `address` brought near: whoever goes
    /// from block to block otherwise waits for memory at each. The heap's lock is held.
    #[inline]
    pub fn prefetch_after(&self, address: usize) {
        /// Bytes ahead: far enough for memory to answer, and near enough to stay in the cache.
        const AHEAD: usize = 2048;
        let mut at = self.granule(address + AHEAD);
        // No further than a page: where there are only slabs nothing is found.
        let last = self.granule(self.end).min(at + PAGE / GRANULE);
        // Two of them: where blocks lie further apart than before, one would skip some.
        for _ in 0..2 {
            at = self.starts.find_other(at, last);
            prefetch(self.base + at * GRANULE + HEADER_OFFSET);
            at += 1;
        }
    }

    /// The granule of the block, busy or free, whose user's bytes start at `user`, any bit pattern; as
    /// [`Region::is_block_start`], but shorter.
    #[inline(always)]
    pub fn granule_of_block(&self, user: usize) -> Option<usize> {
        let offset = user.wrapping_sub(USER_OFFSET).wrapping_sub(self.base);
        // One comparison for all: the bits of what is not aligned become the highest ones. No block starts
        // before the first one.
        let granule = offset.rotate_right(GRANULE.ilog2());
        (granule < self.end_granule && self.starts.get(granule)).then_some(granule)
    }

    /// The page's number, for `pages`.
    #[inline]
    pub fn page(&self, address: usize) -> usize {
        (address - self.base) / PAGE
    }
}
