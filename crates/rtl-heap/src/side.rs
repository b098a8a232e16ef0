//! What is said of a slot, beside its slab: that it is free, kept by a lane, or a caller's.
//!
//! Entries are read and written like plain memory, without an order: a slot passes between free and
//! kept with its bucket's lock held, between kept and busy by whoever holds it. Whoever frees a slot
//! twice at the same time breaks that; the marks find it.
//!
//! It names only `crate::sync`, so that a test can compile it over loom's atomics and try every
//! interleaving.

use crate::sync::{AtomicU8, AtomicU16, Ordering};

/// What an entry says of a slot that is in no thread's hands and no caller's.
const FREE: u32 = 0;

/// Below this an entry is free, or busy and says how many bytes of its slot were not asked for; from
/// here on it is kept, and says by whom.
const fn kept_from(wide: bool) -> u32 {
    if wide { 0x4000 } else { 64 }
}

/// What the entries of slots that one keeper has say, in narrow slabs and in wide ones.
#[derive(Clone, Copy)]
pub struct Marks {
    narrow: u8,
    wide: u16,
}

impl Marks {
    /// How many keepers entries can tell apart.
    const KEEPERS: u32 = 192;

    /// The marks of keeper `number`. Number 0 is for threads that have no lane; the others share what
    /// is left.
    pub const fn of_keeper(number: u32) -> Marks {
        let number = if number == 0 {
            0
        } else {
            1 + (number - 1) % (Marks::KEEPERS - 1)
        };
        Marks {
            narrow: (kept_from(false) + number) as u8,
            wide: (kept_from(true) + number) as u16,
        }
    }

    /// The one for narrow or for wide slabs.
    #[inline(always)]
    pub const fn of(self, wide: bool) -> u32 {
        if wide {
            self.wide as u32
        } else {
            self.narrow as u32
        }
    }
}

/// Address of a slot's entry: one byte, or two where it is `wide`.
#[derive(Clone, Copy)]
pub struct Side(usize);

impl Side {
    /// No entry.
    pub const NONE: Side = Side(0);

    /// The entry at `address`, which stays readable.
    #[inline(always)]
    pub fn at(address: usize) -> Side {
        Side(address)
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

    /// Nobody has the slot.
    #[inline(always)]
    pub fn is_free(self, wide: bool) -> bool {
        self.load(wide) == FREE
    }

    /// Bytes of a busy slot that its caller did not ask for; `None` for another slot.
    #[inline(always)]
    pub fn unused(self, wide: bool) -> Option<u32> {
        let value = self.load(wide);
        (value.wrapping_sub(1) < kept_from(wide) - 1).then_some(value)
    }

    /// Keeps the slot, which was free with the bucket's lock held, or busy and its caller's, who frees
    /// it.
    #[inline(always)]
    pub fn keep(self, wide: bool, mark: u32) {
        self.store(wide, mark);
    }

    /// Makes a slot that is kept under `mark` busy, with `unused` bytes, at least one. False, and nothing
    /// done, if it is not kept under this mark: then two threads freed it, and it is the other's.
    #[inline(always)]
    pub fn hand_out(self, wide: bool, mark: u32, unused: usize) -> bool {
        let is_ours = self.load(wide) == mark;
        if is_ours {
            self.store(wide, unused as u32);
        }
        is_ours
    }

    /// Makes a slot that is kept under `mark` free, with the bucket's lock held. False, and nothing done,
    /// as for [`Side::hand_out`].
    #[inline(always)]
    pub fn give_back(self, wide: bool, mark: u32) -> bool {
        let is_ours = self.load(wide) == mark;
        if is_ours {
            self.store(wide, FREE);
        }
        is_ours
    }
}
