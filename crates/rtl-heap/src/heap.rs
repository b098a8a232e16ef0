//! A heap's record: its fields, and the equations that hold between them.
//!
//! Whenever the lock is free:
//!
//! - INV-HEAP-1: every byte of a segment from its first block to its end is in exactly one block,
//!   and every block starts at a set bit of `Region::starts`, and every set bit starts a block.
//! - INV-HEAP-2: no two neighbouring blocks are free, unless coalescing is off.
//! - INV-HEAP-3: the index holds exactly the free blocks; `FreeIndex::total_bytes` is their sum.
//! - INV-HEAP-4: an uncommitted page lies inside a free block marked with a hole, past that block's
//!   header and links and before its footer, or at or above its segment's `commit_limit`.
//! - INV-HEAP-5: `live_bytes` and `live_blocks` count what callers hold, large blocks included.

use core::cell::UnsafeCell;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};

use rtl_platform::vm::{Protection, Vm, Window};

use crate::block_traces::BlockTraces;
use crate::buckets::{self, Frontend};
use crate::entry::Key;
use crate::flags::HeapFlags;
use crate::free_index::FreeIndex;
use crate::global_flags::PageHeap;
use crate::heap_lock::HeapLock;
use crate::kept_large::KeptLarge;
use crate::lane;
use crate::lookaside::Lookaside;
use crate::metadata;
use crate::params::CommitRoutine;
use crate::region::Region;
use crate::regions;
use crate::slab::Slab;
use crate::slab_map;
use crate::tags::Tags;
use crate::units::Granules;

/// What was settled at creation and never changes.
pub struct Settings {
    /// Creation flags.
    pub flags: HeapFlags,
    /// Flags or-ed into those of every call.
    pub force_flags: HeapFlags,
    /// Freed blocks are parked: no flag makes blocks larger or wants to see them go. Every call on
    /// a heap that does not park takes the long way.
    pub parks: bool,
    /// So are those of middle size: only where pages may stay committed that NT would give back, and
    /// where who asks for the state of a page can lock the heap.
    pub parks_middle: bool,
    /// A flag of the debug heap is on: calls go through [`crate::verify`]. Such a heap never parks.
    pub verifies: bool,
    /// It is a page heap.
    pub page_heap: Option<PageHeap>,
    /// It parks and no call is serialised nor has its block zeroed, unless the call asks for it:
    /// the shortest path is open.
    pub alone: bool,
    /// The front end may serve it (7.3).
    pub front_end: bool,
    /// Size of the second segment, in bytes.
    pub segment_reserve: usize,
    /// Doubling stops here, in bytes.
    pub segment_reserve_cap: usize,
    /// Commit step, in bytes.
    pub segment_commit: usize,
    /// Smallest free run that is decommitted, in bytes.
    pub decommit_free_block_threshold: usize,
    /// Free bytes the heap keeps before it decommits.
    pub decommit_total_free_threshold: usize,
    /// Largest block of the back end.
    pub virtual_memory_threshold: Granules,
    /// Largest request granted at all, in bytes.
    pub maximum_allocation_size: usize,
    /// Where memory comes from.
    pub vm: &'static dyn Vm,
    /// Where in the address space.
    pub window: Option<Window>,
    /// What committed pages allow.
    pub protection: Protection,
    /// Commits caller memory, for a heap that was given one.
    pub commit_routine: Option<CommitRoutine>,
}

/// Regions of one kind in the order they were made.
pub struct RegionList {
    /// Oldest.
    pub first: *mut Region,
    /// Newest.
    pub last: *mut Region,
}

impl RegionList {
    /// Adds at the end.
    ///
    /// # Safety
    /// 1. `region` is live, in no list, and the heap's lock is held.
    pub unsafe fn append(&mut self, region: NonNull<Region>) {
        let region = region.as_ptr();
        // SAFETY: (1); the list's regions are live.
        unsafe {
            (*region).next = ptr::null_mut();
            (*region).previous = self.last;
            if self.last.is_null() {
                self.first = region;
            } else {
                (*self.last).next = region;
            }
        }
        self.last = region;
    }

    /// Takes out.
    ///
    /// # Safety
    /// 1. `region` is in this list, and the heap's lock is held.
    pub unsafe fn remove(&mut self, region: NonNull<Region>) {
        let region = region.as_ptr();
        // SAFETY: (1); the list's regions are live.
        unsafe {
            let (next, previous) = ((*region).next, (*region).previous);
            if previous.is_null() {
                self.first = next;
            } else {
                (*previous).next = next;
            }
            if next.is_null() {
                self.last = previous;
            } else {
                (*next).previous = previous;
            }
        }
    }

