//! NT's heap header: the fields programs look at, at the offsets where they look (10.4).
//!
//! It is a window, not the heap's state: the heap writes it and never reads it back, so a program
//! that scribbles over it harms nobody but those who look. The state is in [`crate::heap::Heap`].

use core::mem::offset_of;

use crate::units::{GRANULE, PAGE, POINTER, round_up};

/// `HEAP_SEGMENT.SegmentSignature`.
pub const SEGMENT_SIGNATURE: u32 = 0xFFEE_FFEE;
/// `HEAP.Signature`.
pub const HEAP_SIGNATURE: u32 = 0xEEFF_EEFF;

/// The first bytes of every segment (`_HEAP_SEGMENT`).
#[repr(C)]
pub struct SegmentHeader {
    entry: [usize; 2],
    /// [`SEGMENT_SIGNATURE`].
    pub segment_signature: u32,
    /// 0, or 2 for memory the caller owns.
    pub segment_flags: u32,
    segment_list_entry: [usize; 2],
    /// The heap's handle.
    pub heap: usize,
    /// Where the segment starts.
    pub base_address: usize,
    /// Pages reserved.
    pub number_of_pages: u32,
    /// Address of the first block.
    pub first_entry: usize,
    /// End of the last possible block.
    pub last_valid_entry: usize,
    number_of_uncommitted_pages: u32,
    number_of_uncommitted_ranges: u32,
    segment_allocator_back_trace_index: u16,
    reserved: u16,
    ucr_segment_list: [usize; 2],
}

/// The header of a heap (`_HEAP`): a segment header and what follows it.
#[repr(C)]
pub struct HeapHeader {
    /// The first segment's header.
    pub segment: SegmentHeader,
    /// Creation flags.
    pub flags: u32,
    /// Flags or-ed into every call's.
    pub force_flags: u32,
    compatibility_flags: u32,
    encode_flag_mask: u32,
    encoding: [u32; POINTER / 2],
    interceptor: u32,
    /// In granules.
    pub virtual_memory_threshold: u32,
    /// [`HEAP_SIGNATURE`].
    pub signature: u32,
    /// Bytes.
    pub segment_reserve: usize,
    /// Bytes.
    pub segment_commit: usize,
    /// Granules.
    pub decommit_free_block_threshold: usize,
    /// Granules.
    pub decommit_total_free_threshold: usize,
    total_free_size: usize,
    /// Bytes.
    pub maximum_allocation_size: usize,
    /// Slot in the process's heap list, plus one.
    pub process_heaps_list_index: u16,
    /// Bytes of header.
    pub header_validate_length: u16,
}

/// Pins an offset of the specification for both widths.
macro_rules! pin {
    ($type:ty, $($field:ident).+ = $x86:literal / $x64:literal) => {
        const _: () = assert!(
            offset_of!($type, $($field).+) == if POINTER == 8 { $x64 } else { $x86 }
        );
    };
}
pin!(HeapHeader, segment.segment_signature = 0x08 / 0x10);
pin!(HeapHeader, segment.segment_flags = 0x0C / 0x14);
pin!(HeapHeader, segment.heap = 0x18 / 0x28);
pin!(HeapHeader, segment.base_address = 0x1C / 0x30);
pin!(HeapHeader, segment.number_of_pages = 0x20 / 0x38);
pin!(HeapHeader, segment.first_entry = 0x24 / 0x40);
pin!(HeapHeader, segment.last_valid_entry = 0x28 / 0x48);
pin!(HeapHeader, flags = 0x40 / 0x70);
pin!(HeapHeader, force_flags = 0x44 / 0x74);
pin!(HeapHeader, virtual_memory_threshold = 0x5C / 0x94);
pin!(HeapHeader, signature = 0x60 / 0x98);
pin!(HeapHeader, segment_reserve = 0x64 / 0xA0);
pin!(HeapHeader, decommit_free_block_threshold = 0x6C / 0xB0);
pin!(HeapHeader, maximum_allocation_size = 0x78 / 0xC8);
pin!(HeapHeader, process_heaps_list_index = 0x7C / 0xD0);
pin!(HeapHeader, header_validate_length = 0x7E / 0xD2);

/// Bytes before the first block of a heap's first segment.
///
/// NT keeps its lists there. Ours are out of band, but the room is kept: a fixed heap of `A` bytes
/// must serve `A - (0x400 + 0x100*P)` and must not serve `A - (0x200 + 0x80*P)` (C072, C073).
pub const HEAP_HEADER_BYTES: usize = if POINTER == 8 { 0x740 } else { 0x480 };

/// First DWORD of the second page of a page heap; in its first page only two words tell something
/// (10.6).
pub const PAGE_HEAP_SIGNATURE: u32 = 0xFFEE_DDCC;
/// Every other byte of a page heap's first page.
pub const PAGE_HEAP_FILL: u8 = 0xEE;
/// Bytes before the first block of a page heap's first segment: a page, and the signature behind it.
pub const PAGE_HEAP_HEADER_BYTES: usize = PAGE + 4 * GRANULE;

/// Bytes of a light block of a page heap besides its user's: the stamps before and the pattern behind.
pub const LIGHT_BLOCK_AROUND: usize = LARGE_HEADER_BYTES + GRANULE;

/// Bytes before the first block of every later segment.
pub const SEGMENT_HEADER_BYTES: usize =
    round_up(size_of::<SegmentHeader>(), GRANULE).expect("small");

/// Where a large block's data starts: after its header, 64 KiB-aligned base plus this (3.1).
pub const LARGE_HEADER_BYTES: usize = 8 * POINTER;

/// `HeaderValidateLength` of Windows 8 and later.
pub const HEADER_VALIDATE_LENGTH: u16 = if POINTER == 8 { 0x2C0 } else { 0x248 };

const _: () = assert!(size_of::<HeapHeader>() <= HEAP_HEADER_BYTES);
const _: () = assert!(HEAP_HEADER_BYTES.is_multiple_of(GRANULE));
