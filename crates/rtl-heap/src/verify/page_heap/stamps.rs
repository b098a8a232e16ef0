//! What stands before a block of a page heap: eight words that begin and end with a stamp (10.6). A
//! write before the block's first byte is found by them.

use crate::layout::LARGE_HEADER_BYTES;
use crate::units::POINTER;

/// Bytes before a block's first.
pub const PREFIX: usize = LARGE_HEADER_BYTES;

/// First and last DWORD of a block's prefix.
#[derive(Clone, Copy)]
pub struct Stamps(u32, u32);

/// A full block.
pub const FULL: Stamps = Stamps(0xABCD_BBBB, 0xDCBA_BBBB);
/// A light block.
pub const LIGHT: Stamps = Stamps(0xABCD_AAAA, 0xDCBA_AAAA);
/// The last DWORD before a light block that was freed.
pub const LIGHT_FREED: u32 = 0xDCBA_AAA9;

/// What the prefix of a block holds between its stamps.
pub struct Information {
    /// Handle of the heap.
    pub heap: usize,
    /// Bytes the user asked for.
    pub requested: usize,
    /// Bytes from the prefix to the end of the pattern.
    pub actual: usize,
}

impl Information {
    fn bytes(&self, Stamps(start, end): Stamps) -> [u8; PREFIX] {
        let mut bytes = [0; PREFIX];
        let words = [start as usize, self.heap, self.requested, self.actual];
        for (place, word) in bytes.chunks_exact_mut(POINTER).zip(words) {
            place.copy_from_slice(&word.to_ne_bytes());
        }
        bytes[PREFIX - size_of::<u32>()..].copy_from_slice(&end.to_ne_bytes());
        bytes
    }

    /// Writes the prefix of the block at `user`.
    ///
    /// # Safety
    /// 1. The bytes before `user` are the block's.
    pub unsafe fn write(&self, stamps: Stamps, user: usize) {
        // SAFETY: (1).
        unsafe { ((user - PREFIX) as *mut [u8; PREFIX]).write(self.bytes(stamps)) }
    }

    /// The prefix of the block at `user` is as it was written.
    ///
    /// # Safety
    /// 1. As for [`Information::write`].
    pub unsafe fn stands(&self, stamps: Stamps, user: usize) -> bool {
        // SAFETY: (1). Volatile: whoever wrote before its block may be writing still.
        let found = unsafe { ((user - PREFIX) as *const [u8; PREFIX]).read_volatile() };
        found == self.bytes(stamps)
    }
}
