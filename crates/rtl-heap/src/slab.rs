//! A slab: one back-end block cut into slots of one size for the front end.
//!
//! Everything about the slots is out of band: a side array says of each slot whether it is free,
//! kept by a thread for later, or a caller's, and then how many of its bytes the caller did not ask
//! for. User memory holds no pointer, an exact size costs a byte a slot (two for slots above
//! 1 KiB), and a free is checked exactly (slab, slot start, busy) before anything changes (INV-SLAB).
//!
//! A slab belongs to one bucket, whose lock guards what changes in it, but for the side entries: a
//! slot passes between free and kept with the lock held, between kept and busy without, by the lane that
//! keeps it and by whoever frees it (`belonging`).
//!
//! A record is given back to the pool when its heap is destroyed and not before; until then it is
//! only used for slabs of the same bucket and size. So what a look at a stale pointer reads is at
//! worst another slab's, never anything else.

use core::ops::Range;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::belonging::Owner;
use crate::buckets;
use crate::kept::Kept;
use crate::lane::Lane;
use crate::metadata;
use crate::region::Region;
use crate::side::Side;
use crate::units::{GRANULE, Granules, PAGE};

/// The record of a slab, in the metadata pool, the side array right behind it.
#[repr(C)]
pub struct Slab {
    /// Handle of the heap it belongs to, unless that is hidden.
    handle: AtomicUsize,
    /// User address of the first slot, a multiple of a page.
    first: AtomicUsize,
    /// Bytes of all slots.
    extent: usize,
    /// 2^32 divided by the stride, rounded up.
    reciprocal: u64,
    /// The lane it belongs to.
    pub owner: Owner,
    /// Bytes from slot to slot.
    pub stride: u32,
    /// Number of slots.
    pub slots: u32,
    /// Number of the bucket it belongs to.
    pub bucket: u32,
    /// Bytes of its pages, which may be more than its slots fill.
    pub bytes: u32,
    /// Number of free slots.
    pub free: u32,
    /// No slot below this one is free.
    lowest: u32,
    /// A bit for each page that may hold something: a slot of it was taken since it was emptied.
    touched: u64,
    /// The segment it lies in.
    pub region: NonNull<Region>,
    /// Next in its bucket's list: of slabs with free slots, of idle ones, or of spare records.
    pub next: *mut Slab,
    /// Previous there.
    pub previous: *mut Slab,
    /// Next in the heap's list of all slabs. Guarded by the heap's lock.
    pub next_in_heap: *mut Slab,
    /// Previous there. Guarded by the heap's lock.
    pub previous_in_heap: *mut Slab,
}

/// The largest slab: up to here one multiplication divides an offset by any stride ([`Slab::slot_at`]).
pub const LARGEST_SLAB: usize = 0x4_0000;

/// Pages of that.
const MOST_PAGES: u32 = u64::BITS;
const _: () = assert!(LARGEST_SLAB <= MOST_PAGES as usize * PAGE);

impl Slab {
    fn record_bytes(slots: u32, wide: bool) -> usize {
        size_of::<Slab>() + slots as usize * if wide { 2 } else { 1 }
    }

    /// A record for as many slots of `slot_size` as fit into a slab of `bytes`, in no list, without
    /// an address; `None` without memory.
    pub fn create(
        handle: usize,
        slot_size: Granules,
        bytes: u32,
        bucket: u32,
    ) -> Option<NonNull<Slab>> {
        let stride = slot_size.bytes() as u32;
        // The block's last granule is the next block's header.
        let slots = (bytes - GRANULE as u32) / stride;
        let wide = buckets::is_wide(bucket);
        let slab = metadata::allocate(Slab::record_bytes(slots, wide))?.cast::<Slab>();
        let record = Slab {
            handle: AtomicUsize::new(handle),
            first: AtomicUsize::new(0),
            extent: (slots * stride) as usize,
            reciprocal: (1u64 << 32).div_ceil(stride.into()),
            owner: Owner::shared(),
            stride,
            slots,
            bucket,
            bytes,
            free: slots,
            lowest: 0,
            touched: 0,
            region: NonNull::dangling(),
            next: ptr::null_mut(),
            previous: ptr::null_mut(),
            next_in_heap: ptr::null_mut(),
            previous_in_heap: ptr::null_mut(),
        };
        // SAFETY: the piece is ours, 32-aligned and large enough for record and side array, whose
        // zero bytes are free slots.
        unsafe { slab.write(record) };
        Some(slab)
    }

