//! The block header (`HEAP_ENTRY`): encode, decode, check. No other file touches those bytes.
//!
//! A header is 8 bytes. On 32-bit it starts the block; on 64-bit the block's first 8 bytes belong
//! to the tail of its predecessor, and the header follows them. Either way the user's bytes start
//! one granule after the block and reach [`TAIL_SPILL`] bytes past its end.
//!
//! ```text
//!  bit 0       16      25       32         64
//!      | check | flags | unused | granules |   all but the check xor-ed with the heap's mask
//! ```
//!
//! The check is a keyed hash of the other 48 bits and of the block's address, so a header that
//! was overwritten, or copied from elsewhere, is noticed before it is believed (INV-ENTRY).

use bitflags::bitflags;

use crate::units::{GRANULE, Granules, POINTER};

/// Offset of the header in its block.
pub const HEADER_OFFSET: usize = 2 * POINTER - 8;

/// Bytes past a block's end that are still its user's: the part of the next block before that
/// block's header. No byte of any header lies there.
pub const TAIL_SPILL: usize = HEADER_OFFSET;

/// Offset of the user's bytes in their block.
pub const USER_OFFSET: usize = GRANULE;

bitflags! {
    /// What a header says of its block.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct EntryFlags: u16 {
        /// In use. Else free.
        const BUSY = 0x001;
        /// The block before this one is free.
        const PREVIOUS_FREE = 0x002;
        /// The block before this one is free and of [`Granules::MIN_BLOCK`], too small for a footer.
        const PREVIOUS_IS_MIN = 0x004;
        /// No block follows in this segment.
        const LAST = 0x008;
        /// Busy: a user-value slot lies behind the data. Free: some of its pages may be
        /// uncommitted. See [`EntryFlags::HOLE`].
        const USER_VALUE = 0x010;
        /// `HEAP_SETTABLE_USER_FLAG1`.
        const USER_FLAG1 = 0x020;
        /// `HEAP_SETTABLE_USER_FLAG2`.
        const USER_FLAG2 = 0x040;
        /// `HEAP_SETTABLE_USER_FLAG3`.
        const USER_FLAG3 = 0x080;
    }
}

impl EntryFlags {
    /// Free blocks only: some pages inside may be uncommitted; the region's page map tells which.
    pub const HOLE: EntryFlags = EntryFlags::USER_VALUE;
    /// What describes the neighbours and outlives a change of the block's own state.
    pub const NEIGHBOURS: EntryFlags = EntryFlags::PREVIOUS_FREE
        .union(EntryFlags::PREVIOUS_IS_MIN)
        .union(EntryFlags::LAST);
    /// What describes the block before.
    pub const PREVIOUS: EntryFlags = EntryFlags::PREVIOUS_FREE.union(EntryFlags::PREVIOUS_IS_MIN);
    /// The three user flags.
    pub const USER_FLAGS: EntryFlags = EntryFlags::USER_FLAG1
        .union(EntryFlags::USER_FLAG2)
        .union(EntryFlags::USER_FLAG3);
}

/// A decoded header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The block's size, header included.
    pub size: Granules,
    /// Busy: bytes of the block that the caller did not ask for, header included. At most
    /// [`Entry::UNUSED_MAX`]. Free: 0.
    pub unused: u8,
    /// The rest.
    pub flags: EntryFlags,
}

impl Entry {
    /// The most a header can say of unused bytes.
    pub const UNUSED_MAX: usize = 127;

    /// Bytes the caller asked for (busy blocks).
    #[inline]
    pub fn requested(self) -> usize {
        self.size.bytes() - self.unused as usize
    }

    /// In use.
    #[inline]
    pub fn is_busy(self) -> bool {
        self.flags.contains(EntryFlags::BUSY)
    }

    /// No block follows it.
    #[inline]
    pub fn is_last(self) -> bool {
        self.flags.contains(EntryFlags::LAST)
    }

    /// The flags the block after a free block of this size carries about it.
    #[inline]
    pub fn as_previous(self) -> EntryFlags {
        if self.is_busy() {
            EntryFlags::empty()
        } else if self.size == Granules::MIN_BLOCK {
            EntryFlags::PREVIOUS
        } else {
            EntryFlags::PREVIOUS_FREE
        }
    }
}

/// A header's 48 checked bits, packed: what the shortest paths work on.
///
/// Flags and unused bytes lie lowest, so that the masks of both are small numbers, which fit into
/// an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Payload(u64);

impl Payload {
    const BUSY: u64 = EntryFlags::BUSY.bits() as u64;
    const NEIGHBOURS: u64 = EntryFlags::NEIGHBOURS.bits() as u64;
    const UNUSED: u64 = (Entry::UNUSED_MAX as u64) << UNUSED_SHIFT;
    const FLAGS: u64 = (1 << UNUSED_SHIFT) - 1;

