//! The contract for virtual memory: the trait [`Vm`] and its words.
//!
//! A page is in one of three states, and only a call of this trait moves it:
//!
//! ```text
//!            reserve                 commit
//!   Free  ------------->  Reserved  ------------->  Committed --+
//!         <-------------            <-------------      ^       | protect
//!            release                 decommit           +-------+
//! ```
//!
//! and `release` takes pages back from either state. A page committed for the first time since it
//! was reserved or decommitted reads as zero.
//!
//! Conditions valid for every call: sizes are positive and multiples of [`PAGE_SIZE`], addresses
//! are multiples of [`PAGE_SIZE`] (bases of reservations, of [`ALLOCATION_GRANULARITY`]), and a
//! call on an existing reservation stays inside it. A call that fails has changed no state and no
//! content. Source: the NT calls `NtAllocateVirtualMemory`, `NtFreeVirtualMemory` and
//! `NtProtectVirtualMemory` as documented, less the rounding, which is the caller's here.
//!
//! [`PAGE_SIZE`]: crate::PAGE_SIZE
//! [`ALLOCATION_GRANULARITY`]: crate::ALLOCATION_GRANULARITY

use core::fmt;
use core::ptr::NonNull;

/// What may be done to committed pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// Any access faults.
    NoAccess,
    /// Loads only.
    ReadOnly,
    /// Loads and stores.
    ReadWrite,
    /// Loads, stores and execution.
    ReadWriteExecute,
}

impl Protection {
    /// Whether stores are allowed.
    #[must_use]
    pub const fn is_writable(self) -> bool {
        matches!(self, Self::ReadWrite | Self::ReadWriteExecute)
    }
}

/// Where a reservation has to lie: at or above `low`, wholly below `high`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The lowest address allowed.
    pub low: usize,
    /// The address after the highest allowed.
    pub high: usize,
    /// Take the highest room there is instead of the lowest.
    pub top_down: bool,
}

/// Why a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VmError {
    /// No memory, no address space, or no room in the window. It may be there at another time.
    OutOfMemory,
    /// A size or an address breaks the contract.
    InvalidArgument,
    /// The range is not part of a reservation made here.
    NotOurs,
    /// The system can not, or does not allow it.
    Unsupported,
}

impl fmt::Display for VmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OutOfMemory => "out of memory or address space",
            Self::InvalidArgument => "invalid size or address",
            Self::NotOurs => "the range is not part of a reservation",
            Self::Unsupported => "not supported by the system",
        })
    }
}

impl core::error::Error for VmError {}

/// The state of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageState {
    /// Part of no reservation.
    Free,
    /// Address space is set aside, memory is not; any access faults.
    Reserved,
    /// Memory, accessible as its protection says.
    Committed,
}

/// A run of pages in one state with one protection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RangeInfo {
    /// The address of the first byte.
    pub base: usize,
    /// The number of bytes.
    pub size: usize,
    /// The state of all pages of the run.
    pub state: PageState,
    /// What may be done to them; [`Protection::NoAccess`] unless committed.
    pub protection: Protection,
}

/// How large a reservation is, and how much of it is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Its size in bytes.
    pub size: usize,
    /// Bytes from its start on that are committed.
    pub committed: usize,
}

/// A source of virtual memory.
///
/// The conditions of the [module](self) hold for every call.
///
/// # Safety
///
/// An implementation promises:
///
/// 1. memory it hands out is valid for the accesses its protection allows, belongs to nobody else,
///    and stays so until the caller gives it back;
/// 2. pages committed for the first time since they were reserved or decommitted read as zero;
/// 3. no call unwinds into the caller or allocates from a heap built on this source.
pub unsafe trait Vm: Sync {
    /// Sets aside `size` bytes of address space at a multiple of
    /// [`ALLOCATION_GRANULARITY`](crate::ALLOCATION_GRANULARITY), inside `window` if there is one.
    /// The pages are reserved, none is committed.
    ///
    /// # Errors
    ///
    /// [`VmError::OutOfMemory`] if there is no such room, [`VmError::InvalidArgument`] for a size
    /// that is zero or no multiple of the page.
    fn reserve(&self, size: usize, window: Option<Window>) -> Result<NonNull<u8>, VmError>;

    /// Reserves `size` bytes as [`reserve`](Self::reserve) does and commits the first `commit` of
    /// them, in as few system calls as the system allows. `commit` may be zero.
    ///
    /// # Errors
    ///
    /// Those of [`reserve`](Self::reserve) and [`commit`](Self::commit); then nothing is reserved.
    fn reserve_and_commit(
        &self,
        size: usize,
        commit: usize,
        protection: Protection,
        window: Option<Window>,
    ) -> Result<NonNull<u8>, VmError> {
        reserve_then_commit(self, size, commit, protection, window)
    }

