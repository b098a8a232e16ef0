//! Calls that act on whole heaps (specification 5.1): zero, protect, extend, flush, leaks.
#![cfg(not(all(feature = "oracle", windows)))]

use core::ffi::c_void;
use core::ptr::{null, null_mut};

use rtl_heap_tests::abi::flags::*;
use rtl_heap_tests::abi::own::*;
use rtl_heap_tests::abi::*;
use rtl_heap_tests::child;
use rtl_heap_tests::frontend::activate;
use rtl_heap_tests::heap::*;
use rtl_heap_tests::last_error::observe;
use rtl_heap_tests::vm::Region;
use rtl_heap_tests::walk::walk;

fn valid(heap: &TestHeap) -> bool {
    HeapValidate(heap.handle(), 0, null()) == TRUE
}

/// What is no heap.
fn strangers(heap: &TestHeap) -> [HANDLE; 3] {
    [
        null_mut(),
        heap.handle().wrapping_byte_add(0x10),
        0x4141_4140 as HANDLE,
    ]
}

#[test]
fn zeroing_leaves_nothing_of_what_was_freed() {
    for flags in [HEAP_GROWABLE, HEAP_GROWABLE | HEAP_DISABLE_COALESCE_ON_FREE] {
        let heap = TestHeap::rtl(flags, 0, 0x2_0000);
        let mut kept: Vec<_> = (0..40).map(|n| heap.alloc(0, 300 + n)).collect();
        for block in &mut kept {
            block.bytes_mut().fill(0x5A);
        }
        let freed: Vec<_> = kept
            .drain(..)
            .step_by(2)
            .map(|block| block.address())
            .collect();
        let kept: Vec<_> = freed
            .iter()
            .map(|_| heap.alloc(0, 20_000))
            .take(2)
            .collect();
        for address in &freed {
            assert_eq!(HeapFree(heap.handle(), 0, *address as *mut c_void), TRUE);
        }
        assert_eq!(RtlZeroHeap(heap.handle(), 0), status::STATUS_SUCCESS);
        assert!(valid(&heap));
        for address in freed {
            // Behind the links, and before what the block behind keeps of this one.
            let body = (address + 2 * P..address + 290).map(|at| at as *const u8);
            // SAFETY: the pages of small free blocks between live ones stay committed.
            let bytes: Vec<u8> = body.map(|at| unsafe { at.read_volatile() }).collect();
            assert!(
                bytes.iter().all(|byte| *byte != 0x5A),
                "{flags:#x}: {bytes:x?}"
            );
        }
        drop(kept);
        let again = heap.alloc(0, 250);
        assert_eq!(again.size(), 250);
    }
}

#[test]
fn zeroing_touches_no_live_block() {
    let heap = TestHeap::new();
    activate(&heap, 40);
    let mut blocks: Vec<_> = (0..500).map(|n| heap.alloc(0, n % 90 * 37)).collect();
    for (n, block) in blocks.iter_mut().enumerate() {
        block.bytes_mut().fill(n as u8);
    }
    for n in (0..500).step_by(3) {
        assert_eq!(HeapFree(heap.handle(), 0, blocks[n].pointer()), TRUE);
    }
    assert_eq!(RtlZeroHeap(heap.handle(), 0), status::STATUS_SUCCESS);
    for (n, block) in blocks.iter().enumerate().filter(|(n, _)| n % 3 != 0) {
        assert!(block.is_filled(n as u8), "block {n}");
    }
    assert!(valid(&heap));
    for stranger in strangers(&heap) {
        assert_eq!(RtlZeroHeap(stranger, 0), status::STATUS_INVALID_HANDLE);
    }
}

