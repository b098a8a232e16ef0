//! What is said of a slot, beside its slab: that it is free, kept by a lane, or a caller's.
//!
//! A slot passes between free and kept with its bucket's lock held, from kept to busy by the lane that
//! keeps it: no order is needed. It passes from busy to kept by whoever frees it, which two threads may try
//! at the same time (`belonging`).
//!
//! It names only `crate::sync`, so that a test can compile it over loom's atomics and try every
//! interleaving.

use crate::sync::{AtomicU8, AtomicU16, Ordering};

/// What an entry says of a slot that is in no thread's hands and no caller's.
const FREE: u32 = 0;

/// What it says of a slot that a lane keeps. Below this an entry says how many bytes of a busy slot were
/// not asked for, or that it is free.
const fn kept(wide: bool) -> u32 {
    if wide { 0x4000 } else { 0xFF }
}

#[inline(always)]
fn is_busy(wide: bool, value: u32) -> bool {
    value.wrapping_sub(1) < kept(wide) - 1
}

/// Address of a slot's entry: one byte, or two where it is `wide`.
#[derive(Clone, Copy)]
pub struct Side(usize);

impl Side {
    /// The entry at `address`, which stays readable.
    #[inline(always)]
    pub fn at(address: usize) -> Side {
        Side(address)
    }

    /// Where it is.
    #[inline(always)]
    pub fn address(self) -> usize {
        self.0
    }

    #[inline(always)]
    fn load(self, wide: bool) -> u32 {
        // SAFETY: a `Side` is only made for an entry, which stays readable.
        unsafe {
            if wide {
                (*(self.0 as *const AtomicU16))
                    .load(Ordering::Relaxed)
                    .into()
            } else {
                (*(self.0 as *const AtomicU8))
                    .load(Ordering::Relaxed)
                    .into()
            }
        }
    }

    #[inline(always)]
    fn store(self, wide: bool, value: u32) {
        // SAFETY: as for `load`.
        unsafe {
            if wide {
                (*(self.0 as *const AtomicU16)).store(value as u16, Ordering::Relaxed);
            } else {
                (*(self.0 as *const AtomicU8)).store(value as u8, Ordering::Relaxed);
            }
        }
    }

    #[inline(always)]
    fn exchange(self, wide: bool, old: u32, new: u32) -> bool {
        const RELAXED: Ordering = Ordering::Relaxed;
        // SAFETY: as for `load`.
        unsafe {
            if wide {
                (*(self.0 as *const AtomicU16))
                    .compare_exchange(old as u16, new as u16, RELAXED, RELAXED)
                    .is_ok()
            } else {
                (*(self.0 as *const AtomicU8))
                    .compare_exchange(old as u8, new as u8, RELAXED, RELAXED)
                    .is_ok()
            }
        }
    }

    /// Nobody has the slot.
    #[inline(always)]
    pub fn is_free(self, wide: bool) -> bool {
        self.load(wide) == FREE
    }

    /// Bytes of a busy slot that its caller did not ask for; `None` for another slot.
    #[inline(always)]
    pub fn unused(self, wide: bool) -> Option<u32> {
        let value = self.load(wide);
        is_busy(wide, value).then_some(value)
    }

    /// Keeps a free slot, with the bucket's lock held.
    #[inline(always)]
    pub fn keep(self, wide: bool) {
        self.store(wide, kept(wide));
    }

    /// Hands out a kept slot with `unused` bytes, at least one.
    #[inline(always)]
    pub fn hand_out(self, wide: bool, unused: usize) {
        self.store(wide, unused as u32);
    }

    /// Keeps a busy slot, which nobody else takes back meanwhile, and says how many bytes of it were
    /// unused. `None`, and nothing done, if it is not busy.
    #[inline(always)]
    pub fn take_back_alone(self, wide: bool) -> Option<u32> {
        let unused = self.unused(wide)?;
        self.keep(wide);
        Some(unused)
    }

    /// [`Side::take_back_alone`] where others may try at the same time: `None` as well if one of them was
    /// first.
    #[inline(always)]
    pub fn take_back(self, wide: bool) -> Option<u32> {
        let unused = self.unused(wide)?;
        self.exchange(wide, unused, kept(wide)).then_some(unused)
    }

    /// Makes a kept slot free, with the bucket's lock held.
    #[inline(always)]
    pub fn give_back(self, wide: bool) {
        self.store(wide, FREE);
    }
}
