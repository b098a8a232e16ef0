//! A slab: one back-end block cut into slots of one size for the front end.
//!
//! Everything about the slots is out of band: a side array with each slot's state and requested
//! size, and a stack of free slots. User memory holds no pointer, an exact size costs two bytes a
//! slot, and a free is checked exactly (slab, slot start, busy) before anything changes (INV-SLAB).
//!
//! A slab belongs to one bucket; the bucket's lock guards everything in it that changes.

use core::mem::offset_of;
use core::ptr::{self, NonNull};

use crate::metadata;
use crate::regions::Region;

/// The record of a slab, in the metadata pool, the side array and the stack right behind it.
#[repr(C)]
pub struct Slab {
    /// User address of the first slot, a multiple of a page.
    pub first: usize,
    /// Bytes from slot to slot.
    pub stride: u32,
    /// Bytes of its pages, which may be more than its slots fill.
    pub bytes: u32,
    /// Number of slots.
    pub slots: u32,
    /// Number of free slots: the height of the stack.
    pub free: u32,
    /// Number of the bucket it belongs to.
    pub bucket: u32,
    /// The segment it lies in.
    pub region: NonNull<Region>,
    /// Next in its bucket's list of slabs with free slots.
    pub next: *mut Slab,
    /// Previous there.
    pub previous: *mut Slab,
    /// Next in the heap's list of all slabs. Guarded by the heap's lock.
    pub next_in_heap: *mut Slab,
    /// Previous there. Guarded by the heap's lock.
    pub previous_in_heap: *mut Slab,
}

/// Side entries of a slot: 0 while it is free, else one more than its requested size.
const FREE: u16 = 0;

impl Slab {
    fn record_bytes(slots: u32) -> usize {
        size_of::<Slab>() + 2 * slots as usize * size_of::<u16>()
    }

    /// A record for as many free slots of `stride` bytes as `bytes` from `first` on hold; `None` without memory.
    pub fn create(
        region: NonNull<Region>,
        first: usize,
        stride: u32,
        bytes: u32,
        bucket: u32,
    ) -> Option<NonNull<Slab>> {
        let slots = bytes / stride;
        let slab = metadata::allocate(Slab::record_bytes(slots))?.cast::<Slab>();
        let record = Slab {
            first,
            stride,
            bytes,
            slots,
            free: slots,
            bucket,
            region,
            next: ptr::null_mut(),
            previous: ptr::null_mut(),
            next_in_heap: ptr::null_mut(),
            previous_in_heap: ptr::null_mut(),
        };
        // SAFETY: the piece is ours, 32-aligned and large enough for record, side array and stack.
        unsafe {
            slab.write(record);
            // The lowest slot is on top.
            for height in 0..slots {
                Slab::stack(slab)
                    .add(height as usize)
                    .write((slots - 1 - height) as u16);
            }
        }
        Some(slab)
    }

    /// Gives the record back.
    ///
    /// # Safety
    /// 1. `slab` came from [`Slab::create`] and is in no list and no table.
    pub unsafe fn destroy(slab: NonNull<Slab>) {
        // SAFETY: (1).
        unsafe { metadata::free(slab.cast(), Slab::record_bytes(slab.as_ref().slots)) }
    }

    fn side(slab: NonNull<Slab>) -> *mut u16 {
        const { assert!(offset_of!(Slab, first) == 0) };
        // SAFETY: the side array lies right behind the record, in the same piece.
        unsafe { slab.as_ptr().add(1).cast() }
    }

    fn stack(slab: NonNull<Slab>) -> *mut u16 {
        // SAFETY: the stack lies right behind the side array, in the same piece.
        unsafe { Slab::side(slab).add(slab.as_ref().slots as usize) }
    }

    /// The slot whose user bytes start at `address`, an address in the slab's pages; `None` when
    /// none starts there.
    #[inline]
    pub fn slot_at(&self, address: usize) -> Option<u32> {
        let offset = address.wrapping_sub(self.first);
        let slot = offset / self.stride as usize;
        (offset.is_multiple_of(self.stride as usize) && slot < self.slots as usize)
            .then_some(slot as u32)
    }

    /// User address of a slot.
    pub fn address_of(&self, slot: u32) -> usize {
        self.first + slot as usize * self.stride as usize
    }

    /// Bytes a busy slot's caller asked for; `None` for a free slot.
    ///
    /// # Safety
    /// 1. `slot` is one of the live slab's, and its bucket's lock is held.
    #[inline]
    pub unsafe fn requested(slab: NonNull<Slab>, slot: u32) -> Option<usize> {
        // SAFETY: (1).
        match unsafe { Slab::side(slab).add(slot as usize).read() } {
            FREE => None,
            entry => Some(entry as usize - 1),
        }
    }

    /// Takes a free slot for `requested` bytes; returns its user address.
    ///
    /// # Safety
    /// 1. The live slab has a free slot, and its bucket's lock is held.
    #[inline]
    pub unsafe fn take(slab: NonNull<Slab>, requested: usize) -> usize {
        // SAFETY: (1).
        unsafe {
            (*slab.as_ptr()).free -= 1;
            let slot = Slab::stack(slab).add(slab.as_ref().free as usize).read();
            Slab::side(slab)
                .add(slot as usize)
                .write(requested as u16 + 1);
            slab.as_ref().address_of(slot as u32)
        }
    }

    /// Takes a busy slot back.
    ///
    /// # Safety
    /// 1. `slot` is a busy slot of the live slab, and its bucket's lock is held.
    #[inline]
    pub unsafe fn give_back(slab: NonNull<Slab>, slot: u32) {
        // SAFETY: (1).
        unsafe {
            Slab::side(slab).add(slot as usize).write(FREE);
            Slab::stack(slab)
                .add(slab.as_ref().free as usize)
                .write(slot as u16);
            (*slab.as_ptr()).free += 1;
        }
    }
}

#[cfg(all(test, feature = "os"))]
mod tests {
    use super::*;

    #[test]
    fn slots_are_found_by_their_first_byte_only_and_know_their_size() {
        let slab = Slab::create(NonNull::dangling(), 0x10_0000, 48, 0x1000, 3).unwrap();
        // SAFETY: (1) the slab is ours, nobody else touches it.
        unsafe {
            let first = Slab::take(slab, 40);
            let second = Slab::take(slab, 0);
            assert_eq!((first, second), (0x10_0000, 0x10_0030));
            assert_eq!(slab.as_ref().slot_at(second), Some(1));
            assert_eq!(slab.as_ref().slot_at(second + 16), None);
            assert_eq!(slab.as_ref().slot_at(0x10_0000 + 85 * 48), None);
            assert_eq!(Slab::requested(slab, 0), Some(40));
            assert_eq!(Slab::requested(slab, 1), Some(0));
            Slab::give_back(slab, 0);
            assert_eq!(Slab::requested(slab, 0), None);
            assert_eq!(slab.as_ref().free, 84);
            assert_eq!(Slab::take(slab, 1), first);
            Slab::destroy(slab);
        }
    }
}
