//! A lane: what one thread keeps of one heap's front end, for itself alone.
//!
//! Per bucket a lane keeps slots that are neither free nor a caller's. To allocate takes the one on
//! top and marks it busy, to free marks a slot kept and puts it on top, whichever thread allocated it:
//! nobody else's memory is touched but the slot's side entry. Slots pass between lanes and slabs in
//! batches (`frontend::exchange`).
//!
//! A kept slot is in one place of one lane (INV-LANE): of two threads that free it at the same time one
//! finds it busy (`belonging`).
//!
//! A thread finds its lanes in a table of its own, by the heap's handle, the one it used last at once.
//! A lane of a destroyed heap is not found, and is freed when its thread comes across it.

use core::cell::Cell;
use core::mem;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use crate::belonging::Claimant;
use crate::buckets::{self, COUNT};
use crate::fork_lock::ForkLock;
use crate::host;
use crate::kept::Stack;
use crate::metadata;
use crate::units::{ALLOCATION_GRANULARITY, Granules};

/// Stacks of the wide buckets, which few lanes need.
type WideStacks = [Stack; COUNT - FIRST_WIDE];

/// Number of the first wide bucket.
const FIRST_WIDE: usize = buckets::LAST_NARROW as usize + 1;
/// Number of the first bucket: no block is smaller.
const FIRST: usize = Granules::MIN_BLOCK.0 as usize;

/// See the module. Zero bytes are an empty lane of no heap.
#[repr(C)]
pub struct Lane {
    /// Handle of its heap; what nobody can guess while the heap is hidden or when it was destroyed.
    pub handle: AtomicUsize,
    /// What slabs belong to.
    pub claimant: Claimant,
    /// Its thread's table.
    pub table: Cell<*mut Table>,
    /// Stacks of wide buckets; null until one is needed.
    wide: Cell<*mut WideStacks>,
    /// Its heap's record; 0 when that was destroyed.
    pub heap: AtomicUsize,
    /// Next of the same place in the thread's table.
    pub next_in_place: Cell<*mut Lane>,
    /// Next of its heap's lanes. Guarded by the lock of all lanes.
    pub next_in_heap: Cell<*mut Lane>,
    /// Previous there.
    pub previous_in_heap: Cell<*mut Lane>,
    /// Stacks of narrow buckets, from the first one on. Touched by the lane's thread alone.
    stacks: [Stack; FIRST_WIDE - FIRST],
    /// A bit for each bucket of which it may keep freed slots of slabs that do not belong to it.
    foreign: [Cell<u64>; COUNT.div_ceil(64)],
}

// On 64 bit the stack of bucket `n` is `n` stacks from the lane: one addition less for each call.
const _: () =
    assert!(usize::BITS < 64 || mem::offset_of!(Lane, stacks) == FIRST * size_of::<Stack>());
const _: () = assert!(size_of::<Lane>() <= size_of_val(&host::NOTHING));

// SAFETY: what is not atomic is its own thread's, or guarded as said.
unsafe impl Sync for Lane {}

impl Lane {
    /// The stack of a narrow bucket.
    #[inline(always)]
    pub fn narrow_stack(&self, index: usize) -> &Stack {
        debug_assert!((FIRST..FIRST_WIDE).contains(&index));
        // SAFETY: narrow buckets have these numbers.
        unsafe { self.stacks.get_unchecked(index - FIRST) }
    }

    /// The stack of a bucket; `None` of a wide one while there are none.
    #[inline(always)]
    pub fn stack(&self, index: usize) -> Option<&Stack> {
        if index < FIRST_WIDE {
            return Some(self.narrow_stack(index));
        }
        debug_assert!(index < COUNT);
        // SAFETY: the stacks live as long as the lane, and wide buckets have these numbers.
        unsafe { Some(self.wide.get().as_ref()?.get_unchecked(index - FIRST_WIDE)) }
    }

    /// The stack of a bucket, made if need be; `None` without memory.
    pub fn stack_made(&self, index: usize) -> Option<&Stack> {
        if index >= FIRST_WIDE && self.wide.get().is_null() {
            let stacks = metadata::allocate(size_of::<WideStacks>())?;
            self.wide.set(stacks.as_ptr().cast());
        }
        self.stack(index)
    }

    /// It may keep freed slots of a bucket whose slabs do not belong to it.
    #[inline(always)]
    pub fn keeps_foreign(&self, index: usize) -> bool {
        self.foreign[index / 64].get() >> (index % 64) & 1 != 0
    }

