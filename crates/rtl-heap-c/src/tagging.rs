//! The class `HeapTaggingInformation`: bytes by tag, in one buffer (specification 9).

#![allow(non_camel_case_types, clippy::upper_case_acronyms)]

use rtl_heap::nt;
use rtl_heap::status::Status;

use crate::pin::pin_layout;
use crate::rtl::handle;
use crate::types::{HANDLE, PSIZE_T, PVOID, SIZE_T, ULONG, USHORT};

/// NT's 128-bit name.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GUID {
    /// Of a tag its index.
    pub Data1: ULONG,
    /// 0.
    pub Data2: USHORT,
    /// 0.
    pub Data3: USHORT,
    /// Zeros.
    pub Data4: [u8; 8],
}

/// A tag with bytes under it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RTLP_TAG_INFO {
    /// Which one.
    pub Id: GUID,
    /// Bytes asked for in blocks that live.
    pub CurrentAllocatedBytes: SIZE_T,
}

/// What the class is asked with and answers.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RTLP_HEAP_TAGGING_INFO {
    /// 1.
    pub Version: USHORT,
    /// 0.
    pub Flags: USHORT,
    /// NULL: this process.
    pub ProcessHandle: HANDLE,
    /// Answered: how many entries there are.
    pub EntriesCount: SIZE_T,
    /// As many as fit.
    pub Entries: [RTLP_TAG_INFO; 1],
}

pin_layout!(
    GUID,
    16 / 16,
    Data1 = 0 / 0,
    Data2 = 4 / 4,
    Data3 = 6 / 6,
    Data4 = 8 / 8
);
pin_layout!(
    RTLP_TAG_INFO,
    20 / 24,
    Id = 0 / 0,
    CurrentAllocatedBytes = 16 / 16
);
pin_layout!(
    RTLP_HEAP_TAGGING_INFO,
    32 / 48,
    Version = 0 / 0,
    Flags = 2 / 2,
    ProcessHandle = 4 / 8,
    EntriesCount = 8 / 16,
    Entries = 12 / 24
);

/// Bytes before the entries.
const HEAD: usize = core::mem::offset_of!(RTLP_HEAP_TAGGING_INFO, Entries);

/// Visits what has bytes under it: of a heap its own tags and the pseudo tags; without a heap the
/// process's tags. How an index is made a name of 128 bits is our choice.
fn for_each(heap: PVOID, mut visit: impl FnMut(RTLP_TAG_INFO)) -> Result<(), Status> {
    let heap = (!heap.is_null()).then(|| handle(heap));
    nt::for_each_tag(heap, |tag| {
        if tag.bytes != 0 {
            visit(RTLP_TAG_INFO {
                Id: GUID {
                    Data1: tag.index.0.into(),
                    Data2: 0,
                    Data3: 0,
                    Data4: [0; 8],
                },
                CurrentAllocatedBytes: tag.bytes,
            });
        }
    })
}

/// Answers the class. `*returned` is the length that all entries need, in any case.
///
/// # Errors
/// `BUFFER_TOO_SMALL` for less than the head, and when not every entry fitted: then those that did
/// are there. `INVALID_PARAMETER` for another version or process; `INVALID_HANDLE` for what is no
/// heap.
///
/// # Safety
/// 1. `buffer` has `length` bytes to read and write, and `returned` a number, or they are NULL.
pub unsafe fn query(
    heap: PVOID,
    buffer: PVOID,
    length: SIZE_T,
    returned: PSIZE_T,
) -> Result<(), Status> {
    let mut count = 0;
    for_each(heap, |_| count += 1)?;
    if !returned.is_null() {
        // SAFETY: (1).
        unsafe { returned.write_unaligned(HEAD + count * size_of::<RTLP_TAG_INFO>()) };
    }
    if buffer.is_null() || length < HEAD {
        return Err(Status::BUFFER_TOO_SMALL);
    }
    let info = buffer.cast::<RTLP_HEAP_TAGGING_INFO>();
    // SAFETY: (1): the head is there.
    let (version, process) = unsafe {
        (
            (&raw const (*info).Version).read_unaligned(),
            (&raw const (*info).ProcessHandle).read_unaligned(),
        )
    };
    if version != 1 || !process.is_null() {
        return Err(Status::INVALID_PARAMETER);
    }
    let room = (length - HEAD) / size_of::<RTLP_TAG_INFO>();
    let first = buffer.wrapping_byte_add(HEAD).cast::<RTLP_TAG_INFO>();
    let mut found = 0;
    for_each(heap, |entry| {
        if found < room {
            // SAFETY: (1): there is room.
            unsafe { first.wrapping_add(found).write_unaligned(entry) };
        }
        found += 1;
    })?;
    // SAFETY: (1): the head is there.
    unsafe { (&raw mut (*info).EntriesCount).write_unaligned(found) };
    if found > room {
        return Err(Status::BUFFER_TOO_SMALL);
    }
    Ok(())
}
