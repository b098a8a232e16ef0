//! `RtlCreateTagHeap` and `RtlQueryTagHeap` (specification 5.2).

#![allow(non_camel_case_types, clippy::upper_case_acronyms)]

use core::ptr;

use rtl_heap::nt::{self, NAME_UNITS, TagInfo, TagName};

use crate::exports::exports;
use crate::last_error::fail;
use crate::pin::pin_layout;
use crate::rtl::handle;
use crate::types::{BOOLEAN, PCWSTR, PVOID, PWSTR, SIZE_T, ULONG, USHORT, WCHAR};

/// What was counted under a tag.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RTL_HEAP_TAG_INFO {
    /// Blocks allocated.
    pub NumberOfAllocations: ULONG,
    /// Of them, freed.
    pub NumberOfFrees: ULONG,
    /// Bytes asked for in those that live.
    pub BytesAllocated: SIZE_T,
}

/// A tag in the lists of `RtlQueryProcessHeapInformation`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RTL_HEAP_TAG {
    /// Blocks allocated.
    pub NumberOfAllocations: ULONG,
    /// Of them, freed.
    pub NumberOfFrees: ULONG,
    /// Bytes asked for in those that live.
    pub BytesAllocated: SIZE_T,
    /// Its index.
    pub TagIndex: USHORT,
    /// 0: who defined it is not recorded.
    pub CreatorBackTraceIndex: USHORT,
    /// Its name.
    pub TagName: [WCHAR; NAME_UNITS],
}

pin_layout!(
    RTL_HEAP_TAG_INFO,
    12 / 16,
    NumberOfAllocations = 0 / 0,
    NumberOfFrees = 4 / 4,
    BytesAllocated = 8 / 8
);
pin_layout!(
    RTL_HEAP_TAG,
    64 / 72,
    NumberOfAllocations = 0 / 0,
    NumberOfFrees = 4 / 4,
    BytesAllocated = 8 / 8,
    TagIndex = 12 / 16,
    CreatorBackTraceIndex = 14 / 18,
    TagName = 16 / 20
);

/// Where a caller has its counters.
pub type PRTL_HEAP_TAG_INFO = *mut RTL_HEAP_TAG_INFO;
/// A list of tags.
pub type PRTL_HEAP_TAG = *mut RTL_HEAP_TAG;

impl From<&TagInfo> for RTL_HEAP_TAG {
    fn from(tag: &TagInfo) -> RTL_HEAP_TAG {
        RTL_HEAP_TAG {
            NumberOfAllocations: tag.allocations,
            NumberOfFrees: tag.frees,
            BytesAllocated: tag.bytes,
            TagIndex: tag.index.0,
            CreatorBackTraceIndex: 0,
            TagName: tag.name,
        }
    }
}

/// The units of a string up to its zero.
///
/// # Safety
/// 1. `text` is NULL or a string that ends with a zero, and stays while the result is used.
unsafe fn units<'a>(text: PCWSTR) -> &'a [WCHAR] {
    if text.is_null() {
        return &[];
    }
    let mut length = 0;
    // SAFETY: (1): nothing is read behind the zero.
    unsafe {
        while text.add(length).read() != 0 {
            length += 1;
        }
        core::slice::from_raw_parts(text, length)
    }
}

/// `prefix` and `name` in one, as far as there is room.
fn tag_name(prefix: &[WCHAR], name: &[WCHAR]) -> TagName {
    let mut whole = [0; NAME_UNITS];
    let room = whole[..NAME_UNITS - 1].iter_mut();
    for (to, from) in room.zip(prefix.iter().chain(name)) {
        *to = *from;
    }
    whole
}

fn heap_or_process(heap: PVOID) -> Option<nt::HeapHandle> {
    (!heap.is_null()).then(|| handle(heap))
}

exports! { nt:
    /// Defines a tag for each of `TagNames`: strings one behind the other, an empty one last. Each
    /// name is preceded by `TagPrefix`, unless that is NULL, and cut to 23 characters. Returns the
    /// first tag as an allocation's flags have it; the others follow in steps of `1 << 18`.
    ///
    /// 0 on failure: `STATUS_INVALID_PARAMETER` for a heap without tagging, no name or too many, a
    /// NULL list; `STATUS_INVALID_HANDLE` for what is no heap. A NULL heap stands for the process,
    /// whose tags every heap with tagging counts for. `Flags` mean nothing.
    ///
    /// # Safety
    /// 1. Both are NULL or end as described.
    pub unsafe extern "system" fn RtlCreateTagHeap(
        HeapHandle: PVOID,
        Flags: ULONG,
        TagPrefix: PCWSTR,
        TagNames: PCWSTR,
    ) -> ULONG {
        let _ = Flags;
        // SAFETY: (1).
        let prefix = unsafe { units(TagPrefix) };
        let mut at = TagNames;
        let names = core::iter::from_fn(move || {
            // SAFETY: (1): the list goes on behind a string that is not empty.
            let name = unsafe { units(at) };
            at = at.wrapping_add(name.len() + 1);
            (!name.is_empty()).then(|| tag_name(prefix, name))
        });
        match nt::create_tags(heap_or_process(HeapHandle), names) {
            Ok(first) => first.as_flags(),
            Err(status) => {
                fail(status);
                0
            }
        }
    }

    /// The name of a tag, which stays where it is as long as the heap lives; its counters go to
    /// `TagInfo` unless that is NULL, and start again with `ResetCounters`, but for the bytes.
    ///
    /// NULL and `STATUS_INVALID_PARAMETER` where there is no such tag; NULL and
    /// `STATUS_INVALID_HANDLE` for what is no heap. A NULL heap stands for the process. `Flags` mean
    /// nothing.
    ///
    /// # Safety
    /// 1. `TagInfo` is NULL or can be written to.
    pub unsafe extern "system" fn RtlQueryTagHeap(
        HeapHandle: PVOID,
        Flags: ULONG,
        TagIndex: USHORT,
        ResetCounters: BOOLEAN,
        TagInfo: PRTL_HEAP_TAG_INFO,
    ) -> PWSTR {
        let _ = Flags;
        let (heap, index) = (heap_or_process(HeapHandle), nt::TagIndex(TagIndex));
        let found = nt::tag_name(heap, index)
            .and_then(|name| Ok((name, nt::query_tag(heap, index, ResetCounters != 0)?)));
        match found {
            Ok((name, info)) => {
                if !TagInfo.is_null() {
                    let counters = RTL_HEAP_TAG_INFO {
                        NumberOfAllocations: info.allocations,
                        NumberOfFrees: info.frees,
                        BytesAllocated: info.bytes,
                    };
                    // SAFETY: (1).
                    unsafe { TagInfo.write(counters) };
                }
                name.as_ptr().cast_mut()
            }
            Err(status) => {
                fail(status);
                ptr::null_mut()
            }
        }
    }
}
