//! Where aligned blocks lie: the room of one that was freed is found again.
#![cfg(not(all(feature = "oracle", windows)))]

use rtl_heap::HeapFlags;
use rtl_heap::nt::{self, HeapHandle};
use rtl_heap_tests::simulated::{NONE, free, heap};
use rtl_platform::sim::{Arena, HostPage, SimVm};

const ALIGNMENT: usize = 0x2000;
/// With its header it reaches to where the next one's header starts.
const SIZE: usize = ALIGNMENT - 2 * size_of::<usize>();

fn aligned(heap: HeapHandle) -> core::ptr::NonNull<u8> {
    let block = nt::allocate_aligned(heap, NONE, SIZE, ALIGNMENT).unwrap();
    assert!(block.addr().get().is_multiple_of(ALIGNMENT));
    block
}

#[test]
fn an_aligned_block_finds_the_room_of_one_of_its_size_with_none_to_spare() {
    static ARENA: Arena<0x40_0000> = Arena::new();
    static VM: SimVm = SimVm::new(&ARENA, HostPage::Kib4);
    let heap = heap(&VM, HeapFlags::GROWABLE | HeapFlags::NO_SERIALIZE);
    let blocks: Vec<_> = (0..5).map(|_| aligned(heap)).collect();
    let committed = nt::accounting(heap).unwrap().committed;
    for number in [1, 3, 2] {
        free(heap, blocks[number]);
        // Parked until then.
        nt::compact(heap, NONE).unwrap();
        assert_eq!(aligned(heap), blocks[number]);
        assert!(nt::validate(heap, NONE, None));
    }
    assert_eq!(nt::accounting(heap).unwrap().committed, committed);
    blocks.into_iter().for_each(|block| free(heap, block));
    // SAFETY: nobody uses it.
    unsafe { nt::destroy_heap(heap) }.unwrap();
    assert_eq!(VM.reservations(), 0);
}

#[test]
fn what_fits_but_for_its_place_is_passed_over() {
    static ARENA: Arena<0x40_0000> = Arena::new();
    static VM: SimVm = SimVm::new(&ARENA, HostPage::Kib4);
    let heap = heap(&VM, HeapFlags::GROWABLE | HeapFlags::NO_SERIALIZE);
    // Large enough, and never aligned.
    let (hole, behind) = loop {
        let block = nt::allocate(heap, NONE, SIZE).unwrap();
        if !block.addr().get().is_multiple_of(ALIGNMENT) {
            break (block, nt::allocate(heap, NONE, 1).unwrap());
        }
    };
    free(heap, hole);
    nt::compact(heap, NONE).unwrap();
    assert_ne!(aligned(heap), hole);
    assert!(nt::validate(heap, NONE, None));
    assert_eq!(nt::allocate(heap, NONE, SIZE), Ok(hole));
    free(heap, behind);
    // SAFETY: nobody uses it.
    unsafe { nt::destroy_heap(heap) }.unwrap();
}
