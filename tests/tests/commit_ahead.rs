//! A heap that grows commits more than it counts, where the bound on what the process keeps is far away: these
//! tests have a process of their own and take turns.
#![cfg(not(all(feature = "oracle", windows)))]

use std::sync::{Mutex, MutexGuard, PoisonError};

use rtl_heap::HeapFlags;
use rtl_heap::nt;
use rtl_heap_tests::simulated::{NONE, allocate, counted, free, heap};
use rtl_platform::sim::{Arena, Call, HostPage, SimVm};

const MIB: usize = 1 << 20;

fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn a_heap_that_grows_commits_ahead_and_counts_as_if_it_did_not() {
    let _turn = turn();
    static ARENAS: [Arena<0x80_0000>; 2] = [const { Arena::new() }; 2];
    static VMS: [SimVm; 2] = [
        SimVm::new(&ARENAS[0], HostPage::Kib4),
        SimVm::new(&ARENAS[1], HostPage::Kib4),
    ];
    VMS[0].let_keep_pages(true);
    let heaps = VMS
        .each_ref()
        .map(|vm| heap(vm, HeapFlags::GROWABLE | HeapFlags::NO_SERIALIZE));
    let blocks: Vec<_> = (0..2000)
        .map(|_| {
            let blocks = heaps.map(|heap| allocate(heap, 1000));
            assert_eq!(counted(heaps[0]), counted(heaps[1]));
            blocks
        })
        .collect();
    let [few, many] = VMS.each_ref().map(|vm| vm.calls(Call::Commit));
    assert!(4 * few < many, "{few} commits, {many} without");
    assert!(VMS[0].committed() > counted(heaps[0]));
    nt::compact(heaps[0], NONE).unwrap();
    assert_eq!(VMS[0].committed(), counted(heaps[0]));
    for [first, second] in blocks {
        free(heaps[0], first);
        free(heaps[1], second);
    }
    for heap in heaps {
        // SAFETY: nobody uses it.
        unsafe { nt::destroy_heap(heap) }.unwrap();
    }
    assert!(VMS.iter().all(|vm| vm.reservations() == 0));
}

#[test]
fn where_there_is_no_memory_to_commit_ahead_what_was_asked_for_is_committed() {
    let _turn = turn();
    static ARENA: Arena<0x80_0000> = Arena::new();
    static VM: SimVm = SimVm::new(&ARENA, HostPage::Kib4);
    VM.let_keep_pages(true);
    let heap = heap(&VM, HeapFlags::GROWABLE | HeapFlags::NO_SERIALIZE);
    VM.fail(Call::Commit, 1, rtl_platform::sim::Repeat::Once);
    let block = allocate(heap, 0x8000);
    assert_eq!(VM.committed(), counted(heap));
    free(heap, block);
    // SAFETY: nobody uses it.
    unsafe { nt::destroy_heap(heap) }.unwrap();
}

#[test]
fn a_large_heap_commits_whole_large_pages_and_counts_what_was_asked_for() {
    let _turn = turn();
    static ARENA: Arena<0x800_0000> = Arena::new();
    static VM: SimVm = SimVm::new(&ARENA, HostPage::Kib4);
    VM.let_keep_pages(true);
    let heap = heap(&VM, HeapFlags::GROWABLE | HeapFlags::NO_SERIALIZE);
    let mut blocks: Vec<_> = (0..16 * 32).map(|_| allocate(heap, MIB / 32)).collect();
    let (before, counted_before) = (VM.calls(Call::Commit), counted(heap));
    blocks.extend((0..16 * 32).map(|_| allocate(heap, MIB / 32)));
    let grown = counted(heap) - counted_before;
    assert!(grown >= 16 * MIB);
    assert!(VM.committed() <= counted(heap) + 3 * MIB);
    // One a large page of 2 MiB, and more where segments begin and end within one, which is the arena's
    // luck: 10 to 13 in all. With 128 KiB at a time it would be more than a hundred.
    assert!(VM.calls(Call::Commit) - before <= grown / MIB);
    blocks.into_iter().for_each(|block| free(heap, block));
    nt::compact(heap, NONE).unwrap();
    assert_eq!(VM.committed(), counted(heap));
    // SAFETY: nobody uses it.
    unsafe { nt::destroy_heap(heap) }.unwrap();
    assert_eq!(VM.reservations(), 0);
}
