//! Pages that count as uncommitted and are kept: how many, for how long, and that nothing but the
//! calls to the system tells.
#![cfg(not(all(feature = "oracle", windows)))]

use rtl_heap::HeapFlags;
use rtl_heap::limits::Limits;
use rtl_heap::nt::{self, CreateRequest};
use rtl_heap_tests::simulated::{NONE, allocate, counted, free, heap};
use rtl_platform::sim::{Arena, Call, HostPage, SimVm};

const MIB: usize = 1 << 20;

fn calls(vm: &SimVm) -> usize {
    [Call::Reserve, Call::Commit, Call::Decommit, Call::Release]
        .map(|call| vm.calls(call))
        .iter()
        .sum()
}

#[test]
fn blocks_above_the_thresholds_come_and_go_without_a_call() {
    static ARENA: Arena<0x80_0000> = Arena::new();
    static VM: SimVm = SimVm::new(&ARENA, HostPage::Kib4);
    VM.let_keep_pages(true);
    let heap = heap(&VM, HeapFlags::GROWABLE | HeapFlags::NO_SERIALIZE);
    let sizes = [20_000, 0x1_0000, 0x4_0000];
    for size in sizes {
        free(heap, allocate(heap, size));
    }
    let before = calls(&VM);
    for _ in 0..100 {
        for size in sizes {
            let committed = counted(heap);
            let block = allocate(heap, size);
            assert!(
                counted(heap) > committed,
                "the count goes by NT's thresholds"
            );
            free(heap, block);
        }
    }
    assert_eq!(calls(&VM), before);
    // SAFETY: nobody uses it.
    unsafe { nt::destroy_heap(heap) }.unwrap();
    assert_eq!(VM.reservations(), 0);
}

#[test]
fn zeroed_blocks_are_zero_on_warm_pages() {
    static ARENA: Arena<0x80_0000> = Arena::new();
    static VM: SimVm = SimVm::new(&ARENA, HostPage::Kib4);
    VM.let_keep_pages(true);
    let heap = heap(&VM, HeapFlags::GROWABLE);
    for size in [20_000, 0x1_0000, 0x4_0000] {
        free(heap, allocate(heap, size));
        let block = nt::allocate(heap, HeapFlags::ZERO_MEMORY, size).unwrap();
        // SAFETY: the block is ours.
        let bytes = unsafe { core::slice::from_raw_parts(block.as_ptr(), size) };
        assert!(bytes.iter().all(|byte| *byte == 0));
        free(heap, block);
    }
    // SAFETY: nobody uses it.
    unsafe { nt::destroy_heap(heap) }.unwrap();
}

#[test]
fn what_a_burst_leaves_is_bounded_and_compacting_gives_it_back() {
    static ARENA: Arena<0x800_0000> = Arena::new();
    static VM: SimVm = SimVm::new(&ARENA, HostPage::Kib4);
    VM.let_keep_pages(true);
    let heap = heap(&VM, HeapFlags::GROWABLE | HeapFlags::NO_SERIALIZE);
    let blocks: Vec<_> = (0..64 * 16).map(|_| allocate(heap, MIB / 16)).collect();
    // One block stays, so that the segments cannot simply go.
    for block in blocks.iter().skip(1) {
        free(heap, *block);
        assert!(VM.committed() <= counted(heap) + 17 * MIB);
    }
    assert!(VM.committed() <= 32 * MIB, "after the last free");
    nt::compact(heap, NONE).unwrap();
    assert_eq!(VM.committed(), counted(heap));
    free(heap, blocks[0]);
    nt::compact(heap, NONE).unwrap();
    assert_eq!(VM.committed(), counted(heap));
    // SAFETY: nobody uses it.
    unsafe { nt::destroy_heap(heap) }.unwrap();
    assert_eq!(VM.reservations(), 0);
}

