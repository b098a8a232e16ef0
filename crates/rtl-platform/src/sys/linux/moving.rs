//! Moving the pages of a reservation to another address by `mremap`, which copies no byte.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::sys::Mover;
use crate::sys::posix::errno;
use crate::sys::posix::mapping::{error, unmap};
use crate::sys::posix::placement::{release, reserve_at};
use crate::vm::{Extent, VmError};

/// Refusals after which the system is not asked any more.
const ENOUGH: usize = 16;

/// Moves that the system refused, each of which may have cost address space.
static REFUSED: AtomicUsize = AtomicUsize::new(0);

/// What moves reservations; `None` where the system refuses to, and under valgrind 3.19, which takes what
/// `mremap` adds to a mapping that it moves upwards for memory that may not be used.
pub fn mover() -> Option<Mover> {
    (!cfg!(valgrind) && REFUSED.load(Ordering::Relaxed) < ENOUGH).then_some(relocate as Mover)
}

/// Moves the committed pages of the reservation at `from` to the one at `to`, and gives what is left
/// of the old one back. A failure gives the new one back instead.
///
/// One call moves the pages and adds those that are new, so that all of them are one mapping, and can
/// be moved again: the system moves no part of more than one.
///
/// # Safety
///
/// Both are whole reservations of whole host pages, the old one with just its first `committed`
/// bytes committed, the new one at least as large with nothing committed. Nobody uses either.
unsafe fn relocate(
    from: NonNull<u8>,
    old: Extent,
    to: NonNull<u8>,
    new: Extent,
) -> Result<(), VmError> {
    let moved = errno::kept(|| {
        let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
        let (at, target) = (from.as_ptr().cast(), to.as_ptr());
        // SAFETY: the caller's promise: both ranges are his, and nothing in them is in use.
        let at = unsafe { libc::mremap(at, old.committed, new.committed, flags, target) };
        (at != libc::MAP_FAILED).then_some(())
    });
    if let Err(number) = moved {
        REFUSED.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { give_up(to, new) };
        return Err(error(number));
    }
    if old.size > old.committed {
        // SAFETY: inside the old reservation.
        let rest = unsafe { from.add(old.committed) };
        // SAFETY: the caller's promise. Should it fail, address space is lost.
        let _ = unsafe { unmap(rest, old.size - old.committed) };
    }
    Ok(())
}

/// Gives a reservation back after a move to it was refused. The system may have unmapped the target
/// by then, and what lies there now may be another thread's: what cannot be taken again is let go.
///
/// # Safety
///
/// All of the reservation was the caller's, and nothing in it is in use.
unsafe fn give_up(to: NonNull<u8>, new: Extent) {
    // A failure of any of these calls leaks address space.
    if reserve_at(to.as_ptr().addr(), new.committed).is_ok() {
        // SAFETY: all of it is the caller's again.
        let _ = unsafe { release(to, new.size) };
    } else if new.size > new.committed {
        // SAFETY: inside the reservation.
        let rest = unsafe { to.add(new.committed) };
        // SAFETY: the caller's promise.
        let _ = unsafe { unmap(rest, new.size - new.committed) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::memory::{commit, host_page_size, reserve};
    use crate::vm::Protection;

    #[test]
    fn what_cannot_be_moved_stays() {
        let page = host_page_size();
        let size = 16 * page;
        let from = reserve(size, None).unwrap();
        // SAFETY: ours.
        unsafe { commit(from, page, Protection::ReadWrite) }.unwrap();
        // SAFETY: ours, and committed.
        unsafe { from.write(7) };
        let to = reserve(size, None).unwrap();
        let extent = |committed| Extent { size, committed };
        // The second page is another mapping: more than one cannot be made larger.
        // SAFETY: ours, and nobody uses them.
        let moved = unsafe { relocate(from, extent(2 * page), to, extent(3 * page)) };
        assert!(moved.is_err());
        // SAFETY: it is where it was.
        assert_eq!(unsafe { from.read() }, 7);
        // SAFETY: ours.
        unsafe { release(from, size) }.unwrap();
    }
}
