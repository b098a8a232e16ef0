//! NtGlobalFlag: the process-wide word that makes every heap a debug heap (10.1).
//!
//! On Windows the process has one. Elsewhere, and there too where it is set, the environment
//! variable `RTLHEAP_GLOBAL_FLAG` says what it is, as a number or in the words of `gflags`:
//! `0x70`, `112`, `htc,hfc,hpc`. It is read once, before the first heap is made; [`set`] replaces it
//! for the heaps made from then on.

use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use bitflags::bitflags;

use crate::flags::HeapFlags;
use crate::host;

bitflags! {
    /// The bits of NtGlobalFlag that mean something to a heap. Others are kept and do nothing.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct GlobalFlags: u32 {
        /// `FLG_HEAP_ENABLE_TAIL_CHECK`, `htc`: the bytes behind each block are filled and checked.
        const HEAP_ENABLE_TAIL_CHECK = 0x10;
        /// `FLG_HEAP_ENABLE_FREE_CHECK`, `hfc`: free memory is filled and checked.
        const HEAP_ENABLE_FREE_CHECK = 0x20;
        /// `FLG_HEAP_VALIDATE_PARAMETERS`, `hpc`: every call looks at its block.
        const HEAP_VALIDATE_PARAMETERS = 0x40;
        /// `FLG_HEAP_VALIDATE_ALL`, `hvc`: every call looks at the whole heap.
        const HEAP_VALIDATE_ALL = 0x80;
        /// `FLG_HEAP_ENABLE_TAGGING`, `htg`.
        const HEAP_ENABLE_TAGGING = 0x800;
        /// `FLG_USER_STACK_TRACE_DB`, `ust`: who allocated a block is remembered.
        const USER_STACK_TRACE_DB = 0x1000;
        /// `FLG_HEAP_ENABLE_TAG_BY_DLL`, `htd`.
        const HEAP_ENABLE_TAG_BY_DLL = 0x8000;
        /// `FLG_HEAP_DISABLE_COALESCING`, `dhc`: free neighbours are not merged.
        const HEAP_DISABLE_COALESCING = 0x20_0000;
        /// `FLG_HEAP_PAGE_ALLOCS`, `hpa`: page heap.
        const HEAP_PAGE_ALLOCS = 0x0200_0000;
    }
}

/// The words of `gflags` for them.
const WORDS: [(&[u8; 3], GlobalFlags); 9] = [
    (b"htc", GlobalFlags::HEAP_ENABLE_TAIL_CHECK),
    (b"hfc", GlobalFlags::HEAP_ENABLE_FREE_CHECK),
    (b"hpc", GlobalFlags::HEAP_VALIDATE_PARAMETERS),
    (b"hvc", GlobalFlags::HEAP_VALIDATE_ALL),
    (b"htg", GlobalFlags::HEAP_ENABLE_TAGGING),
    (b"ust", GlobalFlags::USER_STACK_TRACE_DB),
    (b"htd", GlobalFlags::HEAP_ENABLE_TAG_BY_DLL),
    (b"dhc", GlobalFlags::HEAP_DISABLE_COALESCING),
    (b"hpa", GlobalFlags::HEAP_PAGE_ALLOCS),
];

/// What each bit adds to the flags of a heap.
const ADDED: [(GlobalFlags, HeapFlags); 8] = {
    const CHECKS: HeapFlags =
        HeapFlags::TAIL_CHECKING_ENABLED.union(HeapFlags::FREE_CHECKING_ENABLED);
    [
        (
            GlobalFlags::HEAP_ENABLE_TAIL_CHECK,
            HeapFlags::TAIL_CHECKING_ENABLED,
        ),
        (
            GlobalFlags::HEAP_ENABLE_FREE_CHECK,
            HeapFlags::FREE_CHECKING_ENABLED,
        ),
        (
            GlobalFlags::HEAP_VALIDATE_PARAMETERS,
            HeapFlags::VALIDATE_PARAMETERS_ENABLED.union(CHECKS),
        ),
        (
            GlobalFlags::HEAP_VALIDATE_ALL,
            HeapFlags::VALIDATE_ALL_ENABLED.union(CHECKS),
        ),
        (GlobalFlags::HEAP_ENABLE_TAGGING, HeapFlags::TAGGING_ENABLED),
        (
            GlobalFlags::USER_STACK_TRACE_DB,
            HeapFlags::CAPTURE_STACK_BACKTRACES,
        ),
        (
            GlobalFlags::HEAP_DISABLE_COALESCING,
            HeapFlags::DISABLE_COALESCE_ON_FREE,
        ),
        (GlobalFlags::HEAP_PAGE_ALLOCS, HeapFlags::PAGE_ALLOCS),
    ]
};

impl GlobalFlags {
    /// What a text says: numbers (`0x70`, `112`) and words of `gflags` (`htc`, `hpa`), separated by
    /// commas, blanks or plus signs; all of them together. What is neither is passed over.
    pub fn parse(text: &[u8]) -> GlobalFlags {
        text.split(|byte| matches!(byte, b',' | b'+' | b' ' | b';'))
            .filter_map(term)
            .collect()
    }