#[test]
fn a_protected_heap_is_read_and_not_used() {
    let heap = TestHeap::new();
    let mut block = heap.alloc(0, 100);
    let mut large = heap.alloc(0, 5 * A);
    block.bytes_mut().fill(7);
    activate(&heap, 24);
    let slots: Vec<_> = (0..30).map(|_| heap.alloc(0, 24)).collect();

    RtlProtectHeap(heap.handle(), 1);
    // Once more is no different.
    RtlProtectHeap(heap.handle(), 1);
    assert!(block.is_filled(7));
    let pointer = block.pointer();
    let unknown = error::ERROR_INVALID_HANDLE;
    assert_eq!(
        observe(|| HeapAlloc(heap.handle(), 0, 24)),
        (null_mut(), unknown)
    );
    assert_eq!(
        observe(|| HeapAlloc(heap.handle(), 0, 5 * A)),
        (null_mut(), unknown)
    );
    assert_eq!(
        observe(|| HeapFree(heap.handle(), 0, pointer)),
        (FALSE, unknown)
    );
    let slot = slots[0].pointer();
    assert_eq!(
        observe(|| HeapFree(heap.handle(), 0, slot)),
        (FALSE, unknown)
    );
    let large_pointer = large.pointer();
    assert_eq!(
        observe(|| HeapFree(heap.handle(), 0, large_pointer)),
        (FALSE, unknown)
    );
    assert_eq!(
        observe(|| HeapReAlloc(heap.handle(), 0, pointer, 8)),
        (null_mut(), unknown)
    );
    assert_eq!(
        observe(|| HeapSize(heap.handle(), 0, pointer)),
        (usize::MAX, unknown)
    );
    assert!(!valid(&heap));
    assert_eq!(HeapDestroy(heap.handle()), FALSE);
    assert_eq!(RtlZeroHeap(heap.handle(), 0), status::STATUS_INVALID_HANDLE);
    // What goes over all heaps leaves it alone; others come and go.
    RtlFlushHeaps();
    assert_eq!(RtlValidateProcessHeaps(), 1);
    drop(TestHeap::new());
    // A large block is in no segment.
    large.bytes_mut().fill(1);

    RtlProtectHeap(heap.handle(), 0);
    assert!(valid(&heap));
    block.bytes_mut().fill(8);
    assert_eq!(HeapFree(heap.handle(), 0, pointer), TRUE);
    assert_eq!(HeapFree(heap.handle(), 0, slot), TRUE);
    let more: Vec<_> = (0..1000).map(|n| heap.alloc(0, n)).collect();
    assert_eq!(more.len(), 1000);
    assert!(valid(&heap));
}

#[test]
fn a_protected_heap_that_nobody_serialises_is_not_used_either() {
    let heap = TestHeap::create(HEAP_NO_SERIALIZE, 0, 0);
    let block = heap.alloc(0, 64);
    heap.free(heap.alloc(0, 64));
    RtlProtectHeap(heap.handle(), 1);
    let unknown = error::ERROR_INVALID_HANDLE;
    let allocate = || HeapAlloc(heap.handle(), 0, 64);
    assert_eq!(observe(allocate), (null_mut(), unknown));
    let free = || HeapFree(heap.handle(), 0, block.pointer());
    assert_eq!(observe(free), (FALSE, unknown));
    RtlProtectHeap(heap.handle(), 0);
    heap.free(block);
    heap.free(heap.alloc(0, 64));
}

#[test]
fn a_store_into_a_protected_heap_faults() {
    let ending = child::run("a_store_into_a_protected_heap_faults", || {
        let heap = TestHeap::new();
        let mut block = heap.alloc(0, 100);
        RtlProtectHeap(heap.handle(), 1);
        block.bytes_mut()[0] = 1;
    });
    assert!(ending.was_access_violation(), "{ending:?}");
}

#[test]
fn protecting_what_is_no_heap_is_an_error() {
    let heap = TestHeap::new();
    for stranger in strangers(&heap) {
        let protect = || RtlProtectHeap(stranger, 1);
        assert_eq!(observe(protect), ((), error::ERROR_INVALID_HANDLE));
    }
}

#[test]
fn a_fixed_heap_takes_the_caller_s_memory_as_a_segment() {
    // The heap ends before the memory does.
    let memory = Region::committed(0x4_0000);
    let heap = TestHeap::create(0, 0x1_0000, 0x1_0000);
    let size = 0x1_8000;
    assert!(heap.try_alloc(0, size).is_none());
    // SAFETY: the memory is nobody else's and outlives the heap.
    let extend = || unsafe { RtlExtendHeap(heap.handle(), 0, memory.base(), memory.size()) };
    assert_eq!(extend(), status::STATUS_SUCCESS);
    let block = heap.alloc(0, size);
    assert!(memory.contains(block.address(), size));
    assert!(valid(&heap));
    let regions = |heap| {
        walk(heap)
            .iter()
            .filter(|it| it.wFlags == entry::PROCESS_HEAP_REGION)
            .count()
    };
    assert_eq!(regions(&heap), 2);
    // Empty, it stays the heap's.
    assert_eq!(HeapFree(heap.handle(), 0, block.pointer()), TRUE);
    HeapCompact(heap.handle(), 0);
    assert_eq!(regions(&heap), 2);
    assert!(memory.contains(heap.alloc(0, size).address(), size));
    // Not a second time.
    assert_eq!(extend(), status::STATUS_INVALID_PARAMETER);
    drop(heap);
    // And it is the caller's again.
    memory.probe(0x3_F000);
}

