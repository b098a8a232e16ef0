//! Section 13.1 of the conformance lines but for the process heap list: creation, caller memory,
//! destruction.

use core::ffi::c_void;
use core::ptr::{null, null_mut};

use rtl_heap_tests::abi::flags::*;
use rtl_heap_tests::abi::*;
use rtl_heap_tests::commit::{self, Manner};
use rtl_heap_tests::heap::*;
use rtl_heap_tests::last_error::observe;
use rtl_heap_tests::raise::{STATUS_NO_MEMORY, raised_by};
use rtl_heap_tests::vm::{self, Region};

/// `HeapCreate(0, n, n)` is tried for each of these.
fn small_sizes() -> impl Iterator<Item = usize> {
    (0x100..=0xFF00).step_by(0x100)
}

fn assert_at_granularity(heap: &TestHeap) {
    assert_eq!(heap.address() & 0xFFFF, 0, "{:#x}", heap.address());
}

fn whole_reservation(heap: &TestHeap) -> usize {
    let reservation = vm::reservation_at(heap.address()).expect("the heap's own reservation");
    assert_eq!(
        reservation.base,
        heap.address(),
        "the handle is the start of its reservation"
    );
    reservation.size
}

#[test]
fn c001_heap_create_returns_a_heap() {
    let heap = HeapCreate(0, 0, 0);
    assert!(!heap.is_null());
    TestHeap::adopt(heap).destroy();
}

#[test]
fn c002_handle_lies_at_the_allocation_granularity() {
    assert_at_granularity(&TestHeap::new());
}

#[test]
fn c003_fixed_heap_of_a_bytes() {
    assert_at_granularity(&TestHeap::create(0, A, A));
}

#[test]
fn c004_fixed_heap_of_8a_bytes() {
    assert_at_granularity(&TestHeap::create(0, 8 * A, 8 * A));
}

#[test]
fn c005_heap_without_serialisation() {
    assert_at_granularity(&TestHeap::create(HEAP_NO_SERIALIZE, 0, 0));
}

#[test]
fn c006_every_small_fixed_heap_can_be_made() {
    for size in small_sizes() {
        assert_at_granularity(&TestHeap::create(0, size, size));
    }
}

#[test]
fn c007_a_small_fixed_heap_reserves_its_size_in_commit_units() {
    for size in small_sizes() {
        let heap = TestHeap::create(0, size, size);
        assert_eq!(
            whole_reservation(&heap),
            round_up(size, COMMIT_UNIT),
            "{size:#x}"
        );
    }
}

#[test]
fn c008_the_default_reservation() {
    assert_eq!(whole_reservation(&TestHeap::new()), 0x1_0000);
}

#[test]
fn c009_initial_size_0x80000_reserves_0x90000() {
    let heap = TestHeap::create(HEAP_NO_SERIALIZE, 0x8_0000, 0);
    assert_eq!(whole_reservation(&heap), 0x9_0000);
}

#[test]
fn c010_initial_size_0x150000_reserves_0x160000() {
    let heap = TestHeap::create(HEAP_NO_SERIALIZE, 0x15_0000, 0);
    assert_eq!(whole_reservation(&heap), 0x16_0000);
}

#[test]
fn c019_destroy_with_live_blocks() {
    let heap = TestHeap::new();
    for size in [0, 1, 100, 0x4000, A, 5 * A] {
        let _ = heap.alloc(0, size);
    }
    assert_eq!(HeapDestroy(heap.handle()), TRUE);
    heap.forget();
}

#[test]
fn c020_the_process_heap_cannot_be_destroyed() {
    let heap = TestHeap::process();
    let mut block = heap.alloc(0, 100);
    block.write_pattern(1);
    let (destroyed, error) = observe(|| HeapDestroy(GetProcessHeap()));
    assert_eq!((destroyed, error), (FALSE, error::ERROR_INVALID_HANDLE));
    assert!(block.has_pattern(1, 100));
    heap.resize(0, &mut block, 1000);
    heap.free(block);
}

#[test]
fn c021_destroy_of_null() {
    assert!(RtlDestroyHeap(null_mut()).is_null());
}

#[test]
fn c022_rtl_destroy_of_a_private_heap() {
    let heap = TestHeap::new();
    assert!(RtlDestroyHeap(heap.handle()).is_null());
    heap.forget();
}

#[test]
fn c023_destroy_of_a_fake_header_returns_the_handle() {
    const HEAP_VALIDATE_PARAMETERS_ENABLED: u32 = 0x4000_0000;
    let region = Region::committed(0x1_0000);
    let flags_at = if P == 8 { 0x70 } else { 0x40 };
    let flags = region.base().wrapping_byte_add(flags_at).cast::<u32>();
    // SAFETY: the offset lies in the committed region.
    unsafe { flags.write(HEAP_VALIDATE_PARAMETERS_ENABLED) };
    assert_eq!(RtlDestroyHeap(region.base()), region.base());
    region.probe(0);
}

