//! A virtual memory that exists only in an array.
//!
//! [`SimVm`] hands out parts of an arena. It needs no system, so it works in `no_std` and under
//! Miri; its host page can be 4, 16 or 64 KiB whatever the machine's is; it fails on demand; and it
//! watches its caller: a call that breaks the contract of [`crate::vm`], and a store to memory that
//! was not committed, is a panic that says what was broken. Memory that is not backed is filled
//! with [`POISON`], and stores to it are found when the page is committed or released.
//!
//! ```
//! use rtl_platform::sim::{Arena, Call, HostPage, Repeat, SimVm};
//! use rtl_platform::vm::{Protection, Vm, VmError};
//!
//! static ARENA: Arena<0x40_0000> = Arena::new();
//! static VM: SimVm = SimVm::new(&ARENA, HostPage::Kib16);
//!
//! let base = VM.reserve_and_commit(0x1_0000, 0x1000, Protection::ReadWrite, None)?;
//! VM.fail(Call::Commit, 1, Repeat::Once);
//! # // SAFETY: in the reservation.
//! let refused = unsafe { VM.commit(base, 0x2000, Protection::ReadWrite) };
//! assert_eq!(refused, Err(VmError::OutOfMemory));
//! assert_eq!((VM.reservations(), VM.committed()), (1, 0x1000));
//! # Ok::<(), VmError>(())
//! ```

mod arena;
mod faults;
mod ledger;
mod lock;

#[cfg(test)]
mod tests;

use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, Ordering};

pub use arena::Arena;
pub use faults::{Call, Repeat};
pub use ledger::POISON;

use crate::pages::{PAGE_SIZE, Span};
use crate::vm::{Extent, PageState, Protection, RangeInfo, Vm, VmError, Window};
use faults::Faults;
use ledger::{Ledger, Page};
use lock::Lock;

/// Bytes of the large pages it claims to have where heaps may keep pages.
const LARGE_PAGE: usize = 2 << 20;

/// The page size of a simulated host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostPage {
    /// 4 KiB, as on x86 and most ARM64 Linux.
    Kib4,
    /// 16 KiB, as on Apple's ARM64.
    Kib16,
    /// 64 KiB, as on some ARM64 and POWER Linux.
    Kib64,
}

impl HostPage {
    /// The size in bytes.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::Kib4 => 0x1000,
            Self::Kib16 => 0x4000,
            Self::Kib64 => 0x1_0000,
        }
    }
}

/// A simulated virtual memory; see the [module](self).
#[derive(Debug)]
pub struct SimVm {
    ledger: Lock<Ledger>,
    faults: Faults,
    host_page: HostPage,
    lets_keep_pages: AtomicBool,
}

impl SimVm {
    /// A virtual memory over a static arena. Make only one over each.
    #[must_use]
    pub const fn new<const SIZE: usize>(arena: &'static Arena<SIZE>, host_page: HostPage) -> Self {
        // SAFETY: 1: the arena is static and its bytes are private to this crate; 2: one virtual
        // memory for each arena is what this function's description asks for, and breaking it is
        // found by the ledger, in bytes nobody else can have references to.
        unsafe { Self::over(arena.base(), SIZE, host_page) }
    }

    /// A virtual memory over `size` bytes at `base`. What precedes a multiple of 64 KiB is not
    /// used, and of the rest one byte for each page keeps the account.
    ///
    /// # Safety
    ///
    /// 1. The memory is valid for reads and writes as long as the result is used.
    /// 2. Nobody else uses it meanwhile.
    #[must_use]
    pub const unsafe fn over(base: NonNull<u8>, size: usize, host_page: HostPage) -> Self {
        Self {
            ledger: Lock::new(Ledger::over(base, size)),
            faults: Faults::new(),
            host_page,
            lets_keep_pages: AtomicBool::new(false),
        }
    }

    /// Makes the `nth` call of kind `call` from now on fail (1: the next one), once or for ever.
    /// Replaces what was asked for this kind before.
    pub fn fail(&self, call: Call, nth: usize, repeat: Repeat) {
        self.faults.set(Some(call), nth, repeat);
    }

    /// Makes the `nth` call of any kind from now on fail (1: the next one), once or for ever.
    /// Replaces what was asked here before.
    pub fn fail_any(&self, nth: usize, repeat: Repeat) {
        self.faults.set(None, nth, repeat);
    }

    /// Takes back every failure asked for.
    pub fn clear_failures(&self) {
        self.faults.clear();
    }

    /// Lets heaps keep pages that they count as decommitted; they may not at first, so that every
    /// store to such a page is found.
    pub fn let_keep_pages(&self, may: bool) {
        self.lets_keep_pages.store(may, Ordering::Relaxed);
    }

    /// How many calls of a kind there have been, failed ones included.
    #[must_use]
    pub fn calls(&self, call: Call) -> usize {
        self.faults.calls(call)
    }

    /// The addresses that can be handed out.
    #[must_use]
    pub fn span(&self) -> Span {
        self.ledger.with(|ledger| ledger.span())
    }

    /// Bytes in reservations, committed or not.
    #[must_use]
    pub fn reserved(&self) -> usize {
        self.count(|page| page.state() != PageState::Free)
    }

    /// Bytes committed, in NT's pages.
    #[must_use]
    pub fn committed(&self) -> usize {
        self.count(|page| page.state() == PageState::Committed)
    }