#[test]
fn what_is_kept_makes_a_growing_heap_no_larger() {
    static ARENA: Arena<0x800_0000> = Arena::new();
    static VM: SimVm = SimVm::new(&ARENA, HostPage::Kib4);
    VM.let_keep_pages(true);
    let heap = heap(&VM, HeapFlags::GROWABLE | HeapFlags::NO_SERIALIZE);
    let most = || nt::accounting(heap).unwrap().peak_committed;
    let mut blocks = Vec::new();
    for round in 0..12 {
        // A large block, whose reservation is kept, and some that leave warm pages.
        free(heap, allocate(heap, 3 * MIB + round * 0x1_0000));
        let several: Vec<_> = (0..24).map(|_| allocate(heap, MIB / 8)).collect();
        several.into_iter().for_each(|block| free(heap, block));
        for _ in 0..16 {
            blocks.push(allocate(heap, MIB / 8));
            assert!(VM.committed() <= most() + 5 * MIB / 2);
        }
    }
    assert!(most() > 20 * MIB);
    blocks.into_iter().for_each(|block| free(heap, block));
    // SAFETY: nobody uses it.
    unsafe { nt::destroy_heap(heap) }.unwrap();
    assert_eq!(VM.reservations(), 0);
}

#[test]
fn a_refused_commit_gives_warm_pages_back_and_succeeds() {
    static ARENA: Arena<0x80_0000> = Arena::new();
    static VM: SimVm = SimVm::new(&ARENA, HostPage::Kib4);
    let heap = heap(&VM, HeapFlags::GROWABLE | HeapFlags::NO_SERIALIZE);
    let keeper = allocate(heap, 100);
    // Without pages committed ahead, which would do for what comes.
    let block = allocate(heap, 0x3_0000);
    VM.let_keep_pages(true);
    free(heap, block);
    VM.fail(Call::Commit, 1, rtl_platform::sim::Repeat::Once);
    let decommits = VM.calls(Call::Decommit);
    // More than is warm.
    let block = allocate(heap, 0x3_8000);
    assert!(VM.calls(Call::Decommit) > decommits);
    for block in [block, keeper] {
        free(heap, block);
    }
    // SAFETY: nobody uses it.
    unsafe { nt::destroy_heap(heap) }.unwrap();
}

#[test]
fn large_blocks_of_one_size_come_and_go_without_a_mapping_and_are_zero_each_time() {
    static ARENA: Arena<0x200_0000> = Arena::new();
    static VM: SimVm = SimVm::new(&ARENA, HostPage::Kib4);
    VM.let_keep_pages(true);
    let heap = heap(&VM, HeapFlags::GROWABLE);
    let reserved = || (nt::accounting(heap).unwrap().reserved, VM.reserved());
    let empty = reserved();
    let size = 3 * MIB + 37;
    free(heap, allocate(heap, size));
    assert_eq!(reserved().0, empty.0, "a freed block counts no more");
    let before = (VM.calls(Call::Reserve), VM.calls(Call::Release));
    for _ in 0..10 {
        let block = nt::allocate(heap, NONE, size).unwrap();
        // SAFETY: the block is ours.
        let bytes = unsafe { core::slice::from_raw_parts_mut(block.as_ptr(), size) };
        assert!(bytes.iter().all(|byte| *byte == 0));
        bytes.fill(0xa5);
        free(heap, block);
        assert_eq!(
            nt::size(heap, NONE, block.as_ptr()),
            Err(rtl_heap::Status::INVALID_PARAMETER)
        );
    }
    assert_eq!((VM.calls(Call::Reserve), VM.calls(Call::Release)), before);
    nt::compact(heap, NONE).unwrap();
    assert_eq!(reserved(), empty);
    free(heap, allocate(heap, size));
    // SAFETY: nobody uses it.
    unsafe { nt::destroy_heap(heap) }.unwrap();
    assert_eq!(VM.reservations(), 0);
}

#[test]
fn a_refused_reservation_is_had_from_what_is_kept() {
    static ARENA: Arena<0x100_0000> = Arena::new();
    static VM: SimVm = SimVm::new(&ARENA, HostPage::Kib4);
    VM.let_keep_pages(true);
    let heap = heap(&VM, HeapFlags::GROWABLE);
    // Together they do not fit.
    for size in [7 * MIB, 6 * MIB, 7 * MIB, 12 * MIB] {
        free(heap, allocate(heap, size));
    }
    // SAFETY: nobody uses it.
    unsafe { nt::destroy_heap(heap) }.unwrap();
    assert_eq!(VM.reservations(), 0);
}