    /// The regions, oldest first. The list must not change meanwhile; a region may be released
    /// once the iterator has moved on from it.
    pub fn iter(&self) -> impl Iterator<Item = NonNull<Region>> + use<> {
        let mut at = self.first;
        core::iter::from_fn(move || {
            let region = NonNull::new(at)?;
            // SAFETY: the list's regions are live.
            at = unsafe { region.as_ref() }.next;
            Some(region)
        })
    }
}

/// Sums over a heap, in bytes unless the name says otherwise.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Accounting {
    /// Address space in segments and large blocks.
    pub reserved: usize,
    /// Of that, committed.
    pub committed: usize,
    /// Inside free blocks but not committed.
    pub uncommitted_free: usize,
    /// Asked for by callers and not freed.
    pub live_bytes: usize,
    /// Most there was of `live_bytes`. It lies between the two that change together: side by side they
    /// would be loaded by one wide load, which processors cannot serve from the two stores of the call
    /// before.
    pub peak_live_bytes: usize,
    /// Number of blocks not freed.
    pub live_blocks: usize,
    /// Most there was of `reserved`.
    pub peak_reserved: usize,
    /// Most there was of `committed`.
    pub peak_committed: usize,
    /// Most that `committed` may become, 0 for no limit.
    pub commit_limit: usize,
    /// Counted as uncommitted, but kept committed (`backend::warm`).
    pub warm: usize,
}

impl Accounting {
    /// A block of `bytes` was handed out.
    #[inline]
    pub fn add_live(&mut self, bytes: usize) {
        self.live_bytes = self.live_bytes.wrapping_add(bytes);
        self.live_blocks = self.live_blocks.wrapping_add(1);
        // A branch that is seldom taken costs less than to store the greater one each time.
        if self.live_bytes > self.peak_live_bytes {
            self.peak_live_bytes = self.live_bytes;
        }
    }

    /// A block of `bytes` was taken back.
    #[inline]
    pub fn remove_live(&mut self, bytes: usize) {
        // Wrapping: a header replayed by an intruder must not stop the heap.
        self.live_bytes = self.live_bytes.wrapping_sub(bytes);
        self.live_blocks = self.live_blocks.wrapping_sub(1);
    }

    /// A block changed its size.
    #[inline]
    pub fn resize_live(&mut self, from: usize, to: usize) {
        self.live_bytes = self.live_bytes.wrapping_sub(from).wrapping_add(to);
        self.peak_live_bytes = self.peak_live_bytes.max(self.live_bytes);
    }

    /// Address space was reserved.
    pub fn add_reserved(&mut self, bytes: usize) {
        self.reserved += bytes;
        self.peak_reserved = self.peak_reserved.max(self.reserved);
    }

    /// Whether that many more bytes may be committed.
    pub fn may_commit(&self, bytes: usize) -> bool {
        self.commit_limit == 0
            || self
                .committed
                .checked_add(bytes)
                .is_some_and(|sum| sum <= self.commit_limit)
    }

    /// Pages were committed.
    pub fn add_committed(&mut self, bytes: usize) {
        self.committed += bytes;
        self.peak_committed = self.peak_committed.max(self.committed);
    }
}

/// What the lock guards.
pub struct State {
    /// Free blocks.
    pub free: FreeIndex,
    /// Per bucket, requests the back end served, up to the number that switches it on.
    pub requests: [u8; buckets::COUNT],
    /// Slabs are looked through for pages to empty once the heap holds so many bytes.
    pub next_emptying: usize,
    /// Blocks just freed.
    pub lookaside: Lookaside,
    /// Segments; the first one starts at the handle.
    pub segments: RegionList,
    /// Large blocks.
    pub large: RegionList,
    /// Reservations of large blocks that are gone.
    pub kept_large: KeptLarge,
    /// Size of the next segment by the law of growth, in bytes.
    pub next_segment_reserve: usize,
    /// A segment without a live block, kept for the next request; not the first one.
    pub empty_segment: *mut Region,
    /// Page heap: regions of blocks that were freed, whose pages fault.
    pub freed: RegionList,
    /// How many.
    pub freed_count: usize,
    /// Page heap: regions of live blocks.
    pub full_count: usize,
    /// Who allocated the live blocks, where that is recorded.
    pub traces: BlockTraces,
    /// Sums.
    pub accounting: Accounting,
    /// `HeapTag`: a number its user keeps with the heap.
    pub tag: u64,
}

