//! What a block is filled with, so that a byte out of place is noticed.

/// Prime, so that no copy between places that differ by a round number looks right.
const PERIOD: usize = 4093;

static TABLE: [u8; PERIOD] = {
    let mut table = [0; PERIOD];
    let mut state = 1u32;
    let mut index = 0;
    while index < PERIOD {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // Never zero: fresh memory is no block's contents.
        table[index] = (state >> 24) as u8 | 1;
        index += 1;
    }
    table
};

/// The bytes of a block: an endless pattern from some place of the table on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contents(usize);

impl Contents {
    /// The pattern with this number; neighbouring numbers look nothing alike.
    pub fn numbered(number: usize) -> Self {
        Self(number.wrapping_mul(1009) % PERIOD)
    }

    /// Writes the pattern's first `size` bytes.
    ///
    /// # Safety
    /// 1. `size` bytes from `at` are writable and nobody else uses them.
    pub unsafe fn write(self, at: *mut u8, size: usize) {
        for (offset, bytes) in self.pieces(size) {
            // SAFETY: (1); the pieces add up to `size` bytes.
            unsafe {
                at.add(offset)
                    .copy_from_nonoverlapping(bytes.as_ptr(), bytes.len())
            };
        }
    }

    /// Whether the pattern's first `size` bytes stand at `at`.
    ///
    /// # Safety
    /// 1. `size` bytes from `at` are readable and nobody writes to them.
    pub unsafe fn stands_at(self, at: *const u8, size: usize) -> bool {
        self.pieces(size).all(|(offset, bytes)| {
            // SAFETY: (1); the pieces add up to `size` bytes.
            let found = unsafe { core::slice::from_raw_parts(at.add(offset), bytes.len()) };
            found == bytes
        })
    }

    /// The pattern cut where the table ends: offset and bytes of each piece.
    fn pieces(self, size: usize) -> impl Iterator<Item = (usize, &'static [u8])> {
        let mut offset = 0;
        core::iter::from_fn(move || {
            let start = (self.0 + offset) % PERIOD;
            let length = (PERIOD - start).min(size - offset);
            let piece = (offset, &TABLE[start..start + length]);
            offset += length;
            (length != 0).then_some(piece)
        })
    }
}

/// Whether `size` bytes at `at` are zero.
///
/// # Safety
/// 1. They are readable and nobody writes to them.
pub unsafe fn is_zero(at: *const u8, size: usize) -> bool {
    static ZEROS: [u8; 4096] = [0; 4096];
    // SAFETY: (1).
    let bytes = unsafe { core::slice::from_raw_parts(at, size) };
    bytes
        .chunks(ZEROS.len())
        .all(|chunk| chunk == &ZEROS[..chunk.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_counts() {
        let mut bytes = vec![0u8; 3 * PERIOD];
        let contents = Contents::numbered(7);
        // SAFETY: the bytes are ours.
        unsafe {
            contents.write(bytes.as_mut_ptr(), bytes.len());
            for changed in [0, 1, PERIOD, 2 * PERIOD + 17, 3 * PERIOD - 1] {
                assert!(contents.stands_at(bytes.as_ptr(), bytes.len()));
                bytes[changed] ^= 2;
                assert!(!contents.stands_at(bytes.as_ptr(), bytes.len()));
                bytes[changed] ^= 2;
            }
            assert!(!Contents::numbered(8).stands_at(bytes.as_ptr(), 16));
        }
    }
}