#[test]
fn memory_that_is_only_reserved_is_committed_as_needed() {
    let memory = Region::reserve(0x10_0000);
    let heap = TestHeap::create(0, 0x1_0000, 0x1_0000);
    // SAFETY: the memory is nobody else's and outlives the heap.
    let extended = unsafe { RtlExtendHeap(heap.handle(), 0, memory.base(), memory.size()) };
    assert_eq!(extended, status::STATUS_SUCCESS);
    let mut block = heap.alloc(0, 0x7_0000);
    block.bytes_mut().fill(1);
    assert!(memory.contains(block.address(), 0x7_0000));
    assert!(valid(&heap));
    drop(heap);
}

#[test]
fn memory_that_could_be_no_heap_is_refused() {
    let memory = Region::committed(0x2_0000);
    let heap = TestHeap::new();
    let before = walk(&heap);
    let extend = |heap, base: *mut c_void, size| {
        // SAFETY: it could not be a heap's.
        unsafe { RtlExtendHeap(heap, 0, base, size) }
    };
    let refused = status::STATUS_INVALID_PARAMETER;
    assert_eq!(extend(heap.handle(), null_mut(), 0x1_0000), refused);
    let inside = memory.base().wrapping_byte_add(0x1_0000);
    assert_eq!(extend(heap.handle(), inside, 0x1_0000), refused);
    let odd = memory.base().wrapping_byte_add(8);
    assert_eq!(extend(heap.handle(), odd, 0x1_0000), refused);
    assert_eq!(extend(heap.handle(), heap.handle(), 0x1_0000), refused);
    for stranger in strangers(&heap) {
        let no_heap = extend(stranger, memory.base(), memory.size());
        assert_eq!(no_heap, status::STATUS_INVALID_HANDLE);
    }
    assert_eq!(walk(&heap), before);
}

#[test]
fn flushing_gives_back_what_is_kept() {
    let heap = TestHeap::new();
    let reserved = |heap: &TestHeap| {
        let mut summary = HEAP_SUMMARY {
            cb: size_of::<HEAP_SUMMARY>() as u32,
            ..Default::default()
        };
        assert_eq!(HeapSummary(heap.handle(), 0, Some(&mut summary)), TRUE);
        summary.cbReserved
    };
    let first = reserved(&heap);
    let block = heap.alloc(0, 0x6_0000);
    let grown = reserved(&heap);
    assert!(grown > first);
    assert_eq!(HeapFree(heap.handle(), 0, block.pointer()), TRUE);
    assert_eq!(
        reserved(&heap),
        grown,
        "the segment is kept for the next request"
    );
    RtlFlushHeaps();
    assert_eq!(reserved(&heap), first);
    assert!(valid(&heap));
}

#[test]
fn leaks_are_reported_at_exit_and_when_asked_for() {
    let ending = child::run("leaks_are_reported_at_exit_and_when_asked_for", || {
        RtlDetectHeapLeaks();
        eprintln!("on");
        assert_eq!(rtlheap_report_leaks_at_exit(), TRUE);
        assert_eq!(rtlheap_report_leaks_at_exit(), TRUE);
        let (clean, leaky) = (TestHeap::new(), TestHeap::new());
        let _blocks = (leaky.alloc(0, 100), leaky.alloc(0, 5 * A));
        eprintln!("clean {:#x} leaky {:#x}", clean.address(), leaky.address());
        std::mem::forget((clean, leaky));
    });
    assert!(ending.survived(), "{ending:?}");
    let (before, after) = ending.stderr.split_once("on\n").unwrap();
    assert!(
        !before.contains("leak"),
        "nothing while it is off: {before}"
    );
    let names = after.lines().next().unwrap();
    let mut words = names.split_whitespace().skip(1).step_by(2);
    let (clean, leaky) = (words.next().unwrap(), words.next().unwrap());
    let reports = |heap: &str| {
        let of_it = format!("leak: heap {heap}, 2 blocks, {} bytes", 100 + 5 * A);
        after.matches(&of_it).count()
    };
    assert_eq!((reports(clean), reports(leaky)), (0, 1), "{after}");
    assert!(!after.contains(&format!("heap {clean},")), "{after}");
}

#[test]
fn zeroing_a_heap_that_checks_free_memory_keeps_its_pattern() {
    let heap = TestHeap::rtl(HEAP_GROWABLE | HEAP_FREE_CHECKING_ENABLED, 0, 0);
    let blocks: Vec<_> = (0..50).map(|n| heap.alloc(0, 100 + n)).collect();
    for block in blocks.iter().step_by(2) {
        assert_eq!(HeapFree(heap.handle(), 0, block.pointer()), TRUE);
    }
    assert_eq!(RtlZeroHeap(heap.handle(), 0), status::STATUS_SUCCESS);
    assert!(valid(&heap));
    // SAFETY: the pages of small free blocks between live ones stay committed.
    let word = unsafe {
        blocks[0]
            .pointer()
            .wrapping_byte_add(32)
            .cast::<u32>()
            .read_volatile()
    };
    assert_eq!(word, 0xFEEE_FEEE);
}