    /// Makes `size` bytes from `at` usable with `protection`. Pages already committed keep their
    /// contents and get `protection`; the others read as zero.
    ///
    /// Where the host's page is larger than NT's, the host pages that the range shares with its
    /// neighbours become usable as a whole.
    ///
    /// # Errors
    ///
    /// [`VmError::OutOfMemory`] if the memory, or the system's book-keeping for it, can not be had;
    /// [`VmError::Unsupported`] for a protection that the system refuses.
    ///
    /// # Safety
    ///
    /// 1. The range lies in one live reservation of this source.
    /// 2. No code relies on the pages' being less accessible than `protection` allows.
    unsafe fn commit(
        &self,
        at: NonNull<u8>,
        size: usize,
        protection: Protection,
    ) -> Result<(), VmError>;

    /// Gives the memory of `size` bytes from `at` back and keeps the address space.
    ///
    /// Where the host's page is larger than NT's, only whole host pages are given back; the edges
    /// are filled with zeroes and stay accessible.
    ///
    /// # Errors
    ///
    /// [`VmError::OutOfMemory`] if the system's book-keeping has no room; the pages are still
    /// committed and hold what they held.
    ///
    /// # Safety
    ///
    /// 1. The range lies in one live reservation of this source and all its pages are committed
    ///    and writable.
    /// 2. Nothing in the range is in use.
    unsafe fn decommit(&self, at: NonNull<u8>, size: usize) -> Result<(), VmError>;

    /// Gives a whole reservation back, committed or not.
    ///
    /// # Errors
    ///
    /// [`VmError::OutOfMemory`] if the system's book-keeping has no room (a reservation in the
    /// middle of a larger mapping splits it); the reservation still exists.
    ///
    /// # Safety
    ///
    /// 1. `base` and `size` are those of one live reservation of this source.
    /// 2. Nothing in the range is in use.
    unsafe fn release(&self, base: NonNull<u8>, size: usize) -> Result<(), VmError>;

    /// [`release`](Self::release) of a reservation of which only the first `committed` bytes, which
    /// may be none, are committed. A source that keeps reservations for its next caller has less to
    /// do when it knows.
    ///
    /// # Errors
    ///
    /// Those of [`release`](Self::release), and [`VmError::InvalidArgument`] for more bytes than
    /// there are.
    ///
    /// # Safety
    ///
    /// 1. As for [`release`](Self::release).
    /// 2. Nothing in the range is in use.
    /// 3. No page behind the first `committed` bytes is committed.
    unsafe fn release_head(
        &self,
        base: NonNull<u8>,
        size: usize,
        committed: usize,
    ) -> Result<(), VmError> {
        if committed > size {
            return Err(VmError::InvalidArgument);
        }
        // SAFETY: the caller's promises 1 and 2.
        unsafe { self.release(base, size) }
    }

    /// Replaces the reservation at `base`, as large as `old` says, by one elsewhere, as large as `new`
    /// says and inside `window` if there is one, whose pages hold what they held: they move, and no
    /// byte is copied. What is committed besides reads as zero. Returns where the new one is.
    ///
    /// # Errors
    ///
    /// [`VmError::Unsupported`] if the system can not, which is what a source says that knows no
    /// better: its caller copies. Those of [`reserve_and_commit`](Self::reserve_and_commit).
    ///
    /// # Safety
    ///
    /// 1. `base` and the size are those of one live reservation of this source, of which just the
    ///    first `old.committed` bytes, one at least, are committed, all with `protection`, which
    ///    allows stores.
    /// 2. Nobody uses the range meanwhile, nor the old addresses afterwards.
    /// 3. Neither number of `new` is less than that of `old`.
    unsafe fn relocate(
        &self,
        base: NonNull<u8>,
        old: Extent,
        new: Extent,
        protection: Protection,
        window: Option<Window>,
    ) -> Result<NonNull<u8>, VmError> {
        let _ = (base, old, new, protection, window);
        Err(VmError::Unsupported)
    }

    /// Makes `size` bytes from `at`, which are committed, read as zero, in the way that is quickest:
    /// pages without memory get none, where the system can tell.
    ///
    /// # Safety
    ///
    /// 1. The range lies in one live reservation of this source and all its pages are committed
    ///    and writable.
    /// 2. Nothing in the range is in use.
    unsafe fn clear(&self, at: NonNull<u8>, size: usize) {
        // SAFETY: the caller's promises 1 and 2.
        unsafe { at.write_bytes(0, size) };
    }