    /// The block's size.
    #[inline]
    pub fn size(self) -> Granules {
        Granules((self.0 >> SIZE_SHIFT) as u32)
    }

    /// Bytes its user asked for.
    #[inline]
    pub fn requested(self) -> usize {
        self.size().bytes().wrapping_sub(self.unused())
    }

    /// Busy and not parked: a caller holds it.
    #[inline]
    pub fn is_live(self) -> bool {
        self.0 & Self::BUSY != 0 && self.unused() != 0
    }

    /// As [`Entry::unused`].
    #[inline]
    pub fn unused(self) -> usize {
        ((self.0 & Self::UNUSED) >> UNUSED_SHIFT) as usize
    }

    /// The parked block of this size, whatever its neighbours are (INV-PARKED).
    #[inline]
    pub fn is_parked(self, size: Granules) -> bool {
        self.0 & !Self::NEIGHBOURS == Self::BUSY | (size.0 as u64) << SIZE_SHIFT
    }

    /// The same block parked.
    #[inline]
    pub fn park(self) -> Payload {
        Payload(self.0 & !(Self::UNUSED | Self::FLAGS & !(Self::BUSY | Self::NEIGHBOURS)))
    }

    /// The same parked block of `size` in use for `requested` bytes. (The size is passed in, since a
    /// caller knows it before the header is read.)
    #[inline]
    pub fn unpark(self, size: Granules, requested: usize) -> Payload {
        Payload(self.0 | ((size.bytes() - requested) as u64) << UNUSED_SHIFT)
    }
}

impl From<Entry> for Payload {
    #[inline]
    fn from(entry: Entry) -> Payload {
        Payload(
            (entry.size.0 as u64) << SIZE_SHIFT
                | (entry.unused as u64) << UNUSED_SHIFT
                | entry.flags.bits() as u64,
        )
    }
}

impl From<Payload> for Entry {
    #[inline]
    fn from(payload: Payload) -> Entry {
        Entry {
            size: payload.size(),
            unused: payload.unused() as u8,
            flags: EntryFlags::from_bits_retain((payload.0 & Payload::FLAGS) as u16),
        }
    }
}

/// A heap's secrets: drawn at creation, kept out of band.
#[derive(Clone, Copy)]
pub struct Key {
    /// Of the payload; its lowest [`CHECK_BITS`] are 0: the check is no secret's bare image.
    mask: u64,
    multiplier: u64,
    links: usize,
}

/// Where the parts of a [`Payload`] start; its flags lie lowest.
const UNUSED_SHIFT: u32 = 9;
const SIZE_SHIFT: u32 = 16;
/// Bits of a check, which lies below the payload.
const CHECK_BITS: u32 = 16;

impl Key {
    /// A key from three random words.
    pub fn from_random(mut word: impl FnMut() -> u64) -> Key {
        Key {
            mask: word() << CHECK_BITS,
            multiplier: word() | 1,
            links: word() as usize,
        }
    }

    #[inline]
    fn check(&self, payload: u64, block: usize) -> u16 {
        // A product's high bits depend on every bit below them, and no difference of payload or
        // address cancels without knowledge of the multiplier.
        let product = (payload ^ (block as u64).rotate_left(20)).wrapping_mul(self.multiplier);
        (product >> (u64::BITS - CHECK_BITS)) as u16
    }

    /// Writes the header of `block`.
    ///
    /// # Safety
    /// 1. The granule at `block` is committed and belongs to the calling heap, whose lock is held.
    #[inline]
    pub unsafe fn write(&self, block: usize, entry: Entry) {
        debug_assert!(entry.unused as usize <= Entry::UNUSED_MAX);
        debug_assert!(entry.size >= Granules::MIN_BLOCK);
        // SAFETY: (1).
        unsafe { self.write_payload(block, Payload::from(entry)) }
    }

    /// Reads the header of `block`; `None` when it was damaged.
    ///
    /// # Safety
    /// 1. The granule at `block` is committed and belongs to the calling heap.
    #[inline]
    pub unsafe fn read(&self, block: usize) -> Option<Entry> {
        // SAFETY: (1).
        let entry = Entry::from(unsafe { self.read_payload(block) }?);
        let sound =
            entry.size >= Granules::MIN_BLOCK && entry.unused as usize <= entry.size.bytes();
        sound.then_some(entry)
    }

    /// [`Key::write`] of a header that is still packed.
    ///
    /// # Safety
    /// 1. As for [`Key::write`].
    #[inline]
    pub unsafe fn write_payload(&self, block: usize, Payload(payload): Payload) {
        // The sum carries nothing, since neither part has bits where the other has. Written so, the
        // check is ready last and goes into the result by one short step.
        let raw = (payload << CHECK_BITS ^ self.mask) + self.check(payload, block) as u64;
        // SAFETY: (1); the header lies inside the block's first granule and is 8-aligned there.
        unsafe { ((block + HEADER_OFFSET) as *mut u64).write(raw) }
    }