    /// Says so, or that it does not.
    #[inline]
    pub fn set_keeps_foreign(&self, index: usize, keeps: bool) {
        let word = &self.foreign[index / 64];
        let bit = 1 << (index % 64);
        word.set(if keeps {
            word.get() | bit
        } else {
            word.get() & !bit
        });
    }

    /// All its stacks, with the numbers of their buckets.
    pub fn all_stacks(&self) -> impl Iterator<Item = (u32, &Stack)> {
        (FIRST..COUNT).filter_map(|index| Some((index as u32, self.stack(index)?)))
    }

    /// Gives its memory back. What it keeps is nobody's from now on.
    ///
    /// # Safety
    /// 1. It is the calling thread's, in no list and no table, and not the thread's word.
    pub unsafe fn destroy(lane: NonNull<Lane>) {
        // SAFETY: (1); each piece came from `allocate` with its size.
        unsafe {
            for (_, stack) in lane.as_ref().all_stacks() {
                stack.discard();
            }
            if let Some(wide) = NonNull::new(lane.as_ref().wide.get()) {
                metadata::free(wide.cast(), size_of::<WideStacks>());
            }
            metadata::free(lane.cast(), size_of::<Lane>());
        }
    }
}

/// A thread's lanes, by handle. The places lie right behind the record; each leads to the lanes whose
/// handles share it, the one used last in front.
///
/// The thread's word leads to the lane that it used last. In front of the table lies a lane of no heap,
/// to which the word leads when that one goes.
#[repr(C)]
pub struct Table {
    /// What the word leads to for want of a lane.
    pub home: Lane,
    /// Number of places less one, which are a power of two.
    mask: usize,
    /// Number of lanes.
    pub lanes: Cell<usize>,
}

impl Table {
    fn bytes(places: usize) -> usize {
        size_of::<Table>() + places * size_of::<Cell<*mut Lane>>()
    }

    /// A table of as many empty places, a power of two; `None` without memory.
    pub fn create(places: usize) -> Option<NonNull<Table>> {
        let table = metadata::allocate(Table::bytes(places))?.cast::<Table>();
        // SAFETY: the piece is ours and large enough, and zero bytes are an empty lane and places that
        // lead nowhere.
        unsafe {
            (*table.as_ptr()).mask = places - 1;
            table.as_ref().home.table.set(table.as_ptr());
        }
        Some(table)
    }

    /// Gives the table back.
    ///
    /// # Safety
    /// 1. It came from [`Table::create`] and no thread has it any more.
    pub unsafe fn destroy(table: NonNull<Table>) {
        // SAFETY: (1).
        unsafe { metadata::free(table.cast(), Table::bytes(table.as_ref().places().len())) };
    }

    /// The calling thread's table.
    #[inline(always)]
    pub fn of_thread() -> Option<NonNull<Table>> {
        NonNull::new(used_last().table.get())
    }

    /// All places.
    pub fn places(&self) -> &[Cell<*mut Lane>] {
        // SAFETY: so many places lie right behind the record.
        unsafe { core::slice::from_raw_parts(ptr::from_ref(self).add(1).cast(), self.mask + 1) }
    }

    /// The place for lanes of the heap whose handle `handle` is, any bit pattern.
    #[inline(always)]
    pub fn place(&self, handle: usize) -> &Cell<*mut Lane> {
        // Heaps lie side by side, and in batches that do not.
        let granularity = handle / ALLOCATION_GRANULARITY;
        let number = (granularity ^ (granularity >> 4)) & self.mask;
        // SAFETY: the masked number is a place's.
        unsafe {
            &*ptr::from_ref(self)
                .add(1)
                .cast::<Cell<*mut Lane>>()
                .add(number)
        }
    }
}

/// The lane that the calling thread used last; one of no heap if there is none.
#[inline(always)]
pub fn used_last() -> &'static Lane {
    // SAFETY: a thread's word leads to zeros as long as a lane, or to a live lane of its own, which it
    // alone frees.
    unsafe { &*(host::thread_word() as *const Lane) }
}

/// The calling thread's lane of the heap whose handle `handle` is, any bit pattern, if that is the
/// one it used last, or the one it used last of those that share its place.
#[inline(always)]
pub fn at_once(handle: usize) -> Option<&'static Lane> {
    let last = used_last();
    if last.handle.load(Ordering::Relaxed) == handle {
        // A handle of 0 may lead to a lane of no heap, which has nothing and has room for nothing.
        return Some(last);
    }
    // SAFETY: a lane's table lives as long as the lane; a place leads to a live lane of this thread's.
    let lane = unsafe { last.table.get().as_ref()?.place(handle).get().as_ref() }?;
    if lane.handle.load(Ordering::Relaxed) != handle {
        return None;
    }
    host::set_thread_word(ptr::from_ref(lane) as usize);
    Some(lane)
}

