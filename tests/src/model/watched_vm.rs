//! A virtual memory that passes calls on, counts what is reserved, and refuses on demand.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rtl_platform::os::OS_VM;
pub use rtl_platform::sim::{Call, Repeat};
use rtl_platform::vm::{Extent, Protection, RangeInfo, Vm, VmError, Window};

/// Which call is refused.
#[derive(Clone, Copy, Debug)]
struct Refusal {
    call: Call,
    /// Calls of the kind left, the first refused one included.
    left: usize,
    repeat: Repeat,
}

#[derive(Debug)]
struct Books {
    /// Base and size of each live reservation.
    live: BTreeMap<usize, usize>,
    refusal: Option<Refusal>,
    /// Reservations of this many bytes or more are refused.
    too_large: usize,
}

/// A virtual memory under watch; see the [module](self).
pub struct WatchedVm {
    inner: &'static dyn Vm,
    books: Mutex<Books>,
    refused: AtomicUsize,
    refused_releases: AtomicUsize,
    emptied: AtomicUsize,
}

impl WatchedVm {
    /// Over the system's.
    pub const fn new() -> Self {
        Self::over(&OS_VM)
    }

    /// Over another one.
    pub const fn over(inner: &'static dyn Vm) -> Self {
        Self {
            inner,
            books: Mutex::new(Books {
                live: BTreeMap::new(),
                refusal: None,
                too_large: usize::MAX,
            }),
            refused: AtomicUsize::new(0),
            refused_releases: AtomicUsize::new(0),
            emptied: AtomicUsize::new(0),
        }
    }

    /// Refuses the `nth` call of a kind from now on (1: the next one), once or for ever.
    pub fn refuse(&self, call: Call, nth: usize, repeat: Repeat) {
        let left = nth;
        self.books().refusal = Some(Refusal { call, left, repeat });
        self.refused.store(0, SeqCst);
    }

    /// Refuses to reserve `size` bytes or more.
    pub fn refuse_reservations_from(&self, size: usize) {
        self.books().too_large = size;
        self.refused.store(0, SeqCst);
    }

    /// Refuses nothing any more.
    pub fn relent(&self) {
        let mut books = self.books();
        books.refusal = None;
        books.too_large = usize::MAX;
    }

    /// Calls refused since the last time refusing was asked for.
    pub fn refused(&self) -> usize {
        self.refused.load(SeqCst)
    }

    /// Releases refused so far: each is a reservation that stays.
    pub fn refused_releases(&self) -> usize {
        self.refused_releases.load(SeqCst)
    }

    /// Bytes of pages emptied so far.
    pub fn emptied(&self) -> usize {
        self.emptied.load(SeqCst)
    }

    /// The sizes of the live reservations, in bytes, by address.
    pub fn reservations(&self) -> Vec<usize> {
        self.books().live.values().copied().collect()
    }

    /// Bytes in live reservations.
    pub fn reserved(&self) -> usize {
        self.books().live.values().sum()
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, call: Call) -> Result<(), VmError> {
        let mut books = self.books();
        let Some(refusal) = &mut books.refusal else {
            return Ok(());
        };
        if refusal.call != call {
            return Ok(());
        }
        refusal.left -= 1;
        if refusal.left != 0 {
            return Ok(());
        }
        match refusal.repeat {
            Repeat::Once => books.refusal = None,
            Repeat::Forever => refusal.left = 1,
        }
        self.refused.fetch_add(1, SeqCst);
        Err(VmError::OutOfMemory)
    }
}

impl Default for WatchedVm {
    fn default() -> Self {
        Self::new()
    }
}

// SAFETY: every call is the inner one's or fails; nothing unwinds or allocates from one of our
// heaps.
unsafe impl Vm for WatchedVm {
    fn reserve(&self, size: usize, window: Option<Window>) -> Result<NonNull<u8>, VmError> {
        self.ask(Call::Reserve)?;
        let mut books = self.books();
        if size >= books.too_large {
            self.refused.fetch_add(1, SeqCst);
            return Err(VmError::OutOfMemory);
        }
        let base = self.inner.reserve(size, window)?;
        books.live.insert(base.as_ptr() as usize, size);
        Ok(base)
    }

    unsafe fn commit(
        &self,
        at: NonNull<u8>,
        size: usize,
        protection: Protection,
    ) -> Result<(), VmError> {
        self.ask(Call::Commit)?;
        // SAFETY: the caller's promises.
        unsafe { self.inner.commit(at, size, protection) }
    }

    unsafe fn decommit(&self, at: NonNull<u8>, size: usize) -> Result<(), VmError> {
        self.ask(Call::Decommit)?;
        // SAFETY: the caller's promises.
        unsafe { self.inner.decommit(at, size) }
    }

    unsafe fn release(&self, base: NonNull<u8>, size: usize) -> Result<(), VmError> {
        if let Err(refusal) = self.ask(Call::Release) {
            self.refused_releases.fetch_add(1, SeqCst);
            return Err(refusal);
        }
        let mut books = self.books();
        // SAFETY: the caller's promises.
        unsafe { self.inner.release(base, size) }?;
        let known = books.live.remove(&(base.as_ptr() as usize));
        assert_eq!(known, Some(size), "released what was not reserved so");
        Ok(())
    }

    unsafe fn release_head(
        &self,
        base: NonNull<u8>,
        size: usize,
        committed: usize,
    ) -> Result<(), VmError> {
        if let Err(refusal) = self.ask(Call::Release) {
            self.refused_releases.fetch_add(1, SeqCst);
            return Err(refusal);
        }
        let mut books = self.books();
        // SAFETY: the caller's promises.
        unsafe { self.inner.release_head(base, size, committed) }?;
        let known = books.live.remove(&(base.as_ptr() as usize));
        assert_eq!(known, Some(size), "released what was not reserved so");
        Ok(())
    }

    unsafe fn relocate(
        &self,
        base: NonNull<u8>,
        old: Extent,
        new: Extent,
        protection: Protection,
        window: Option<Window>,
    ) -> Result<NonNull<u8>, VmError> {
        self.ask(Call::Relocate)?;
        let mut books = self.books();
        if new.size >= books.too_large {
            self.refused.fetch_add(1, SeqCst);
            return Err(VmError::OutOfMemory);
        }
        // SAFETY: the caller's promises.
        let to = unsafe { self.inner.relocate(base, old, new, protection, window) }?;
        let known = books.live.remove(&(base.as_ptr() as usize));
        assert_eq!(known, Some(old.size), "moved what was not reserved so");
        books.live.insert(to.as_ptr() as usize, new.size);
        Ok(to)
    }

    unsafe fn protect(
        &self,
        at: NonNull<u8>,
        size: usize,
        protection: Protection,
    ) -> Result<(), VmError> {
        self.ask(Call::Protect)?;
        // SAFETY: the caller's promises.
        unsafe { self.inner.protect(at, size, protection) }
    }

    /// Whoever relied on what they held, or on zeroes, shall notice.
    unsafe fn empty(&self, at: NonNull<u8>, size: usize) -> bool {
        // SAFETY: the caller's promises 1 and 2.
        unsafe { at.write_bytes(0xE7, size) };
        self.emptied.fetch_add(size, SeqCst);
        true
    }

    fn query(&self, at: usize) -> Result<RangeInfo, VmError> {
        self.inner.query(at)
    }

    fn lets_keep_pages(&self) -> bool {
        self.inner.lets_keep_pages()
    }

    fn host_page_size(&self) -> usize {
        self.inner.host_page_size()
    }
}