    /// [`Key::read`] without unpacking.
    ///
    /// # Safety
    /// 1. As for [`Key::read`].
    #[inline]
    pub unsafe fn read_payload(&self, block: usize) -> Option<Payload> {
        // SAFETY: (1); the header lies inside the block's first granule and is 8-aligned there.
        let raw = unsafe { ((block + HEADER_OFFSET) as *const u64).read() };
        let payload = Payload((raw ^ self.mask) >> CHECK_BITS);
        // One damaged header in 65536 passes its check by chance. On 32-bit its size may then reach
        // beyond the address space, and a sum with it would wrap; on 64-bit none does.
        let wraps = POINTER == 4 && payload.size().0 as usize > (usize::MAX - block) / GRANULE;
        (raw as u16 == self.check(payload.0, block) && !wraps).then_some(payload)
    }

    /// Writes the size of a free block behind its last granule, for [`Key::read_footer`] of the
    /// block after it.
    ///
    /// # Safety
    /// 1. A free block of more than [`Granules::MIN_BLOCK`] ends at `end`, another block starts
    ///    there, both granules are committed and belong to the calling heap.
    #[inline]
    pub unsafe fn write_footer(&self, end: usize, size: Granules) {
        // SAFETY: (1); the four bytes before the header at `end` are the free block's own.
        unsafe { ((end + HEADER_OFFSET - 4) as *mut u32).write(size.0) }
    }

    /// The size a free block before `block` claims to have. Not to be trusted before its header
    /// says the same.
    ///
    /// # Safety
    /// 1. As for [`Key::write_footer`] with `end == block`.
    #[inline]
    pub unsafe fn read_footer(&self, block: usize) -> Granules {
        // SAFETY: (1).
        Granules(unsafe { ((block + HEADER_OFFSET - 4) as *const u32).read() })
    }

    /// A link as it is stored at `slot`: never a bare address (catalogue D1).
    #[inline]
    pub fn hide_link(&self, slot: usize, address: usize) -> usize {
        address ^ self.links ^ slot.rotate_left(7)
    }

    /// The address behind a stored link. Not to be followed before it is checked.
    #[inline]
    pub fn reveal_link(&self, slot: usize, stored: usize) -> usize {
        self.hide_link(slot, stored)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[repr(align(64))]
    struct Arena {
        _bytes: [u8; 256],
    }

    fn key() -> Key {
        let mut state = 7u64;
        Key::from_random(|| {
            state = state
                .wrapping_mul(0x5851_F42D_4C95_7F2D)
                .wrapping_add(0x1405_7B7E_F767_814F);
            state.rotate_left(29)
        })
    }

    fn sample() -> Entry {
        Entry {
            size: Granules(9),
            unused: 21,
            flags: EntryFlags::BUSY | EntryFlags::LAST,
        }
    }

    #[test]
    fn a_header_reads_back_as_written() {
        let mut arena = Arena { _bytes: [0; 256] };
        let block = &raw mut arena as usize;
        // SAFETY: (1) the arena is ours and large enough.
        unsafe {
            key().write(block, sample());
            assert_eq!(key().read(block), Some(sample()));
        }
    }

    #[test]
    fn every_single_bit_flip_of_a_header_is_noticed() {
        let mut arena = Arena { _bytes: [0; 256] };
        let block = &raw mut arena as usize;
        for bit in 0..64 {
            // SAFETY: (1) the arena is ours and large enough.
            unsafe {
                key().write(block, sample());
                let header = (block + HEADER_OFFSET) as *mut u64;
                *header ^= 1 << bit;
                assert_eq!(key().read(block), None, "bit {bit}");
            }
        }
    }

    #[test]
    fn a_block_that_would_end_beyond_the_address_space_is_not_believed() {
        let mut arena = Arena { _bytes: [0; 256] };
        let block = &raw mut arena as usize;
        let entry = Entry {
            size: Granules(u32::MAX),
            ..sample()
        };
        // SAFETY: (1) the arena is ours and large enough.
        unsafe {
            key().write(block, entry);
            let believed = (POINTER == 8).then_some(entry);
            assert_eq!(key().read(block), believed);
        }
    }

    #[test]
    fn a_header_copied_to_another_block_is_noticed() {
        let mut arena = Arena { _bytes: [0; 256] };
        let block = &raw mut arena as usize;
        // SAFETY: (1) the arena is ours and large enough for both blocks.
        unsafe {
            key().write(block, sample());
            let header = ((block + HEADER_OFFSET) as *const u64).read();
            ((block + 64 + HEADER_OFFSET) as *mut u64).write(header);
            assert_eq!(key().read(block + 64), None);
        }
    }
}
