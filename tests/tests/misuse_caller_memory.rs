//! Misuse group H: `RtlCreateHeap` with caller memory. Each test is one row of the catalogue.
#![cfg(not(all(feature = "oracle", windows)))]

use core::cell::UnsafeCell;
use core::ffi::c_void;
use core::ptr::{null, null_mut};

use rtl_heap_tests::abi::flags::*;
use rtl_heap_tests::abi::*;
use rtl_heap_tests::commit::{self, Manner};
use rtl_heap_tests::heap::*;
use rtl_heap_tests::resource::Resource;
use rtl_heap_tests::vm::{PAGE, Region};

/// `RtlCreateHeap` over memory at `base`, of `size` bytes by the caller's account.
fn create_at(base: *mut c_void, size: usize) -> HANDLE {
    // SAFETY: no test uses the memory otherwise; the call has to find out whether it is memory at
    // all.
    unsafe { RtlCreateHeap(0, base, size, size, null_mut(), null()) }
}

fn create_with(flags: u32, base: *mut c_void, parameters: *const RTL_HEAP_PARAMETERS) -> HANDLE {
    // SAFETY: as above.
    unsafe { RtlCreateHeap(flags, base, 0, 0, null_mut(), parameters) }
}

/// Memory the library did not reserve, aligned as a heap needs it.
#[repr(C, align(65536))]
struct Plain(UnsafeCell<[u8; 0x4_0000]>);

impl Plain {
    fn base(&self) -> *mut c_void {
        self.0.get().cast()
    }
}

fn plain() -> Box<Plain> {
    Box::new(Plain(UnsafeCell::new([0; 0x4_0000])))
}

#[test]
fn h1_a_misaligned_base() {
    let region = Region::committed(0x4_0000);
    for offset in [1, 8, 16, 0x10, 0x800, 0x1000, 0x8000, 0x1_0000] {
        let base = region.base().wrapping_byte_add(offset);
        assert!(create_at(base, 0x1_0000).is_null(), "{offset:#x}");
        region.probe(offset);
    }
    let memory = plain();
    for offset in [1, 8, 0x10] {
        assert!(create_at(memory.base().wrapping_byte_add(offset), 0x1_0000).is_null());
    }
}

#[test]
fn h2_memory_too_small_for_the_header() {
    let memory = plain();
    for size in [1, 8, 0x40, 0x100] {
        assert!(create_at(memory.base(), size).is_null(), "{size:#x}");
    }
    let heap = TestHeap::adopt(create_at(memory.base(), 0x4_0000));
    assert_eq!(heap.handle(), memory.base());
    let _ = heap.alloc(0, 0x3_0000);
}

#[test]
fn h3_a_base_that_is_not_mapped() {
    let refused = (0..100).any(|_| {
        let base = Region::reserve(0x10_0000).base();
        // Another thread may take the address before the call does; then it is tried again.
        create_at(base, 0x1_0000).is_null()
    });
    assert!(refused);
    assert!(create_at((usize::MAX & !0xFFFF) as *mut c_void, 0x1_0000).is_null());
    assert!(create_at((usize::MAX / 2 + 1) as *mut c_void, 0x1_0000).is_null());
}

/// Memory that cannot be written.
#[repr(C, align(65536))]
struct ReadOnly([u8; 0x2_0000]);

static READ_ONLY: ReadOnly = ReadOnly([7; 0x2_0000]);

#[test]
fn h4_a_base_that_cannot_be_written() {
    let base = (&raw const READ_ONLY).cast_mut().cast();
    assert!(create_at(base, 0x2_0000).is_null());
    assert!(READ_ONLY.0.iter().all(|&byte| byte == 7));
}

#[test]
fn h5_a_commit_routine_without_base() {
    let region = Region::committed(0x1_0000);
    assert!(create_with(0, null_mut(), &commit::parameters(&region, PAGE)).is_null());
}

#[test]
fn h6_a_commit_routine_of_a_growable_heap() {
    let region = Region::committed(0x1_0000);
    let parameters = commit::parameters(&region, PAGE);
    assert!(create_with(HEAP_GROWABLE, region.base(), &parameters).is_null());
}

#[test]
fn h7_an_initial_commit_of_nothing_or_too_much() {
    let region = Region::committed(0x1_0000);
    for (commit, reserve) in [(0, 0x1_0000), (0x1_1000, 0x1_0000), (PAGE, 0), (0, 0)] {
        let parameters = RTL_HEAP_PARAMETERS {
            InitialCommit: commit,
            InitialReserve: reserve,
            ..commit::parameters(&region, PAGE)
        };
        assert!(
            create_with(0, region.base(), &parameters).is_null(),
            "{commit:#x} {reserve:#x}"
        );
    }
}

/// A heap over a region of which one page is committed; the rest is up to the commit routine.
fn heap_with_routine(region: &Region) -> TestHeap {
    region.commit(0, PAGE);
    TestHeap::adopt(create_with(
        0,
        region.base(),
        &commit::parameters(region, PAGE),
    ))
}