    /// Says where the slots are.
    ///
    /// # Safety
    /// 1. The record is in no list and no table, and all its slots are free.
    pub unsafe fn place(slab: NonNull<Slab>, region: NonNull<Region>, first: usize) {
        // SAFETY: (1).
        unsafe {
            (*slab.as_ptr()).region = region;
            (*slab.as_ptr()).touched = 0;
            slab.as_ref().first.store(first, Ordering::Relaxed);
        }
    }

    /// Gives the record back to the pool.
    ///
    /// # Safety
    /// 1. `slab` came from [`Slab::create`], is in no list and no table, and its heap is no more.
    pub unsafe fn destroy(slab: NonNull<Slab>) {
        // SAFETY: (1).
        unsafe {
            let record = slab.as_ref();
            metadata::free(
                slab.cast(),
                Slab::record_bytes(record.slots, record.is_wide()),
            );
        }
    }

    /// Handle of the heap it belongs to; what is no heap's while that is hidden.
    #[inline(always)]
    pub fn handle(&self) -> usize {
        self.handle.load(Ordering::Relaxed)
    }

    /// Has calls with `handle` find it: its heap's, or none.
    pub fn set_handle(&self, handle: usize) {
        self.handle.store(handle, Ordering::Relaxed);
    }

    /// Gives it, all of whose slots are free, to a lane, or to all; with its bucket's lock held.
    pub fn set_owner(&self, lane: Option<&Lane>) {
        let claimant = lane.map(|lane| &lane.claimant);
        self.owner.set(claimant, self.is_wide());
    }

    /// Its side entries have two bytes.
    #[inline(always)]
    pub fn is_wide(&self) -> bool {
        buckets::is_wide(self.bucket)
    }

    /// The size of its slots.
    pub fn slot_size(&self) -> Granules {
        Granules(self.stride / GRANULE as u32)
    }

    /// User address of the first slot.
    #[inline(always)]
    pub fn first(&self) -> usize {
        self.first.load(Ordering::Relaxed)
    }

    /// `address`, any bit pattern, lies among its slots.
    #[inline]
    pub fn holds(&self, address: usize) -> bool {
        address.wrapping_sub(self.first()) < self.extent
    }

    /// The slot whose user bytes start at `address`, any bit pattern; `None` when none starts there.
    #[inline(always)]
    pub fn slot_at(&self, address: usize) -> Option<u32> {
        // With the reciprocal r = (2^32 + e) / stride, e < stride, the product's high half is the
        // quotient, and its low half is below r exactly when nothing remains: offset * e stays below
        // 2^32 and quotient * e below r, since no offset reaches LARGEST_SLAB, 2^18, and no stride is
        // above 2^14.
        let offset = address.wrapping_sub(self.first());
        if offset >= self.extent {
            return None;
        }
        let product = offset as u64 * self.reciprocal;
        if product as u32 >= self.reciprocal as u32 {
            return None;
        }
        Some((product >> 32) as u32)
    }

    /// User address of a slot.
    pub fn address_of(&self, slot: u32) -> usize {
        self.first() + slot as usize * self.stride as usize
    }

    /// A slot's side entry; of a narrow or a wide slab.
    #[inline(always)]
    pub fn side(slab: NonNull<Slab>, wide: bool, slot: u32) -> Side {
        Side::at(Slab::entries(slab) + slot as usize * if wide { 2 } else { 1 })
    }

    /// Address of its first slot's side entry.
    #[inline(always)]
    fn entries(slab: NonNull<Slab>) -> usize {
        slab.as_ptr() as usize + size_of::<Slab>()
    }

    /// Bytes a busy slot's caller asked for; `None` for another slot.
    ///
    /// # Safety
    /// 1. `slot` is one of the slab's.
    #[inline]
    pub unsafe fn requested(slab: NonNull<Slab>, slot: u32) -> Option<usize> {
        // SAFETY: (1): records stay readable.
        let record = unsafe { slab.as_ref() };
        let wide = record.is_wide();
        let unused = Slab::side(slab, wide, slot).unused(wide)?;
        Some((record.stride - unused) as usize)
    }

    /// Whether a slot is free: no thread keeps it and no caller has it.
    ///
    /// # Safety
    /// 1. `slot` is one of the slab's.
    pub unsafe fn is_free(slab: NonNull<Slab>, slot: u32) -> bool {
        // SAFETY: (1): records stay readable.
        let wide = unsafe { slab.as_ref() }.is_wide();
        Slab::side(slab, wide, slot).is_free(wide)
    }