/// Guards every heap's list of lanes, and keeps heaps with lanes alive for threads that are ending.
/// Taken before any lock but none held.
static ALL: ForkLock = ForkLock::new();

/// Runs `work` while no heap's list of lanes changes and no heap that has lanes is destroyed.
pub fn while_still<R>(work: impl FnOnce() -> R) -> R {
    ALL.enter();
    let result = work();
    ALL.leave();
    result
}

/// Puts `lane` in front of its heap's list.
///
/// # Safety
/// 1. The lane is live, in no list, and its heap lives.
pub unsafe fn enlist(list: &AtomicPtr<Lane>, lane: &Lane) {
    while_still(|| {
        let first = list.load(Ordering::Relaxed);
        lane.next_in_heap.set(first);
        lane.previous_in_heap.set(ptr::null_mut());
        // SAFETY: listed lanes are live.
        if let Some(first) = unsafe { first.as_ref() } {
            first.previous_in_heap.set(ptr::from_ref(lane).cast_mut());
        }
        list.store(ptr::from_ref(lane).cast_mut(), Ordering::Relaxed);
    });
}

/// Takes `lane` out of its heap's list.
///
/// # Safety
/// 1. The lane is in the list, inside [`while_still`].
pub unsafe fn strike(list: &AtomicPtr<Lane>, lane: &Lane) {
    let (next, previous) = (lane.next_in_heap.get(), lane.previous_in_heap.get());
    // SAFETY: listed lanes are live.
    unsafe {
        if let Some(next) = next.as_ref() {
            next.previous_in_heap.set(previous);
        }
        match previous.as_ref() {
            Some(previous) => previous.next_in_heap.set(next),
            None => list.store(next, Ordering::Relaxed),
        }
    }
}

/// After a fork, in the child: the threads of a heap's lanes but the calling one are no more.
pub fn leave_behind(list: &AtomicPtr<Lane>) {
    all(list).for_each(|lane| lane.claimant.leave_behind());
}

/// The lanes of a heap's list, with the lock of all lanes held.
pub fn all(list: &AtomicPtr<Lane>) -> impl Iterator<Item = &'static Lane> + Clone {
    // SAFETY: listed lanes are live.
    let first = unsafe { list.load(Ordering::Relaxed).as_ref() };
    // SAFETY: as above.
    core::iter::successors(first, |lane| unsafe { lane.next_in_heap.get().as_ref() })
}

/// A handle for lanes that no call shall find: any other value could be what a caller passes.
pub fn nobodys_handle() -> usize {
    static HANDLE: AtomicUsize = AtomicUsize::new(0);
    if HANDLE.load(Ordering::Relaxed) == 0 {
        // Odd, as no heap's handle, and not all ones, as what wide slabs say.
        let drawn = host::random_word() as usize >> 1 | 1;
        let _ = HANDLE.compare_exchange(0, drawn, Ordering::Relaxed, Ordering::Relaxed);
    }
    HANDLE.load(Ordering::Relaxed)
}

/// Has calls with `handle` find a heap's lanes: the heap's own, or [`nobodys_handle`].
pub fn set_handles(list: &AtomicPtr<Lane>, handle: usize) {
    while_still(|| all(list).for_each(|lane| lane.handle.store(handle, Ordering::Relaxed)));
}

/// Has no call find a heap's lanes any more, when threads that are ending are done with it. What they keep
/// goes with the heap, they themselves when their threads come across them.
///
/// # Safety
/// 1. Nobody uses the heap any more, but for what threads do at their end.
pub unsafe fn forget(list: &AtomicPtr<Lane>) {
    let handle = nobodys_handle();
    while_still(|| {
        let mut at = list.swap(ptr::null_mut(), Ordering::Relaxed);
        // SAFETY: listed lanes are live until they have no heap.
        while let Some(lane) = unsafe { at.as_ref() } {
            at = lane.next_in_heap.get();
            lane.handle.store(handle, Ordering::Relaxed);
            // The last touch. Release pairs with the Acquire of the thread that frees the lane.
            lane.heap.store(0, Ordering::Release);
        }
    });
}

/// Takes the lock of all lanes for a fork.
pub fn enter_for_fork() {
    ALL.enter();
}

/// Gives it back, in parent and child.
pub fn leave_after_fork() {
    ALL.leave();
}