#[test]
fn c024_faulting_parameters() {
    let parameters = std::ptr::without_provenance(1);
    // SAFETY: nothing is mapped at the parameters, which the call allows.
    let heap = unsafe { RtlCreateHeap(HEAP_GROWABLE, null_mut(), 0, 0, null_mut(), parameters) };
    assert!(heap.is_null());
}

#[test]
fn c025_parameters_of_another_length_are_ignored() {
    let honoured = RTL_HEAP_PARAMETERS {
        VirtualMemoryThreshold: 0x1000,
        ..RTL_HEAP_PARAMETERS::new()
    };
    let fixed = TestHeap::rtl_with(0, 0x4_0000, 0, &honoured);
    fixed.assert_no_memory(0, 0x8000);
    for length in [0, honoured.Length - 1, honoured.Length + 1, u32::MAX] {
        let ignored = RTL_HEAP_PARAMETERS {
            Length: length,
            ..honoured
        };
        let heap = TestHeap::rtl_with(0, 0x4_0000, 0, &ignored);
        let _ = heap.alloc(0, 0x8000);
    }
}

#[test]
fn c026_no_serialize_with_a_lock() {
    let mut lock = [0usize; 16];
    let flags = HEAP_GROWABLE | HEAP_NO_SERIALIZE;
    let lock: *mut c_void = lock.as_mut_ptr().cast();
    // SAFETY: the lock is never used, for the call refuses the combination.
    let heap = unsafe { RtlCreateHeap(flags, null_mut(), 0, 0, lock, null()) };
    assert!(heap.is_null());
}

/// `RtlCreateHeap` over `region` with `parameters`.
fn create_over(flags: u32, region: &Region, parameters: &RTL_HEAP_PARAMETERS) -> HANDLE {
    // SAFETY: the region is the test's own and outlives the heap.
    unsafe { RtlCreateHeap(flags, region.base(), 0, 0, null_mut(), parameters) }
}

/// A region whose first page is committed.
fn region_with_one_page() -> Region {
    let region = Region::reserve(0x4_0000);
    region.commit(0, vm::PAGE);
    region
}

#[test]
fn c027_commit_routine_without_heap_base() {
    let region = region_with_one_page();
    let parameters = commit::parameters(&region, vm::PAGE);
    // SAFETY: no caller memory, no lock.
    let heap = unsafe { RtlCreateHeap(0, null_mut(), 0, 0, null_mut(), &parameters) };
    assert!(heap.is_null());
}

#[test]
fn c028_commit_routine_of_a_growable_heap() {
    let region = region_with_one_page();
    let parameters = commit::parameters(&region, vm::PAGE);
    assert!(create_over(HEAP_GROWABLE, &region, &parameters).is_null());
}

#[test]
fn c029_commit_routine_without_initial_commit() {
    let region = region_with_one_page();
    let parameters = commit::parameters(&region, 0);
    assert!(create_over(0, &region, &parameters).is_null());
}

#[test]
fn c030_commit_routine_without_initial_reserve() {
    let region = region_with_one_page();
    let parameters = RTL_HEAP_PARAMETERS {
        InitialReserve: 0,
        ..commit::parameters(&region, vm::PAGE)
    };
    assert!(create_over(0, &region, &parameters).is_null());
}

#[test]
fn c031_commit_routine_with_initial_commit_above_initial_reserve() {
    let region = region_with_one_page();
    let parameters = RTL_HEAP_PARAMETERS {
        InitialCommit: 0x2000,
        InitialReserve: 0x1000,
        ..commit::parameters(&region, vm::PAGE)
    };
    assert!(create_over(0, &region, &parameters).is_null());
}

#[test]
fn c032_commit_routine_heap_lies_at_its_base() {
    let region = region_with_one_page();
    let heap = create_over(0, &region, &commit::parameters(&region, vm::PAGE));
    assert_eq!(heap, region.base());
    let heap = TestHeap::adopt(heap);
    let mut block = heap.alloc(0, 0x8000);
    assert!(region.contains(block.address(), block.size()));
    block.write_pattern(2);
    assert!(block.has_pattern(2, 0x8000));
}

#[test]
fn c033_committed_heap_base_holds_the_blocks() {
    let region = Region::committed(0x4_0000);
    // SAFETY: the region is the test's own and outlives the heap.
    let heap = unsafe { RtlCreateHeap(0, region.base(), 0x4_0000, 0x4_0000, null_mut(), null()) };
    assert_eq!(heap, region.base());
    let heap = TestHeap::adopt(heap);
    let mut blocks = Vec::new();
    while let Some(block) = heap.try_alloc(0, 0x1000) {
        assert!(region.contains(block.address(), block.size()));
        blocks.push(block);
    }
    assert!(blocks.len() >= 0x38, "{} pages of 0x40", blocks.len());
}

