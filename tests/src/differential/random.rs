//! Numbers that look random and are the same for the same seed, on every system.

/// The splitmix64 sequence.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// The sequence of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.bits()) * end as u128) >> 64) as usize
    }

    /// One of these.
    pub fn choose<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// A size to ask a heap for: mostly small, sometimes a large block's.
    pub fn size(&mut self) -> usize {
        match self.below(64) {
            0..40 => self.below(0x100),
            40..56 => self.below(0x1000),
            56..62 => self.below(0x1_0000),
            62 => self.below(0x8_0000),
            _ => self.below(0x18_0000),
        }
    }

    /// A size no heap can give.
    pub fn impossible_size(&mut self) -> usize {
        usize::MAX - self.below(0x3000)
    }
}