    /// All its slots are free.
    pub fn is_idle(&self) -> bool {
        self.free == self.slots
    }

    /// Takes the lowest free slots, up to `count` of them, to be kept, and stores them below `above`, the
    /// lowest nearest to it. Returns how many.
    ///
    /// # Safety
    /// 1. The slab's bucket's lock is held, and there is room for `count` slots below `above`.
    pub unsafe fn take(slab: NonNull<Slab>, above: *mut Kept, count: u32) -> u32 {
        // SAFETY: (1).
        unsafe {
            match slab.as_ref().is_wide() {
                true => Slab::take_of::<true>(slab, above, count),
                false => Slab::take_of::<false>(slab, above, count),
            }
        }
    }

    /// # Safety
    /// 1. As for [`Slab::take`]; the slab is `WIDE` or not.
    #[inline(always)]
    unsafe fn take_of<const WIDE: bool>(slab: NonNull<Slab>, above: *mut Kept, count: u32) -> u32 {
        // SAFETY: (1).
        let record = unsafe { &mut *slab.as_ptr() };
        let count = count.min(record.free);
        let (mut place, end) = (above, above.wrapping_sub(count as usize));
        let (first, stride) = (record.first(), record.stride as usize);
        let mut slot = record.lowest;
        // So many of its slots are free.
        while place != end {
            while !Slab::side(slab, WIDE, slot).is_free(WIDE) {
                slot += 1;
            }
            let side = Slab::side(slab, WIDE, slot);
            side.keep(WIDE);
            let user = first + slot as usize * stride;
            place = place.wrapping_sub(1);
            // SAFETY: (1).
            unsafe { place.write(Kept { user, side }) };
            slot += 1;
        }
        record.lowest = slot;
        record.free -= count;
        count
    }

    /// Notes that all free slots from the one at `first` to the one at `last` were taken: there is no page
    /// among theirs that has none but free slots. Returns the bytes of those that had been untouched.
    ///
    /// # Safety
    /// 1. They are slots' addresses, and the bucket's lock is held.
    #[inline]
    pub unsafe fn touch(slab: NonNull<Slab>, first: usize, last: usize) -> usize {
        // SAFETY: (1).
        let record = unsafe { &mut *slab.as_ptr() };
        let first = (first - record.first()) / PAGE;
        let last = (last - record.first() + record.stride as usize - 1) / PAGE;
        let pages = (u64::MAX << first) & (u64::MAX >> (MOST_PAGES as usize - 1 - last));
        let new = pages & !record.touched;
        record.touched |= new;
        new.count_ones() as usize * PAGE
    }

    /// The slots that lie in a page, in part at least.
    fn slots_in(&self, page: u32) -> Range<u32> {
        let start = page * PAGE as u32;
        start / self.stride..(start + PAGE as u32).div_ceil(self.stride).min(self.slots)
    }

    /// Bytes of its pages of which no slot was taken since they were emptied.
    pub fn untouched(&self) -> usize {
        self.bytes as usize - self.touched.count_ones() as usize * PAGE
    }

    /// Calls `empty` with each run of pages, address and bytes, that may hold something although all
    /// slots in them are free. It says whether it emptied them.
    ///
    /// # Safety
    /// 1. The slab is live and its bucket's lock is held.
    pub unsafe fn empty_pages(slab: NonNull<Slab>, empty: impl Fn(usize, usize) -> bool) {
        // SAFETY: (1).
        let record = unsafe { &mut *slab.as_ptr() };
        if (record.free as usize * record.stride as usize) < PAGE {
            return;
        }
        // The last page holds the next block's header besides.
        let pages = record.bytes / PAGE as u32 - 1;
        let mut page = 0;
        while page < pages {
            let first = page;
            while page < pages
                && record.touched >> page & 1 != 0
                // SAFETY: (1): the slab's own slots.
                && record.slots_in(page).all(|slot| unsafe { Slab::is_free(slab, slot) })
            {
                page += 1;
            }
            let bytes = (page - first) as usize * PAGE;
            if bytes != 0 && empty(record.first() + first as usize * PAGE, bytes) {
                record.touched &= !(((1 << (page - first)) - 1) << first);
            }
            page += 1;
        }
    }

