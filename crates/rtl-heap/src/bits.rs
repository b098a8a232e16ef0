//! A bitmap in the metadata pool: one bit per granule or per page of a region.

use core::ptr::NonNull;

use crate::metadata;

const WORD_BITS: usize = usize::BITS as usize;

/// A fixed number of bits, all zero at first. Guarded by the lock of the heap it describes.
#[derive(Clone, Copy)]
pub struct Bits {
    words: *mut usize,
    length: usize,
}

impl Bits {
    /// No bits.
    pub const EMPTY: Bits = Bits {
        words: NonNull::dangling().as_ptr(),
        length: 0,
    };

    /// `length` zero bits; `None` when there is no memory for them.
    pub fn create(length: usize) -> Option<Bits> {
        let words = metadata::allocate(Bits::bytes(length))?;
        Some(Bits {
            words: words.as_ptr().cast(),
            length,
        })
    }

    /// Two maps of `length` zero bits in one piece, which [`Bits::destroy_two`] gives back.
    pub fn create_two(length: usize) -> Option<[Bits; 2]> {
        let words = metadata::allocate(2 * Bits::bytes(length))?.cast();
        // SAFETY: the piece goes on behind the first map's words.
        let behind = unsafe { words.byte_add(Bits::bytes(length)) };
        Some([words, behind].map(|words| Bits {
            words: words.as_ptr(),
            length,
        }))
    }

    /// How many there are.
    #[inline]
    pub fn length(&self) -> usize {
        self.length
    }

    /// There are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Number of set bits in `from..to`.
    pub fn count(&self, from: usize, to: usize) -> usize {
        let (mut at, mut count) = (from, 0);
        while at < to {
            let start = self.find(at, to, true);
            at = self.find(start, to, false);
            count += at - start;
        }
        count
    }

    /// Gives the memory back.
    pub fn destroy(self) {
        if self.length != 0 {
            // SAFETY: `words` came from `allocate` for this many bytes; the value is consumed.
            unsafe {
                metadata::free(
                    NonNull::new_unchecked(self.words.cast()),
                    Bits::bytes(self.length),
                )
            }
        }
    }

    /// Gives the memory of two maps back, of which this is the first.
    pub fn destroy_two(self) {
        if self.length != 0 {
            // SAFETY: `words` came from `allocate` for this many bytes; the value is consumed.
            unsafe {
                metadata::free(
                    NonNull::new_unchecked(self.words.cast()),
                    2 * Bits::bytes(self.length),
                )
            }
        }
    }

    fn bytes(length: usize) -> usize {
        length.div_ceil(WORD_BITS).max(1) * size_of::<usize>()
    }

    #[inline]
    fn word(&self, index: usize) -> *mut usize {
        debug_assert!(index < self.length);
        // SAFETY: `index < length`, so the word lies inside the allocation.
        unsafe { self.words.add(index / WORD_BITS) }
    }

    /// Whether bit `index` is set.
    #[inline]
    pub fn get(&self, index: usize) -> bool {
        // SAFETY: the word is ours; the heap's lock is held.
        unsafe { *self.word(index) >> (index % WORD_BITS) & 1 != 0 }
    }

    /// Sets bit `index`.
    #[inline]
    pub fn set(&mut self, index: usize) {
        // SAFETY: as in `get`.
        unsafe { *self.word(index) |= 1 << (index % WORD_BITS) }
    }

    /// Clears bit `index`.
    #[inline]
    pub fn clear(&mut self, index: usize) {
        // SAFETY: as in `get`.
        unsafe { *self.word(index) &= !(1 << (index % WORD_BITS)) }
    }

    /// Sets or clears the bits `from..to`.
    pub fn fill(&mut self, from: usize, to: usize, value: bool) {
        let mut at = from;
        while at < to {
            let offset = at % WORD_BITS;
            let count = (WORD_BITS - offset).min(to - at);
            let mask = (usize::MAX >> (WORD_BITS - count)) << offset;
            let word = self.word(at);
            // SAFETY: as in `get`.
            unsafe { *word = if value { *word | mask } else { *word & !mask } };
            at += count;
        }
    }

    /// Takes over the bits of another map of the same length.
    pub fn copy_from(&mut self, other: &Bits) {
        debug_assert_eq!(self.length, other.length);
        // SAFETY: both allocations hold as many words as the shorter length asks for.
        unsafe {
            let words = self.length.min(other.length).div_ceil(WORD_BITS);
            self.words.copy_from_nonoverlapping(other.words, words);
        }
    }

    /// The first bit of `from..to` that is `value`; `to` when there is none.
    pub fn find(&self, from: usize, to: usize, value: bool) -> usize {
        let mut at = from;
        while at < to {
            let offset = at % WORD_BITS;
            // SAFETY: as in `get`; `at < to <= length`.
            let word = unsafe { *self.word(at) };
            let wanted = (if value { word } else { !word }) >> offset;
            if wanted != 0 {
                return (at + wanted.trailing_zeros() as usize).min(to);
            }
            at += WORD_BITS - offset;
        }
        to
    }

    /// The end of the last run of bits before `to` that are not `value`: one past the last bit of
    /// `from..to` that is `value`, or `from` when there is none.
    pub fn find_back(&self, from: usize, to: usize, value: bool) -> usize {
        let mut at = to;
        while at > from {
            let last = at - 1;
            let offset = last % WORD_BITS;
            // SAFETY: as in `get`; `last < to <= length`.
            let word = unsafe { *self.word(last) };
            let wanted = (if value { word } else { !word }) << (WORD_BITS - 1 - offset);
            if wanted != 0 {
                return at.saturating_sub(wanted.leading_zeros() as usize).max(from);
            }
            at = at.saturating_sub(offset + 1);
        }
        from
    }
}

#[cfg(all(test, feature = "os"))]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use super::*;

    #[test]
    fn ranges_behave_like_a_vector_of_booleans() {
        const LENGTH: usize = 200;
        let mut bits = Bits::create(LENGTH).unwrap();
        let mut model: Vec<bool> = std::vec![false; LENGTH];
        let mut seed = 1u32;
        for _ in 0..2000 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (a, b) = (
                (seed >> 8) as usize % (LENGTH + 1),
                (seed >> 20) as usize % (LENGTH + 1),
            );
            let (from, to) = (a.min(b), a.max(b));
            let value = seed >> 31 == 0;
            assert_eq!(
                bits.find(from, to, value),
                (from..to).find(|i| model[*i] == value).unwrap_or(to)
            );
            assert_eq!(
                bits.find_back(from, to, value),
                (from..to)
                    .rev()
                    .find(|i| model[*i] == value)
                    .map_or(from, |i| i + 1)
            );
            bits.fill(from, to, value);
            model[from..to].fill(value);
            assert!((0..LENGTH).all(|i| bits.get(i) == model[i]));
        }
        bits.destroy();
    }
}