    /// Bytes that are [expected to be used densely](Vm::expect_dense_use): said of them since they were
    /// reserved and since they were last decommitted.
    #[must_use]
    pub fn expected_dense(&self) -> usize {
        self.count(Page::is_dense)
    }

    /// The number of live reservations.
    #[must_use]
    pub fn reservations(&self) -> usize {
        self.ledger
            .with(|ledger| ledger.pages().filter(|page| page.is_first()).count())
    }

    /// Looks for stores to memory that is reserved but not committed.
    ///
    /// # Panics
    ///
    /// If there was one.
    pub fn check(&self) {
        self.ledger.with(|ledger| ledger.check());
    }

    fn count(&self, counts: impl Fn(Page) -> bool) -> usize {
        self.ledger
            .with(|ledger| ledger.pages().filter(|page| counts(*page)).count() * PAGE_SIZE)
    }
}

/// A size or an address that breaks the contract is the caller's bug, not a failure to report.
#[track_caller]
fn check_range(what: &str, at: usize, size: usize) -> Span {
    assert!(size != 0, "{what}: size is zero");
    assert!(
        size.is_multiple_of(PAGE_SIZE),
        "{what}: size {size:#x} is no multiple of the page"
    );
    assert!(
        at.is_multiple_of(PAGE_SIZE),
        "{what}: address {at:#x} is no multiple of the page"
    );
    assert!(
        at.checked_add(size).is_some(),
        "{what}: {at:#x} + {size:#x} wraps"
    );
    Span::new(at, size)
}

// SAFETY: 1: the ledger hands out every byte of the arena to at most one reservation, and the arena
// to nobody else. 2: `Ledger::commit` fills what it backs with zeroes and insists that what
// `decommit` zeroed still is. 3: nothing allocates, and the panics are for callers who broke the
// conditions.
unsafe impl Vm for SimVm {
    fn reserve(&self, size: usize, window: Option<Window>) -> Result<NonNull<u8>, VmError> {
        self.faults.count(Call::Reserve)?;
        if size == 0 || !size.is_multiple_of(PAGE_SIZE) {
            return Err(VmError::InvalidArgument);
        }
        self.ledger
            .with(|ledger| ledger.reserve(size, window))
            .ok_or(VmError::OutOfMemory)
    }

    unsafe fn commit(
        &self,
        at: NonNull<u8>,
        size: usize,
        protection: Protection,
    ) -> Result<(), VmError> {
        let range = check_range("commit", at.as_ptr().addr(), size);
        self.faults.count(Call::Commit)?;
        self.ledger
            .with(|ledger| ledger.commit(range, protection, self.host_page.bytes()));
        Ok(())
    }

    unsafe fn decommit(&self, at: NonNull<u8>, size: usize) -> Result<(), VmError> {
        let range = check_range("decommit", at.as_ptr().addr(), size);
        self.faults.count(Call::Decommit)?;
        self.ledger
            .with(|ledger| ledger.decommit(range, self.host_page.bytes()));
        Ok(())
    }

    unsafe fn release(&self, base: NonNull<u8>, size: usize) -> Result<(), VmError> {
        let range = check_range("release", base.as_ptr().addr(), size);
        self.faults.count(Call::Release)?;
        self.ledger.with(|ledger| ledger.release(range));
        Ok(())
    }

    unsafe fn release_head(
        &self,
        base: NonNull<u8>,
        size: usize,
        committed: usize,
    ) -> Result<(), VmError> {
        let range = check_range("release_head", base.as_ptr().addr(), size);
        self.ledger
            .with(|ledger| ledger.check_head(range, committed));
        // SAFETY: the caller's promises 1 and 2.
        unsafe { self.release(base, size) }
    }

    unsafe fn relocate(
        &self,
        base: NonNull<u8>,
        old: Extent,
        new: Extent,
        protection: Protection,
        window: Option<Window>,
    ) -> Result<NonNull<u8>, VmError> {
        let range = check_range("relocate", base.as_ptr().addr(), old.size);
        check_range("relocate", base.as_ptr().addr(), old.committed);
        assert!(
            old.size <= new.size && old.committed <= new.committed && new.committed <= new.size,
            "relocate: {old:?} does not fit into {new:?}"
        );
        self.faults.count(Call::Relocate)?;
        let host_page = self.host_page.bytes();
        self.ledger
            .with(|ledger| ledger.relocate((range, old), new, protection, (window, host_page)))
            .ok_or(VmError::OutOfMemory)
    }

    unsafe fn protect(
        &self,
        at: NonNull<u8>,
        size: usize,
        protection: Protection,
    ) -> Result<(), VmError> {
        let range = check_range("protect", at.as_ptr().addr(), size);
        self.faults.count(Call::Protect)?;
        self.ledger.with(|ledger| ledger.protect(range, protection));
        Ok(())
    }

    unsafe fn expect_dense_use(&self, at: NonNull<u8>, size: usize) -> usize {
        let range = check_range("expect_dense_use", at.as_ptr().addr(), size);
        if !self.lets_keep_pages() {
            return 0;
        }
        self.ledger.with(|ledger| ledger.expect_dense_use(range));
        LARGE_PAGE
    }

    fn query(&self, at: usize) -> Result<RangeInfo, VmError> {
        self.faults.count(Call::Query)?;
        Ok(self.ledger.with(|ledger| ledger.query(at)))
    }

    fn lets_keep_pages(&self) -> bool {
        self.lets_keep_pages.load(Ordering::Relaxed)
    }

    fn host_page_size(&self) -> usize {
        self.host_page.bytes()
    }
}
