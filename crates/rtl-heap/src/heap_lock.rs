//! The heap's lock: recursive, owner-aware, parking when contended; or the caller's in its place.
//!
//! Owner and depth are kept here whatever lock lies below, so that recursion costs no call and an
//! unlock by a thread that does not own the lock is refused (catalogue G1, G2).

use core::cell::Cell;
use core::ffi::c_void;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::biased_lock::BiasedLock;
use crate::host;
use crate::raw_lock::RawLock;

/// The caller's own lock, as functions (the C ABI's `RTLHEAP_LOCK`).
#[derive(Clone, Copy, Debug)]
pub struct LockTable {
    /// Takes the lock; called with `context`.
    pub enter: unsafe extern "C" fn(*mut c_void),
    /// Gives it back.
    pub leave: unsafe extern "C" fn(*mut c_void),
    /// Passed to both.
    pub context: *mut c_void,
}

/// Which lock a new heap is to use.
#[derive(Clone, Copy, Debug, Default)]
pub enum CallerLock {
    /// The heap makes its own.
    #[default]
    None,
    /// An initialised `ERESOURCE` that outlives the heap.
    Resource(NonNull<Resource>),
    /// The caller's functions.
    Table(LockTable),
}

impl CallerLock {
    /// No lock was given.
    pub fn is_none(&self) -> bool {
        matches!(self, CallerLock::None)
    }
}

/// A recursive lock that knows its owner. What most calls look at comes first, in one cache line.
#[repr(C)]
pub struct HeapLock {
    /// Its own, which a caller's stands in for; nobody has the bias of it then.
    own: BiasedLock,
    /// Who holds it, but for the thread that holds its own by bias, or 0.
    owner: AtomicUsize,
    depth: Cell<u32>,
    callers: CallerLock,
}

// SAFETY: `depth` is touched only by the thread that `owner` names, the cells of `own` only by who holds it;
// the rest is atomic, or the caller's lock, which is made to be shared.
unsafe impl Sync for HeapLock {}
// SAFETY: as above; nothing in it belongs to a thread while nobody holds it.
unsafe impl Send for HeapLock {}

impl HeapLock {
    /// A free lock over `caller`'s, or over one of its own.
    pub const fn new(caller: CallerLock) -> HeapLock {
        HeapLock {
            own: BiasedLock::new(),
            owner: AtomicUsize::new(0),
            depth: Cell::new(0),
            callers: caller,
        }
    }

    /// The calling thread holds the lock.
    #[inline]
    pub fn is_owned(&self) -> bool {
        let me = host::thread_id();
        // Relaxed: only this thread stores its own id here, so it sees it if it is there.
        self.owner.load(Ordering::Relaxed) == me || self.own.is_held_by_bias(me)
    }

    /// Takes the lock, or takes it once more.
    #[inline]
    pub fn enter(&self) {
        let me = host::thread_id();
        if self.own.has_bias(me) {
            if !self.own.go_inside() {
                self.enter_in_doubt(me);
            }
        } else {
            self.enter_without_bias(me);
        }
    }

    #[inline(always)]
    fn enter_without_bias(&self, me: usize) {
        if self.enter_again(me) {
            return;
        }
        if self.callers.is_none() && self.own.enter_at_once() {
            self.own_by(me);
        } else {
            self.enter_waiting(me);
        }
    }

    #[cold]
    #[inline(never)]
    fn enter_in_doubt(&self, me: usize) {
        if !self.own.is_inside() {
            self.enter_without_bias(me);
        }
    }

    #[cold]
    #[inline(never)]
    fn enter_waiting(&self, me: usize) {
        match &self.callers {
            CallerLock::None => self.own.enter(),
            other => other.enter(),
        }
        self.own_by(me);
    }

    /// Takes the lock, or takes it once more, if that needs no waiting. False as well where the
    /// caller's lock cannot tell.
    pub fn try_enter(&self) -> bool {
        let me = host::thread_id();
        if self.own.enter_by_bias(me) || self.enter_again(me) {
            return true;
        }
        let taken = self.callers.is_none() && self.own.try_enter();
        if taken {
            self.own_by(me);
        }
        taken
    }

    #[inline]
    fn enter_again(&self, me: usize) -> bool {
        // Relaxed: as in `is_owned`.
        let again = self.owner.load(Ordering::Relaxed) == me;
        if again {
            self.depth.set(self.depth.get() + 1);
        }
        again
    }

    #[inline]
    fn own_by(&self, me: usize) {
        self.owner.store(me, Ordering::Relaxed);
        self.depth.set(1);
    }

    /// Gives the lock back once. False, and no change, when the calling thread does not hold it.
    #[inline]
    pub fn leave(&self) -> bool {
        if !self.is_owned() {
            return false;
        }
        self.leave_held();
        true
    }

    /// Gives the lock back once. The calling thread holds it.
    #[inline]
    pub fn leave_held(&self) {
        // Relaxed: the thread that holds the lock by bias made it 0 itself, before it had the bias.
        let owner = self.owner.load(Ordering::Relaxed);
        if owner == 0 {
            if !self.own.go_outside() {
                self.own.wake_if_outside();
            }
            return;
        }
        let depth = self.depth.get() - 1;
        self.depth.set(depth);
        if depth == 0 {
            self.owner.store(0, Ordering::Relaxed);
            if self.callers.is_none() {
                self.own.leave(owner);
            } else {
                self.callers.leave();
            }
        }
    }
}

