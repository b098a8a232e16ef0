//! The heap's lock: recursive, owner-aware, parking when contended; or the caller's in its place.
//!
//! Owner and depth are kept here whatever lock lies below, so that recursion costs no call and an
//! unlock by a thread that does not own the lock is refused (catalogue G1, G2).

use core::cell::Cell;
use core::ffi::c_void;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering};

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

enum Inner {
    Own(RawLock),
    Resource(NonNull<Resource>),
    Table(LockTable),
}

/// A recursive lock that knows its owner.
pub struct HeapLock {
    owner: AtomicUsize,
    depth: Cell<u32>,
    inner: Inner,
}

// SAFETY: `depth` is touched only by the thread that `owner` names; the rest is atomic, or the
// caller's lock, which is made to be shared.
unsafe impl Sync for HeapLock {}
// SAFETY: as above; nothing in it belongs to a thread while nobody holds it.
unsafe impl Send for HeapLock {}

impl HeapLock {
    /// A free lock over `caller`'s, or over one of its own.
    pub const fn new(caller: CallerLock) -> HeapLock {
        let inner = match caller {
            CallerLock::None => Inner::Own(RawLock::new()),
            CallerLock::Resource(resource) => Inner::Resource(resource),
            CallerLock::Table(table) => Inner::Table(table),
        };
        HeapLock {
            owner: AtomicUsize::new(0),
            depth: Cell::new(0),
            inner,
        }
    }

    /// The calling thread holds the lock.
    #[inline]
    pub fn is_owned(&self) -> bool {
        self.owner.load(Ordering::Relaxed) == host::thread_id()
    }

    /// Takes the lock, or takes it once more.
    #[inline]
    pub fn enter(&self) {
        let me = host::thread_id();
        // Relaxed: only this thread stores its own id here, so it sees it if it is there.
        if self.owner.load(Ordering::Relaxed) == me {
            self.depth.set(self.depth.get() + 1);
            return;
        }
        match &self.inner {
            Inner::Own(raw) => raw.enter(),
            other => other.enter_callers(),
        }
        self.owner.store(me, Ordering::Relaxed);
        self.depth.set(1);
    }

    /// Takes the lock, or takes it once more, if that needs no waiting. False as well where the
    /// caller's lock cannot tell.
    pub fn try_enter(&self) -> bool {
        let me = host::thread_id();
        if self.owner.load(Ordering::Relaxed) == me {
            self.depth.set(self.depth.get() + 1);
            return true;
        }
        match &self.inner {
            Inner::Own(raw) if raw.try_enter() => {
                self.owner.store(me, Ordering::Relaxed);
                self.depth.set(1);
                true
            }
            _ => false,
        }
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
        let depth = self.depth.get() - 1;
        self.depth.set(depth);
        if depth == 0 {
            self.owner.store(0, Ordering::Relaxed);
            match &self.inner {
                Inner::Own(raw) => raw.leave(),
                other => other.leave_callers(),
            }
        }
    }
}

impl Inner {
    #[cold]
    fn enter_callers(&self) {
        match self {
            Inner::Own(raw) => raw.enter(),
            // SAFETY: the resource outlives the heap, by the contract of heap creation.
            Inner::Resource(resource) => unsafe { resource.as_ref() }.enter(),
            // SAFETY: the functions and their context outlive the heap, by the same contract.
            Inner::Table(table) => unsafe { (table.enter)(table.context) },
        }
    }

    #[cold]
    fn leave_callers(&self) {
        match self {
            Inner::Own(raw) => raw.leave(),
            // The heap entered it, so it can be left.
            // SAFETY: as in `enter_callers`.
            Inner::Resource(resource) => drop(unsafe { resource.as_ref() }.leave()),
            // SAFETY: as in `enter_callers`.
            Inner::Table(table) => unsafe { (table.leave)(table.context) },
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

    #[test]
    fn the_owner_may_enter_again_and_must_leave_as_often() {
        let lock = HeapLock::new(CallerLock::None);
        lock.enter();
        lock.enter();
        assert!(lock.leave());
        assert!(lock.is_owned());
        assert!(lock.leave());
        assert!(!lock.leave(), "a lock nobody holds cannot be left");
    }

    #[test]
    fn another_thread_cannot_leave_for_the_owner() {
        let lock = HeapLock::new(CallerLock::None);
        lock.enter();
        thread::scope(|scope| assert!(!scope.spawn(|| lock.leave()).join().unwrap()));
        assert!(lock.is_owned());
        assert!(lock.leave());
    }

    #[test]
    fn four_threads_count_without_losing_a_step() {
        let resource = Resource::initialized();
        let locks = [
            HeapLock::new(CallerLock::None),
            HeapLock::new(CallerLock::Resource(NonNull::from(&resource))),
        ];
        for lock in &locks {
            let count = AtomicU64::new(0);
            thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        for _ in 0..10_000 {
                            lock.enter();
                            let seen = count.load(Ordering::Relaxed);
                            count.store(seen + 1, Ordering::Relaxed);
                            lock.leave();
                        }
                    });
                }
            });
            assert_eq!(count.into_inner(), 40_000);
        }
        assert!(resource.delete());
        assert!(!resource.delete());
    }
}