    /// Makes the kept slot whose entry `side` is free.
    ///
    /// # Safety
    /// 1. It is one of the slab's, kept by the caller, and its bucket's lock is held.
    #[inline]
    pub unsafe fn give_back(slab: NonNull<Slab>, side: Side) {
        // SAFETY: (1).
        let record = unsafe { &mut *slab.as_ptr() };
        let wide = record.is_wide();
        side.give_back(wide);
        record.free += 1;
        let entry = side.address() - Slab::entries(slab);
        record.lowest = record.lowest.min((entry >> u32::from(wide)) as u32);
    }
}

#[cfg(all(test, feature = "os"))]
mod tests {
    extern crate std;
    use super::*;
    use core::mem::MaybeUninit;
    use std::vec::Vec;

    const BUCKET: u32 = 3;

    fn slab(stride: usize, bytes: u32, bucket: u32) -> NonNull<Slab> {
        let slab =
            Slab::create(0x1_0000, Granules::exactly(stride).unwrap(), bytes, bucket).unwrap();
        // SAFETY: (1) the slab is ours, nobody else knows it.
        unsafe { Slab::place(slab, NonNull::dangling(), 0x10_0000) };
        slab
    }

    #[test]
    fn slots_are_found_by_their_first_byte_only_and_know_their_size() {
        let slab = slab(48, 0x1000, BUCKET);
        // SAFETY: (1) the slab is ours, nobody else touches it, and there is room.
        let take = |count: u32| unsafe {
            let mut room = [MaybeUninit::<Kept>::uninit(); 85];
            let taken = Slab::take(slab, room.as_mut_ptr_range().end.cast(), count) as usize;
            room[85 - taken..]
                .iter()
                .rev()
                .map(|kept| kept.assume_init())
                .collect::<Vec<_>>()
        };
        // SAFETY: (1) the slab is ours, nobody else touches it.
        unsafe {
            let taken = take(2);
            let [(first, side), (second, _)] =
                [0, 1].map(|at: usize| (taken[at].user, taken[at].side));
            assert_eq!((taken.len(), first, second), (2, 0x10_0000, 0x10_0030));
            assert_eq!(slab.as_ref().slot_at(second), Some(1));
            assert_eq!(slab.as_ref().slot_at(second + 16), None);
            assert_eq!(slab.as_ref().slot_at(0x10_0000 + 85 * 48), None);
            assert_eq!(Slab::requested(slab, 0), None);
            side.hand_out(false, 48 - 40);
            assert_eq!(Slab::requested(slab, 0), Some(40));
            assert_eq!(slab.as_ref().free, 83);
            assert!(side.take_back(false) == Some(8) && side.take_back(false).is_none());
            Slab::give_back(slab, side);
            assert_eq!(Slab::requested(slab, 0), None);
            assert!(Slab::is_free(slab, 0) && !Slab::is_free(slab, 1));
            // The free one among those that are not, then those behind them, as far as there are any.
            assert_eq!(take(1)[0].user, first);
            Slab::give_back(slab, Slab::side(slab, false, 1));
            let rest: Vec<_> = take(85).iter().map(|kept| kept.user).collect();
            assert_eq!(
                rest,
                (1..85)
                    .map(|slot| 0x10_0000 + slot * 48)
                    .collect::<Vec<_>>()
            );
            assert_eq!((slab.as_ref().free, take(1).len()), (0, 0));
            Slab::destroy(slab);
        }
    }

    #[test]
    fn one_multiplication_divides_every_offset_by_every_stride() {
        for granules in 2..=buckets::LARGEST.0 {
            let (bucket, slot_size) = buckets::bucket_of(Granules(granules));
            let slab = slab(slot_size.bytes(), LARGEST_SLAB as u32, bucket as u32);
            // SAFETY: (1) the slab is ours, nobody else touches it.
            let record = unsafe { slab.as_ref() };
            let stride = slot_size.bytes();
            let mut offset = 0;
            while offset < LARGEST_SLAB {
                let expected = (offset % stride == 0 && offset / stride < record.slots as usize)
                    .then_some((offset / stride) as u32);
                assert_eq!(
                    record.slot_at(record.first() + offset),
                    expected,
                    "{offset} {stride}"
                );
                // Every granule, and the bytes around each slot's start.
                offset += if offset % GRANULE == 1 {
                    GRANULE - 2
                } else {
                    1
                };
            }
            // SAFETY: (1) the slab is ours.
            unsafe { Slab::destroy(slab) };
        }
    }
}