/// A heap. Lies in the metadata pool, out of the reach of its users' overruns.
pub struct Heap {
    /// What users call it: the address of its first segment.
    pub handle: usize,
    /// The same for paths that know nothing of the debug heap. For a heap that verifies a number
    /// that is nobody's handle, so that they leave its calls alone.
    pub plain_handle: usize,
    /// The same for paths that take no lock: nobody's handle for a heap that is serialised.
    pub alone_handle: usize,
    /// Settled at creation.
    pub settings: Settings,
    /// Secrets.
    pub key: Key,
    /// Guards `state`.
    pub lock: HeapLock,
    /// The commit routine is running: calls on this heap are refused meanwhile (R11, H12).
    pub in_commit_routine: AtomicBool,
    /// Its segments are read-only; no call finds it by its handle.
    pub protected: AtomicBool,
    /// `HeapCompatibilityInformation`: 0, or 2 once the front end is permitted or in use.
    pub compatibility: AtomicU32,
    frontend: AtomicPtr<Frontend>,
    tags: AtomicPtr<Tags>,
    state: UnsafeCell<State>,
}

// SAFETY: `state` is reached only through `state()`, whose callers hold the lock, or have promised
// to be alone (HEAP_NO_SERIALIZE); the other fields are immutable or atomic.
unsafe impl Sync for Heap {}