    /// What a heap made under these flags has in its own (10.1).
    #[inline]
    pub fn heap_flags(self) -> HeapFlags {
        if self.is_empty() {
            return HeapFlags::empty();
        }
        self.added()
    }

    #[cold]
    fn added(self) -> HeapFlags {
        ADDED
            .into_iter()
            .filter_map(|(global, heap)| self.contains(global).then_some(heap))
            .collect()
    }
}

fn term(text: &[u8]) -> Option<GlobalFlags> {
    let is = |word: &[u8]| text.eq_ignore_ascii_case(word);
    if let Some((_, flag)) = WORDS.into_iter().find(|(word, _)| is(*word)) {
        return Some(flag);
    }
    let text = core::str::from_utf8(text).ok()?;
    let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    match hexadecimal {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => text.parse(),
    }
    .ok()
    .map(GlobalFlags::from_bits_retain)
}

/// The flags, and [`KNOWN`] once they are.
static FLAGS: AtomicU64 = AtomicU64::new(0);
const KNOWN: u64 = 1 << 32;

/// The flags in force for heaps that are made now.
#[doc(alias = "RtlGetNtGlobalFlags")]
pub fn get() -> GlobalFlags {
    let known = FLAGS.load(Ordering::Relaxed);
    if known & KNOWN != 0 {
        return GlobalFlags::from_bits_retain(known as u32);
    }
    let read = of_the_process().bits();
    // Whoever has read or set them meanwhile has done so first.
    let known = FLAGS
        .compare_exchange(
            0,
            u64::from(read) | KNOWN,
            Ordering::Relaxed,
            Ordering::Relaxed,
        )
        .map_or_else(|other| other as u32, |_| read);
    GlobalFlags::from_bits_retain(known)
}

/// What the environment says, else the process's own.
#[cold]
fn of_the_process() -> GlobalFlags {
    const LONGEST: usize = 256;
    let mut value = [0; LONGEST];
    match host::read_environment("RTLHEAP_GLOBAL_FLAG", &mut value) {
        Some(length) => GlobalFlags::parse(&value[..length]),
        None => GlobalFlags::from_bits_retain(host::nt_global_flags()),
    }
}

/// Sets the flags for heaps that are made from now on, in place of those of the environment or the
/// process. Returns those before.
pub fn set(flags: GlobalFlags) -> GlobalFlags {
    let before = get();
    FLAGS.store(u64::from(flags.bits()) | KNOWN, Ordering::Relaxed);
    before
}

/// How a page heap keeps its blocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PageHeap {
    /// With stamps before and a pattern behind them.
    Light,
    /// With pages of their own besides: what is behind a block faults, and what was freed.
    Full,
}

/// The kind of the page heaps that are made now: 0 unknown, else one more than the kind's number.
static PAGE_HEAP: AtomicU8 = AtomicU8::new(0);

/// The kind of the page heaps that are made now. Full, unless the environment variable
/// `RTLHEAP_PAGE_HEAP` says `light`.
pub fn page_heap() -> PageHeap {
    match PAGE_HEAP.load(Ordering::Relaxed) {
        0 => {}
        1 => return PageHeap::Light,
        _ => return PageHeap::Full,
    }
    let mut value = [0; 16];
    let length = host::read_environment("RTLHEAP_PAGE_HEAP", &mut value).unwrap_or(0);
    let kind = match value[..length].eq_ignore_ascii_case(b"light") {
        true => PageHeap::Light,
        false => PageHeap::Full,
    };
    // Whoever has set it meanwhile has done so first.
    let set = PAGE_HEAP.compare_exchange(0, 1 + kind as u8, Ordering::Relaxed, Ordering::Relaxed);
    match set {
        Err(1) => PageHeap::Light,
        Err(_) => PageHeap::Full,
        Ok(_) => kind,
    }
}

/// Sets the kind of the page heaps that are made from now on, in place of the environment's.
pub fn set_page_heap(kind: PageHeap) {
    PAGE_HEAP.store(1 + kind as u8, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_words_are_read() {
        let bits = |text: &str| GlobalFlags::parse(text.as_bytes()).bits();
        assert_eq!(bits("0x70"), 0x70);
        assert_eq!(bits("112"), 0x70);
        assert_eq!(bits("htc,hfc,hpc"), 0x70);
        assert_eq!(bits("+HTC +hpa"), 0x0200_0010);
        assert_eq!(bits("0x1000, hvc"), 0x1080);
        assert_eq!(bits("dhc htg htd ust"), 0x20_9800);
    }

    #[test]
    fn what_cannot_be_read_counts_for_nothing() {
        for text in [
            "",
            "on",
            "0x",
            "-1",
            "0x1_0",
            "4294967296",
            "htcx",
            "\u{e9}",
        ] {
            assert_eq!(GlobalFlags::parse(text.as_bytes()).bits(), 0, "{text}");
        }
        assert_eq!(GlobalFlags::parse(b"on,hfc").bits(), 0x20);
    }

    #[test]
    fn validation_brings_the_checks_it_needs() {
        let heap = |bits| GlobalFlags::from_bits_retain(bits).heap_flags().bits();
        assert_eq!(heap(0x40), 0x4000_0060);
        assert_eq!(heap(0x80), 0x2000_0060);
        assert_eq!(heap(0x400 | 0x8000), 0);
    }
}
