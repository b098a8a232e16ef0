//! The virtual memory of the operating system.

mod window;

#[cfg(test)]
mod tests;

use core::ptr::NonNull;

use crate::pages::{PAGE_SIZE, Span};
use crate::sys::memory;
use crate::vm::{Extent, Protection, RangeInfo, Vm, VmError, Window, reserve_then_commit};

/// The operating system as a [`Vm`].
#[derive(Clone, Copy, Debug)]
pub struct Os;

/// The one value of [`Os`] that everybody shares.
pub static OS_VM: Os = Os;

/// The size of the machine's pages in bytes: 4096, 16384 or 65536 on the systems we know. Heaps
/// count in [`PAGE_SIZE`] nevertheless.
#[must_use]
pub fn host_page_size() -> usize {
    memory::host_page_size()
}

// SAFETY: 1. the system hands out fresh mappings and `Span` keeps every call inside the caller's
// range rounded to host pages, of which none is shared between two reservations because they are
// aligned to 64 KiB, which is the largest host page. 2. `commit` only makes pages accessible that
// are fresh, or that `decommit` replaced by fresh ones or filled with zeroes. 3. nothing here
// panics or allocates.
unsafe impl Vm for Os {
    fn reserve(&self, size: usize, window: Option<Window>) -> Result<NonNull<u8>, VmError> {
        check_size(size)?;
        match window {
            None => memory::reserve(size, None),
            Some(window) => window::reserve(size, window),
        }
    }

    fn reserve_and_commit(
        &self,
        size: usize,
        commit: usize,
        protection: Protection,
        window: Option<Window>,
    ) -> Result<NonNull<u8>, VmError> {
        if window.is_none() && commit == size {
            check_size(size)?;
            return memory::reserve(size, Some(protection));
        }
        if window.is_none()
            && commit < size
            && let Some(base) = memory::reserve_ready(size, commit, protection)
        {
            return Ok(base);
        }
        reserve_then_commit(self, size, commit, protection, window)
    }

    unsafe fn commit(
        &self,
        at: NonNull<u8>,
        size: usize,
        protection: Protection,
    ) -> Result<(), VmError> {
        let whole = check_range(at, size)?.outward(host_page_size());
        // SAFETY: the caller's promises 1 and 2; rounding outward stays inside the reservation's
        // own host pages.
        unsafe { memory::commit(at.with_addr_of(whole.start), whole.size(), protection) }
    }

    unsafe fn decommit(&self, at: NonNull<u8>, size: usize) -> Result<(), VmError> {
        let (head, whole, tail) = check_range(at, size)?.inward(host_page_size());
        if !whole.is_empty() {
            // SAFETY: the caller's promises 1 and 2; the range is a part of the caller's.
            unsafe { memory::decommit(at.with_addr_of(whole.start), whole.size()) }?;
        }
        for edge in [head, tail] {
            // SAFETY: promise 1: committed and writable; promise 2: nobody uses it.
            unsafe { at.with_addr_of(edge.start).write_bytes(0, edge.size()) };
        }
        Ok(())
    }

    unsafe fn release(&self, base: NonNull<u8>, size: usize) -> Result<(), VmError> {
        let whole = check_range(base, size)?.outward(host_page_size());
        // SAFETY: the caller's promises 1 and 2.
        unsafe { memory::release(base, whole.size()) }
    }

    unsafe fn release_head(
        &self,
        base: NonNull<u8>,
        size: usize,
        committed: usize,
    ) -> Result<(), VmError> {
        let whole = check_range(base, size)?.outward(host_page_size());
        if committed > size {
            return Err(VmError::InvalidArgument);
        }
        // SAFETY: the caller's promises 1 to 3.
        unsafe { memory::release_head(base, whole.size(), committed) }
    }