impl Heap {
    /// Makes the zeroed memory at `record` a heap without segments.
    ///
    /// Field by field: all but a few words of the state are zero at first, and a heap on the stack
    /// would be copied.
    ///
    /// # Safety
    /// 1. `record` is zeroed, large and aligned enough, and stays the heap's.
    pub unsafe fn write(
        record: NonNull<Heap>,
        handle: usize,
        settings: Settings,
        key: Key,
        lock: HeapLock,
    ) -> &'static Heap {
        let heap = record.as_ptr();
        // SAFETY: (1). Zero is an empty lookaside, no kept reservation, an empty list, a null pointer and a sum of
        // nothing; all of a free index but its owner is zero too.
        unsafe {
            let state = UnsafeCell::raw_get(&raw const (*heap).state);
            (*state).next_segment_reserve = settings.segment_reserve;
            (*state).traces.records = settings.flags.contains(HeapFlags::CAPTURE_STACK_BACKTRACES);
            FreeIndex::write_empty(
                NonNull::new_unchecked(&raw mut (*state).free),
                heap as usize,
            );
            (&raw mut (*heap).handle).write(handle);
            let odd = heap as usize | 1;
            let plain = if settings.verifies { odd } else { handle };
            (&raw mut (*heap).plain_handle).write(plain);
            let alone = if settings.alone { handle } else { odd };
            (&raw mut (*heap).alone_handle).write(alone);
            (&raw mut (*heap).settings).write(settings);
            (&raw mut (*heap).key).write(key);
            (&raw mut (*heap).lock).write(lock);
            (&raw mut (*heap).in_commit_routine).write(AtomicBool::new(false));
            (&raw mut (*heap).protected).write(AtomicBool::new(false));
            (&raw mut (*heap).compatibility).write(AtomicU32::new(0));
            (&raw mut (*heap).frontend).write(AtomicPtr::new(ptr::null_mut()));
            (&raw mut (*heap).tags).write(AtomicPtr::new(ptr::null_mut()));
            record.as_ref()
        }
    }

    /// The heap whose handle `address` is, any bit pattern.
    #[inline]
    pub fn at(address: usize) -> Option<&'static Heap> {
        Heap::starting(regions::starting_at(address)?)
    }

    /// [`Heap::at`] for the shortest paths: `None` as well for a heap in caller memory that the
    /// region map has no entry for.
    #[inline(always)]
    pub fn at_mapped(address: usize) -> Option<&'static Heap> {
        Heap::starting(regions::starting_at_mapped(address)?)
    }

    #[inline(always)]
    fn starting(region: NonNull<Region>) -> Option<&'static Heap> {
        // SAFETY: INV-REGION: records stay readable.
        let owner = unsafe { region.as_ref() }.handle_of.load(Ordering::Relaxed) as *const Heap;
        // SAFETY: a published first segment names its live heap; records stay readable.
        unsafe { owner.as_ref() }
    }

    /// The heap whose record `region` names; `None` for a caller's reservation.
    #[inline]
    pub fn of(region: &Region) -> Option<&'static Heap> {
        // SAFETY: a published region names its live heap; records stay readable.
        unsafe { (region.owner.load(Ordering::Relaxed) as *const Heap).as_ref() }
    }

    /// The front end, once a bucket was switched on.
    #[inline]
    pub fn frontend(&self) -> Option<&Frontend> {
        // Acquire pairs with the Release in `activation`.
        // SAFETY: the front end lives as long as the heap.
        unsafe { self.frontend.load(Ordering::Acquire).as_ref() }
    }

    /// Where the front end is entered when it is made.
    pub fn frontend_record(&self) -> &AtomicPtr<Frontend> {
        &self.frontend
    }

    /// What a heap with tagging counts by.
    #[inline]
    pub fn tags(&self) -> Option<&Tags> {
        // Relaxed: stored before the heap is published.
        // SAFETY: the tags live as long as the heap.
        unsafe { self.tags.load(Ordering::Relaxed).as_ref() }
    }

    /// Makes a new heap one with tagging.
    ///
    /// # Safety
    /// 1. Nobody else knows the heap yet.
    pub unsafe fn set_tags(&self, tags: NonNull<Tags>) {
        self.tags.store(tags.as_ptr(), Ordering::Relaxed);
    }

    /// Frees the tags of a heap with tagging.
    ///
    /// # Safety
    /// 1. Nobody uses the heap any more.
    pub unsafe fn destroy_tags(&self) {
        if let Some(tags) = NonNull::new(self.tags.swap(ptr::null_mut(), Ordering::Relaxed)) {
            // SAFETY: (1).
            unsafe { Tags::destroy(tags) };
        }
    }

    /// Has no address lead to a slab of the heap any more. Their memory is about to go, and may be another
    /// heap's at once.
    ///
    /// # Safety
    /// 1. Nobody uses the heap any more.
    pub unsafe fn withdraw_slabs(&self) {
        let Some(front) = self.frontend() else { return };
        // SAFETY: (1): listed slabs are live.
        unsafe {
            let mut at = *front.slabs.get();
            while let Some(slab) = at.as_ref() {
                slab_map::set(slab.first(), slab.bytes as usize, 0);
                at = slab.next_in_heap;
            }
        }
    }

    /// Frees the front end's records. Its blocks go with the heap's segments.
    ///
    /// # Safety
    /// 1. Nobody uses the heap any more.
    pub unsafe fn destroy_frontend(&self) {
        let Some(front) = NonNull::new(self.frontend.swap(ptr::null_mut(), Ordering::Relaxed))
        else {
            return;
        };
        // SAFETY: (1): listed slabs are live, and spare records nobody's.
        unsafe {
            let mut at = *front.as_ref().slabs.get();
            while let Some(slab) = NonNull::new(at) {
                at = slab.as_ref().next_in_heap;
                Slab::destroy(slab);
            }
            for bucket in &front.as_ref().buckets {
                let mut at = bucket.state().spare;
                while let Some(slab) = NonNull::new(at) {
                    at = slab.as_ref().next;
                    Slab::destroy(slab);
                }
            }
            metadata::free(front.cast(), size_of::<Frontend>());
        }
    }

    /// Has no thread lead to the heap by a lane any more, not even one that is ending.
    ///
    /// # Safety
    /// 1. Nobody uses the heap any more, but for what threads do at their end.
    pub unsafe fn forget_lanes(&self) {
        if let Some(front) = self.frontend() {
            // SAFETY: (1).
            unsafe { lane::forget(&front.lanes) };
        }
    }

    /// Address of the record, as regions name it.
    #[inline]
    pub fn record(&self) -> usize {
        ptr::from_ref(self) as usize
    }

    /// Takes the lock unless the heap or the call is not serialised.
    #[inline]
    pub fn enter(&self, call_flags: HeapFlags) -> Guard<'_> {
        let serialize = !(call_flags | self.settings.force_flags).contains(HeapFlags::NO_SERIALIZE);
        if serialize {
            self.lock.enter();
        }
        Guard {
            heap: self,
            serialize,
        }
    }

    /// What the lock guards.
    ///
    /// # Safety
    /// 1. The lock is held, or the caller has promised that no other call is inside, and no other
    ///    reference from this function is alive.
    #[inline]
    #[allow(clippy::mut_from_ref, reason = "the lock makes it exclusive")]
    pub unsafe fn state(&self) -> &mut State {
        // SAFETY: (1).
        unsafe { &mut *self.state.get() }
    }
}

/// A heap entered: its state, until it is dropped.
pub struct Guard<'h> {
    /// The heap.
    pub heap: &'h Heap,
    serialize: bool,
}

impl Guard<'_> {
    /// The heap and what its lock guards.
    #[inline]
    pub fn parts(&mut self) -> (&Heap, &mut State) {
        // SAFETY: (1) `enter` took the lock or took the caller's word, and `self` is borrowed
        // exclusively, so no other reference is alive.
        (self.heap, unsafe { self.heap.state() })
    }
}

impl Drop for Guard<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.serialize {
            self.heap.lock.leave_held();
        }
    }
}