/// Blocks of middle size are parked, not merged: a request that needs them merged has them so.
#[test]
fn parked_blocks_make_way_for_a_larger_one() {
    static ARENA: Arena<0x80_0000> = Arena::new();
    static VM: SimVm = SimVm::new(&ARENA, HostPage::Kib4);
    VM.let_keep_pages(true);
    let request = CreateRequest {
        flags: NONE,
        vm: Some(&VM),
        reserve: MIB,
        ..CreateRequest::new(Limits::DOCUMENTED)
    };
    // SAFETY: no caller memory, and the vm is static.
    let fixed = unsafe { nt::create_heap(&request) }.unwrap();
    for heap in [heap(&VM, HeapFlags::GROWABLE), fixed] {
        for size in [0x2_0000, 0x3_0000, 0x2_8000] {
            let blocks: Vec<_> = (0..4).map(|_| allocate(heap, size)).collect();
            for block in blocks {
                free(heap, block);
            }
            assert!(nt::validate(heap, NONE, None));
            // One of exactly the size again, which is one of those; then all of the room.
            let again = allocate(heap, size);
            assert_eq!(nt::size(heap, NONE, again.as_ptr()), Ok(size));
            free(heap, again);
            free(heap, allocate(heap, 0x7_E000));
            assert!(nt::validate(heap, NONE, None));
        }
        let sums = nt::accounting(heap).unwrap();
        assert_eq!((sums.live_blocks, sums.live_bytes), (0, 0));
        assert!(sums.committed < MIB / 4, "pages go by NT's thresholds");
        // SAFETY: nobody uses it.
        unsafe { nt::destroy_heap(heap) }.unwrap();
    }
    assert_eq!(VM.reservations(), 0);
}

/// What a parked block keeps committed is given back before a heap with a limit refuses a request.
#[test]
fn parked_blocks_count_for_no_limit() {
    static ARENA: Arena<0x80_0000> = Arena::new();
    static VM: SimVm = SimVm::new(&ARENA, HostPage::Kib4);
    VM.let_keep_pages(true);
    let heap = heap(&VM, HeapFlags::GROWABLE);
    let limit = MIB;
    nt::set_memory_limit(heap, limit).unwrap();
    for size in [0x3_0000, 0x3_8000, 0x3_C000, 0x3_E000, 0x7_0000] {
        free(heap, allocate(heap, size));
    }
    // Large, and nearly all that the limit leaves.
    free(heap, allocate(heap, MIB - 0x4_0000));
    // SAFETY: nobody uses it.
    unsafe { nt::destroy_heap(heap) }.unwrap();
    assert_eq!(VM.reservations(), 0);
}

#[test]
fn a_large_segment_stays_one_of_large_pages_when_parts_of_it_are_decommitted() {
    static ARENA: Arena<0x800_0000> = Arena::new();
    static VM: SimVm = SimVm::new(&ARENA, HostPage::Kib4);
    VM.let_keep_pages(true);
    let heap = heap(&VM, HeapFlags::GROWABLE | HeapFlags::NO_SERIALIZE);
    let blocks: Vec<_> = (0..16 * 32).map(|_| allocate(heap, MIB / 32)).collect();
    let (dense, decommits) = (VM.expected_dense(), VM.calls(Call::Decommit));
    assert!(dense >= 8 * MIB);
    // Enough stay that no segment goes.
    let (stay, go): (Vec<_>, Vec<_>) = (0..blocks.len()).partition(|number| number % 16 == 0);
    go.into_iter().for_each(|number| free(heap, blocks[number]));
    nt::compact(heap, NONE).unwrap();
    assert!(VM.calls(Call::Decommit) > decommits);
    assert_eq!(VM.expected_dense(), dense);
    stay.into_iter()
        .for_each(|number| free(heap, blocks[number]));
    // SAFETY: nobody uses it.
    unsafe { nt::destroy_heap(heap) }.unwrap();
    assert_eq!(VM.reservations(), 0);
}