impl CallerLock {
    /// Takes the caller's lock, if one was given.
    #[cold]
    #[inline(never)]
    fn enter(&self) {
        match self {
            CallerLock::None => {}
            // SAFETY: the resource outlives the heap, by the contract of heap creation.
            CallerLock::Resource(resource) => unsafe { resource.as_ref() }.enter(),
            // SAFETY: the functions and their context outlive the heap, by the same contract.
            CallerLock::Table(table) => unsafe { (table.enter)(table.context) },
        }
    }

    /// Gives it back.
    #[cold]
    #[inline(never)]
    fn leave(&self) {
        match self {
            CallerLock::None => {}
            // The heap entered it, so it can be left.
            // SAFETY: as in `enter`.
            CallerLock::Resource(resource) => drop(unsafe { resource.as_ref() }.leave()),
            // SAFETY: as in `enter`.
            CallerLock::Table(table) => unsafe { (table.leave)(table.context) },
        }
    }
}

/// Marks an initialised [`Resource`].
const RESOURCE_MAGIC: usize = 0x4552_4553;

/// An opaque `ERESOURCE`: as large as NT's (104 bytes on 64-bit, 56 on 32-bit), a recursive lock
/// inside. Zeroed or deleted memory is not a resource.
#[repr(C)]
pub struct Resource {
    magic: AtomicUsize,
    owner: AtomicUsize,
    depth: Cell<u32>,
    raw: RawLock,
    _reserved: [u32; if size_of::<usize>() == 8 { 20 } else { 10 }],
}

const _: () = assert!(size_of::<Resource>() == if size_of::<usize>() == 8 { 104 } else { 56 });

// SAFETY: `depth` is touched only by the owner; the rest is atomic.
unsafe impl Sync for Resource {}

impl Resource {
    /// `ExInitializeResourceLite`: an initialised, free resource.
    pub const fn initialized() -> Resource {
        Resource {
            magic: AtomicUsize::new(RESOURCE_MAGIC),
            owner: AtomicUsize::new(0),
            depth: Cell::new(0),
            raw: RawLock::new(),
            _reserved: [0; if size_of::<usize>() == 8 { 20 } else { 10 }],
        }
    }

    /// It was initialised and not yet deleted.
    pub fn is_initialized(&self) -> bool {
        self.magic.load(Ordering::Relaxed) == RESOURCE_MAGIC
    }

    /// Somebody holds it.
    pub fn is_held(&self) -> bool {
        self.owner.load(Ordering::Relaxed) != 0
    }

    /// `ExDeleteResourceLite`: the memory is the caller's again. False when it was not initialised
    /// or is held.
    pub fn delete(&self) -> bool {
        if !self.is_initialized() || self.is_held() {
            return false;
        }
        self.magic.store(0, Ordering::Relaxed);
        true
    }

    /// `ExAcquireResourceExclusiveLite` with waiting.
    pub fn enter(&self) {
        let me = host::thread_id();
        if self.owner.load(Ordering::Relaxed) == me {
            self.depth.set(self.depth.get() + 1);
            return;
        }
        self.raw.enter();
        self.owner.store(me, Ordering::Relaxed);
        self.depth.set(1);
    }

    /// `ExReleaseResourceLite`. False when the calling thread does not hold it.
    pub fn leave(&self) -> bool {
        if self.owner.load(Ordering::Relaxed) != host::thread_id() {
            return false;
        }
        let depth = self.depth.get() - 1;
        self.depth.set(depth);
        if depth == 0 {
            self.owner.store(0, Ordering::Relaxed);
            self.raw.leave();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::sync::atomic::AtomicU64;
    use std::thread;

    use super::*;

    /// A new lock, and one that this thread has taken often, whose bias it has by now.
    fn new_and_used() -> [HeapLock; 2] {
        let locks = [(); 2].map(|()| HeapLock::new(CallerLock::None));
        for _ in 0..100 {
            locks[1].enter();
            assert!(locks[1].leave());
        }
        locks
    }

    #[test]
    fn the_owner_may_enter_again_and_must_leave_as_often() {
        for lock in new_and_used() {
            lock.enter();
            lock.enter();
            assert!(lock.try_enter() && lock.leave());
            assert!(lock.leave());
            assert!(lock.is_owned());
            assert!(lock.leave());
            assert!(!lock.leave(), "a lock nobody holds cannot be left");
        }
    }

    #[test]
    fn another_thread_cannot_leave_for_the_owner() {
        for lock in new_and_used() {
            lock.enter();
            let left = || lock.leave() || lock.try_enter();
            thread::scope(|scope| assert!(!scope.spawn(left).join().unwrap()));
            assert!(lock.is_owned());
            assert!(lock.leave());
        }
    }

    #[test]
    fn what_one_thread_used_another_may_take() {
        for lock in new_and_used() {
            let take = || lock.try_enter() && lock.leave() && !lock.is_owned();
            thread::scope(|scope| assert!(scope.spawn(take).join().unwrap()));
            lock.enter();
            assert!(lock.leave() && !lock.leave());
        }
    }

    #[test]
    fn five_threads_count_without_losing_a_step() {
        let resource = Resource::initialized();
        let callers = HeapLock::new(CallerLock::Resource(NonNull::from(&resource)));
        for lock in new_and_used().into_iter().chain([callers]) {
            let count = AtomicU64::new(0);
            let work = || {
                for _ in 0..10_000 {
                    lock.enter();
                    let seen = count.load(Ordering::Relaxed);
                    count.store(seen + 1, Ordering::Relaxed);
                    lock.leave();
                }
            };
            thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(work);
                }
                work();
            });
            assert_eq!(count.into_inner(), 50_000);
        }
        assert!(resource.delete());
        assert!(!resource.delete());
    }
}