    unsafe fn relocate(
        &self,
        base: NonNull<u8>,
        old: Extent,
        new: Extent,
        _protection: Protection,
        window: Option<Window>,
    ) -> Result<NonNull<u8>, VmError> {
        let Some(mover) = memory::mover() else {
            return Err(VmError::Unsupported);
        };
        let start = base.as_ptr().addr();
        if start.checked_add(new.size).is_none() {
            // Larger than what could follow it, in 32 bits: there is no room for it anywhere.
            return Err(VmError::OutOfMemory);
        }
        let outward = |size| Span::new(start, size).outward(host_page_size()).size();
        check_range(base, old.size)?;
        let to = self.reserve(new.size, window)?;
        let [old, new] = [old, new].map(|extent| Extent {
            size: outward(extent.size),
            committed: outward(extent.committed),
        });
        // SAFETY: the caller's promises 1 to 3; the new reservation is as large as asked for.
        unsafe { mover(base, old, to, new) }?;
        Ok(to)
    }

    unsafe fn clear(&self, at: NonNull<u8>, size: usize) {
        // SAFETY: the caller's promises 1 and 2.
        unsafe { memory::clear(at, size) };
    }

    unsafe fn empty(&self, at: NonNull<u8>, size: usize) -> bool {
        let whole = Span::new(at.as_ptr().addr(), size)
            .inward(host_page_size())
            .1;
        // SAFETY: the caller's promises 1 and 2; the range is a part of the caller's.
        whole.is_empty() || unsafe { memory::empty(at.with_addr_of(whole.start), whole.size()) }
    }

    unsafe fn set_apart(&self, at: NonNull<u8>, size: usize) {
        // SAFETY: the caller's promise.
        unsafe { memory::set_apart(at, size) };
    }

    unsafe fn expect_dense_use(&self, at: NonNull<u8>, size: usize) -> usize {
        let whole = Span::new(at.as_ptr().addr(), size)
            .inward(host_page_size())
            .1;
        if whole.is_empty() {
            return 0;
        }
        // SAFETY: the caller's promise; the range is a part of the caller's.
        unsafe { memory::expect_dense_use(at.with_addr_of(whole.start), whole.size()) }
    }

    unsafe fn protect(
        &self,
        at: NonNull<u8>,
        size: usize,
        protection: Protection,
    ) -> Result<(), VmError> {
        let range = check_range(at, size)?;
        let whole = if protection.is_writable() {
            range.outward(host_page_size())
        } else {
            range.inward(host_page_size()).1
        };
        if whole.is_empty() {
            return Ok(());
        }
        // SAFETY: the caller's promises 1 and 2; rounded, the range loses no access that a
        // neighbour has.
        unsafe { memory::protect(at.with_addr_of(whole.start), whole.size(), protection) }
    }

    fn query(&self, at: usize) -> Result<RangeInfo, VmError> {
        memory::query(at)
    }

    fn lets_keep_pages(&self) -> bool {
        true
    }

    fn host_page_size(&self) -> usize {
        host_page_size()
    }
}

fn check_size(size: usize) -> Result<(), VmError> {
    if size == 0 || !size.is_multiple_of(PAGE_SIZE) || size > isize::MAX as usize {
        return Err(VmError::InvalidArgument);
    }
    Ok(())
}

fn check_range(at: NonNull<u8>, size: usize) -> Result<Span, VmError> {
    check_size(size)?;
    let start = at.as_ptr().addr();
    if !start.is_multiple_of(PAGE_SIZE) || start.checked_add(size).is_none() {
        return Err(VmError::InvalidArgument);
    }
    Ok(Span::new(start, size))
}

/// A pointer of the same provenance with another address, which comes out of [`Span`] and so is
/// never zero: it lies in a reservation.
trait WithAddressOf {
    fn with_addr_of(self, address: usize) -> Self;
}

impl WithAddressOf for NonNull<u8> {
    fn with_addr_of(self, address: usize) -> Self {
        self.map_addr(|own| core::num::NonZeroUsize::new(address).unwrap_or(own))
    }
}