#[test]
fn c034_heap_base_inside_its_region() {
    let region = Region::committed(0x4_0000);
    let base = region.base().wrapping_byte_add(0x1_0000);
    // SAFETY: the region is the test's own.
    let heap = unsafe { RtlCreateHeap(0, base, 0x1_0000, 0x1_0000, null_mut(), null()) };
    assert!(heap.is_null());
    region.probe(0x1_0000);
}

#[test]
fn c035_heap_base_in_free_memory() {
    // Another thread may take the released address before the call does; then it is tried again.
    let refused = (0..100).any(|_| {
        let base = Region::reserve(0x10_0000).base();
        // SAFETY: nothing is there, which the call has to find out.
        let heap = unsafe { RtlCreateHeap(0, base, 0x1_0000, 0x1_0000, null_mut(), null()) };
        heap.is_null()
    });
    assert!(refused);
}

#[test]
fn c036_destroy_leaves_caller_memory_alone() {
    let region = Region::committed(0x4_0000);
    // SAFETY: the region is the test's own and outlives the heap.
    let heap = unsafe { RtlCreateHeap(0, region.base(), 0x4_0000, 0x4_0000, null_mut(), null()) };
    TestHeap::adopt(heap).destroy();
    region.probe(0);
    region.probe(0x3_FFFF);
}

#[test]
fn c037_commit_routine_that_fails() {
    let region = region_with_one_page();
    let heap = TestHeap::adopt(create_over(
        0,
        &region,
        &commit::parameters(&region, vm::PAGE),
    ));
    commit::behave(Manner::Refuse);
    commit::asked();
    heap.assert_no_memory(0, 0x8000);
    assert!(!commit::asked().is_empty(), "the routine was asked");
    commit::behave(Manner::Obey);
    let _ = heap.alloc(0, 0x8000);
}

#[test]
fn c038_commit_routine_is_told_the_heap_base() {
    let region = region_with_one_page();
    commit::asked();
    let heap = TestHeap::adopt(create_over(
        0,
        &region,
        &commit::parameters(&region, vm::PAGE),
    ));
    let _ = heap.alloc(0, 0x8000);
    let asked = commit::asked();
    assert!(!asked.is_empty());
    for call in asked {
        assert_eq!(call.base, region.address());
        assert!(region.contains(call.address, call.size));
    }
}

#[test]
fn c039_commit_above_reserve_is_clamped() {
    let heap = TestHeap::rtl(0, 0x1_0000, 0x2_0000);
    assert_eq!(whole_reservation(&heap), 0x1_0000);
    assert!(vm::is_committed(heap.address() + 0xF000));
}

#[test]
fn c040_reserve_that_overflows() {
    for size in [usize::MAX, usize::MAX - 0xFFF, usize::MAX - 0x1_0000] {
        // SAFETY: no caller memory, no lock, no parameters.
        let heap = unsafe { RtlCreateHeap(HEAP_GROWABLE, null_mut(), size, 0, null_mut(), null()) };
        assert!(heap.is_null(), "reserve {size:#x}");
        // SAFETY: as above.
        let heap = unsafe { RtlCreateHeap(HEAP_GROWABLE, null_mut(), 0, size, null_mut(), null()) };
        assert!(heap.is_null(), "commit {size:#x}");
    }
}

#[test]
fn c041_without_growable_the_heap_is_fixed() {
    let heap = TestHeap::rtl(0, 0x1_0000, 0x1000);
    assert_eq!(whole_reservation(&heap), 0x1_0000);
    let mut total = 0;
    while let Some(block) = heap.try_alloc(0, 0x800) {
        assert_eq!(
            block.address() & !0xFFFF,
            heap.address(),
            "outside the reservation"
        );
        total += block.size();
    }
    assert!(
        (0xC000..0x1_0000).contains(&total),
        "{total:#x} bytes of 0x10000"
    );
}

#[test]
fn c042_generate_exceptions_raises_no_memory() {
    let heap = TestHeap::create(HEAP_GENERATE_EXCEPTIONS, 0x1_0000, 0x1_0000);
    let ((pointer, error), raised) =
        raised_by(|| observe(|| HeapAlloc(heap.handle(), 0, 0x2_0000)));
    assert!(pointer.is_null());
    assert_eq!(error, error::ERROR_NOT_ENOUGH_MEMORY);
    assert_eq!(raised.len(), 1);
    assert_eq!((raised[0].code, raised[0].flags), (STATUS_NO_MEMORY, 0));
    let _ = heap.alloc(0, 0x100);
}

#[test]
fn c043_zero_memory_of_the_heap_holds_for_every_block() {
    let heap = TestHeap::rtl(HEAP_GROWABLE | HEAP_ZERO_MEMORY, 0, 0);
    for size in [1, 16, 100, 1000, 0x2000, 0x1_0000] {
        for _ in 0..3 {
            let mut block = heap.alloc(0, size);
            assert!(block.is_filled(0), "{size:#x}");
            block.bytes_mut().fill(0xCC);
            heap.free(block);
        }
    }
}