/// Fills a heap with blocks of one size until it has no more; returns how many.
fn fill(heap: &TestHeap, size: usize) -> usize {
    let mut count = 0;
    while let Some(mut block) = heap.try_alloc(0, size) {
        block.write_pattern(count as u8);
        count += 1;
    }
    count
}

#[test]
fn h8_a_commit_routine_that_fails_at_any_call() {
    for failing in 0..12 {
        let region = Region::reserve(0x1_0000);
        commit::behave(Manner::Obey);
        let heap = heap_with_routine(&region);
        commit::behave(Manner::RefuseCall(failing));
        let mut blocks = Vec::new();
        let mut has_failed = false;
        loop {
            let Some(mut block) = heap.try_alloc(0, 0x700) else {
                assert_eq!(GetLastError(), error::ERROR_NOT_ENOUGH_MEMORY);
                // The refused call costs one allocation; then the heap goes on to its end.
                if has_failed || commit::calls() <= failing {
                    break;
                }
                has_failed = true;
                continue;
            };
            block.write_pattern(blocks.len() as u8);
            blocks.push(block);
        }
        commit::behave(Manner::Obey);
        assert!(
            blocks.len() >= 28,
            "{} blocks of 0x700 in 0x10000 bytes",
            blocks.len()
        );
        for (seed, block) in blocks.iter().enumerate() {
            assert!(block.has_pattern(seed as u8, 0x700));
        }
    }
}

#[test]
fn h9_a_commit_routine_that_reports_nothing() {
    let region = Region::reserve(0x4_0000);
    let heap = heap_with_routine(&region);
    commit::behave(Manner::Nothing);
    heap.assert_no_memory(0, 0x8000);
    assert!(!commit::asked().is_empty());
    commit::behave(Manner::Obey);
    let mut block = heap.alloc(0, 0x8000);
    block.write_pattern(1);
}

#[test]
fn h10_a_commit_routine_that_commits_less_than_asked() {
    let region = Region::reserve(0x4_0000);
    let heap = heap_with_routine(&region);
    commit::behave(Manner::OnePage);
    // Whether the heap asks again or gives up, it writes nothing past what was committed.
    if let Some(mut block) = heap.try_alloc(0, 0x8000) {
        block.write_pattern(2);
        assert!(block.has_pattern(2, 0x8000));
    }
    assert!(fill(&heap, 0x300) > 0);
    commit::behave(Manner::Obey);
    fill(&heap, 0x300);
}

#[test]
fn h12_a_commit_routine_that_calls_the_heap() {
    let region = Region::reserve(0x4_0000);
    let heap = heap_with_routine(&region);
    commit::behave(Manner::Reenter);
    heap.assert_no_memory(0, 0x8000);
    assert_eq!(
        commit::reentered(),
        Some(0),
        "an allocation by the routine is refused"
    );
    commit::behave(Manner::Obey);
    let _ = heap.alloc(0, 0x8000);
}

#[test]
fn h13_parameters_of_another_length() {
    let region = Region::committed(0x1_0000);
    let parameters = RTL_HEAP_PARAMETERS {
        Length: 4,
        ..commit::parameters(&region, 0)
    };
    // Were they read, the commit routine without base would make the call fail.
    let _ = TestHeap::adopt(create_with(HEAP_GROWABLE, null_mut(), &parameters)).alloc(0, 100);
}

#[test]
fn h14_parameters_that_cannot_be_read() {
    let reserved = Region::reserve(0x1_0000);
    let high = (usize::MAX / 2 + 1) as *const c_void;
    for pointer in [
        null::<u8>().wrapping_add(1).cast(),
        0x1000 as *const c_void,
        reserved.base(),
        high,
    ] {
        assert!(
            create_with(HEAP_GROWABLE, null_mut(), pointer.cast()).is_null(),
            "{pointer:?}"
        );
    }
}

#[test]
fn h14_parameters_that_end_at_a_page_that_cannot_be_read() {
    let region = Region::reserve(0x1_0000);
    region.commit(0, PAGE);
    let pointer = region.base().wrapping_byte_add(PAGE - 8).cast::<u32>();
    // SAFETY: the last eight bytes of the committed page.
    unsafe { pointer.write(size_of::<RTL_HEAP_PARAMETERS>() as u32) };
    assert!(create_with(HEAP_GROWABLE, null_mut(), pointer.cast()).is_null());
}

#[test]
fn h15_a_lock_without_serialisation() {
    let mut resource = Resource::initialized();
    let flags = HEAP_GROWABLE | HEAP_NO_SERIALIZE;
    // SAFETY: the resource is initialised and outlives the call.
    let heap = unsafe { RtlCreateHeap(flags, null_mut(), 0, 0, resource.as_lock(), null()) };
    assert!(heap.is_null());
    resource.delete();
}