    /// Gives the memory of `size` bytes from `at` back although they stay committed: they hold nothing
    /// that is wanted, and read as zero or as before until they are written again. False, and nothing
    /// done, where that is not to be had, which is what a source says that knows no better.
    ///
    /// Where the host's page is larger than NT's, the edges keep what they hold.
    ///
    /// # Safety
    ///
    /// 1. The range lies in one live reservation of this source and all its pages are committed
    ///    and writable.
    /// 2. Nothing in the range is in use.
    unsafe fn empty(&self, at: NonNull<u8>, size: usize) -> bool {
        let _ = (at, size);
        false
    }

    /// Prepares a range whose protection is to be changed back and forth: where the system merges
    /// what is protected alike, and splits it again, it is told to leave this range alone.
    ///
    /// # Safety
    ///
    /// 1. The range lies in one live reservation of this source and all its pages are committed.
    unsafe fn set_apart(&self, at: NonNull<u8>, size: usize) {
        let _ = (at, size);
    }

    /// Says that what becomes committed of a range is going to be used densely: where the system offers pages
    /// larger than the host's, it may use them there, until the range is decommitted. Returns how many bytes
    /// such a page has, a power of two: a run of so many that is committed as a whole gets one at its first
    /// use. 0 where there are none, which is what a source says that knows no better.
    ///
    /// # Safety
    ///
    /// 1. The range lies in one live reservation of this source.
    unsafe fn expect_dense_use(&self, at: NonNull<u8>, size: usize) -> usize {
        let _ = (at, size);
        0
    }

    /// Changes what may be done to committed pages.
    ///
    /// Where the host's page is larger than NT's, a protection that allows stores rounds outward
    /// and one that does not rounds inward, so that a host page is as accessible as the most
    /// accessible of its parts.
    ///
    /// # Errors
    ///
    /// [`VmError::OutOfMemory`] if the system's book-keeping has no room, [`VmError::Unsupported`]
    /// for a protection that the system refuses.
    ///
    /// # Safety
    ///
    /// 1. The range lies in one live reservation of this source and all its pages are committed.
    /// 2. While `protection` lasts, nobody accesses the range in a way it forbids.
    unsafe fn protect(
        &self,
        at: NonNull<u8>,
        size: usize,
        protection: Protection,
    ) -> Result<(), VmError>;

    /// Says what the address `at`, any address, is part of: the longest run of pages around it
    /// that are in one state with one protection. Never touches the memory.
    ///
    /// A system that does not tell reserved pages from inaccessible ones calls both reserved, and
    /// a system that does not know who mapped a range reports other people's as well.
    ///
    /// # Errors
    ///
    /// [`VmError::Unsupported`] if the system does not say.
    fn query(&self, at: usize) -> Result<RangeInfo, VmError>;

    /// Whether a heap may keep some of the pages that it counts as decommitted, for a while, and take
    /// them back without a call. A source that watches its callers or counts what they use says no.
    fn lets_keep_pages(&self) -> bool {
        false
    }

    /// The size in bytes of the pages in which memory is really handed out: a power of two, at
    /// least [`PAGE_SIZE`](crate::PAGE_SIZE) and at most
    /// [`ALLOCATION_GRANULARITY`](crate::ALLOCATION_GRANULARITY).
    fn host_page_size(&self) -> usize {
        crate::PAGE_SIZE
    }
}

/// What [`Vm::reserve_and_commit`] does unless a source has a quicker way.
///
/// # Errors
///
/// Those of [`Vm::reserve_and_commit`].
pub(crate) fn reserve_then_commit<V: Vm + ?Sized>(
    vm: &V,
    size: usize,
    commit: usize,
    protection: Protection,
    window: Option<Window>,
) -> Result<NonNull<u8>, VmError> {
    if commit > size {
        return Err(VmError::InvalidArgument);
    }
    let base = vm.reserve(size, window)?;
    if commit != 0 {
        // SAFETY: the pages were reserved just above, and nobody else knows of them.
        if let Err(error) = unsafe { vm.commit(base, commit, protection) } {
            // SAFETY: the whole reservation, of which nothing is in use. Should it fail, address
            // space is lost; the error worth reporting is the first one.
            let _ = unsafe { vm.release(base, size) };
            return Err(error);
        }
    }
    Ok(base)
}
