//! How large a block a request needs, and the slot for a user value behind its data (2.6, 5.5).

use crate::backend::blocks::Block;
use crate::entry::EntryFlags;
use crate::flags::HeapFlags;
use crate::heap::Heap;
use crate::units::{GRANULE, Granules, POINTER, round_up};

/// Bytes of a header that count towards a block's size. On 64-bit the header granule's other half
/// holds the end of the data.
const HEADER: usize = 8;

/// Flags that make a block larger than its data and header: from the heap or the call.
const WIDE_HEADER: HeapFlags = HeapFlags::TAIL_CHECKING_ENABLED
    .union(HeapFlags::FREE_CHECKING_ENABLED)
    .union(HeapFlags::CREATE_ENABLE_TRACING);
const FORCED_SLOT: HeapFlags =
    HeapFlags::VALIDATE_ALL_ENABLED.union(HeapFlags::VALIDATE_PARAMETERS_ENABLED);
const HEAP_EXTRAS: HeapFlags = WIDE_HEADER
    .union(FORCED_SLOT)
    .union(HeapFlags::CREATE_ALIGN_16);
/// Flags of a call that make its block larger.
pub const CALL_EXTRAS: HeapFlags = WIDE_HEADER.union(HeapFlags::SETTABLE_USER_VALUE);

/// Flags of a call that keep its block in the back end.
pub const NOT_PLAIN: HeapFlags = CALL_EXTRAS.union(HeapFlags::SETTABLE_USER_FLAGS);

/// The size of the block for `size` bytes: `roundup(max(size, G) + 8, G)` plus what flags of the
/// heap and the call add (2.6; C066 to C071). `None` when it overflows.
#[inline]
pub fn block_size(heap: &Heap, call_flags: HeapFlags, size: usize) -> Option<Granules> {
    let mut bytes = size.max(GRANULE).checked_add(HEADER)?;
    if heap.settings.flags.intersects(HEAP_EXTRAS) || call_flags.intersects(CALL_EXTRAS) {
        bytes = bytes.checked_add(extra_bytes(heap.settings.flags, call_flags))?;
        if POINTER == 4 && heap.settings.flags.contains(HeapFlags::CREATE_ALIGN_16) {
            bytes = round_up(bytes, 16)?;
        }
    }
    Granules::exactly(round_up(bytes, GRANULE)?)
}

/// [`block_size`] without any extras.
#[inline]
pub fn plain_block_size(size: usize) -> Option<Granules> {
    Granules::exactly(round_up(size.max(GRANULE).checked_add(HEADER)?, GRANULE)?)
}

/// [`plain_block_size`] of a size so small that no sum overflows.
#[inline(always)]
pub const fn small_block_size(size: usize) -> Granules {
    let data = if size < GRANULE { GRANULE } else { size };
    Granules((data + HEADER).div_ceil(GRANULE) as u32)
}

/// Bytes of data that a plain block of `size` holds.
pub const fn data_bytes(size: Granules) -> usize {
    size.bytes() - HEADER
}

#[cold]
fn extra_bytes(heap_flags: HeapFlags, call_flags: HeapFlags) -> usize {
    let mut bytes = 0;
    if (heap_flags | call_flags).intersects(WIDE_HEADER) {
        bytes += GRANULE - HEADER;
    }
    bytes + tail_bytes(heap_flags) + slot_bytes(heap_flags, call_flags)
}

/// Bytes of fill between the data and the user value.
fn tail_bytes(heap_flags: HeapFlags) -> usize {
    if heap_flags.contains(HeapFlags::TAIL_CHECKING_ENABLED) {
        GRANULE
    } else {
        0
    }
}

fn slot_bytes(heap_flags: HeapFlags, call_flags: HeapFlags) -> usize {
    let forced = if heap_flags.intersects(FORCED_SLOT) {
        GRANULE
    } else {
        0
    };
    let asked = if call_flags.contains(HeapFlags::SETTABLE_USER_VALUE) {
        GRANULE
    } else {
        0
    };
    forced + asked
}

/// The flags of a call that its block's header remembers, and as what.
const REMEMBERED: [(HeapFlags, EntryFlags); 4] = [
    (HeapFlags::SETTABLE_USER_VALUE, EntryFlags::USER_VALUE),
    (HeapFlags::SETTABLE_USER_FLAG1, EntryFlags::USER_FLAG1),
    (HeapFlags::SETTABLE_USER_FLAG2, EntryFlags::USER_FLAG2),
    (HeapFlags::SETTABLE_USER_FLAG3, EntryFlags::USER_FLAG3),
];

/// What a block's header remembers of an allocation's flags.
#[inline]
pub fn entry_flags(call_flags: HeapFlags) -> EntryFlags {
    const ANY: HeapFlags = HeapFlags::SETTABLE_USER_VALUE.union(HeapFlags::SETTABLE_USER_FLAGS);
    if !call_flags.intersects(ANY) {
        return EntryFlags::empty();
    }
    let asked = |(call, entry)| call_flags.contains(call).then_some(entry);
    REMEMBERED.into_iter().filter_map(asked).collect()
}

/// The flags an allocation must have had for a block with these header flags.
#[inline]
pub fn call_flags(entry: EntryFlags) -> HeapFlags {
    const ANY: EntryFlags = EntryFlags::USER_VALUE.union(EntryFlags::USER_FLAGS);
    if !entry.intersects(ANY) {
        return HeapFlags::empty();
    }
    let set = |(call, flag)| entry.contains(flag).then_some(call);
    REMEMBERED.into_iter().filter_map(set).collect()
}

/// Address of the two words behind a block's data, the second of which is the user value; `None` for
/// a block without one.
pub fn value_slot(heap: &Heap, block: &Block) -> Option<usize> {
    if !block.entry.flags.contains(EntryFlags::USER_VALUE) {
        return None;
    }
    // Aligned for its words and no further: behind the last of an odd size's bytes there is no room
    // to round up to a granule.
    let data = round_up(block.entry.requested(), HEADER)?;
    Some(block.user() + data + tail_bytes(heap.settings.flags))
}

/// Reads the two words of a block's slot; zeros for a block without one.
///
/// # Safety
/// 1. `block` is a busy block of the heap, whose lock is held.
pub unsafe fn read_slot(heap: &Heap, block: &Block) -> [usize; 2] {
    match value_slot(heap, block) {
        // SAFETY: (1): the slot lies inside the block and is aligned for its words.
        Some(slot) => unsafe { (slot as *const [usize; 2]).read() },
        None => [0; 2],
    }
}

/// Writes the two words of a block's slot, if it has one.
///
/// # Safety
/// 1. As for [`read_slot`].
pub unsafe fn write_slot(heap: &Heap, block: &Block, words: [usize; 2]) {
    if let Some(slot) = value_slot(heap, block) {
        // SAFETY: (1): the slot lies inside the block and is aligned for its words.
        unsafe { (slot as *mut [usize; 2]).write(words) }
    }
}
