//! Reliability line R6: a process that starts to use the heap has at most 1 MiB reserved, so that
//! it can start under any limit of address space. The process is this one; it does nothing else
//! first.
#![cfg(not(all(feature = "oracle", windows)))]

use rtl_heap::{HeapFlags, nt};
use rtl_heap_tests::model::watched_vm::WatchedVm;

const MIB: usize = 0x10_0000;

static SYSTEM: WatchedVm = WatchedVm::new();

#[test]
fn a_process_starts_with_at_most_one_mib() {
    assert!(rtl_heap::set_system_vm(&SYSTEM));
    assert_eq!(
        SYSTEM.reserved(),
        0,
        "nothing is reserved before the first call"
    );
    let heap = nt::process_heap().expect("the process heap");
    let first = nt::allocate(heap, HeapFlags::empty(), 100).expect("a block");
    let start = SYSTEM.reserved();
    assert!(
        start >= 0x1_0000,
        "the heap itself is not counted: {start:#x}"
    );
    assert!(
        start <= MIB,
        "{start:#x} bytes: {:x?}",
        SYSTEM.reservations()
    );
    // Small things to do need no more.
    for size in 0..500 {
        nt::allocate(heap, HeapFlags::empty(), size / 8).expect("a block");
    }
    assert!(SYSTEM.reserved() <= MIB, "{:x?}", SYSTEM.reservations());
    // SAFETY: the block is ours.
    let freed = unsafe { nt::free(heap, HeapFlags::empty(), first.as_ptr()) };
    assert_eq!(freed, Ok(()));
}
