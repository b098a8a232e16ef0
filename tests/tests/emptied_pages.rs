//! Pages of slabs that hold nothing but free slots: emptied when the heap would come to hold more than
//! ever, and by who compacts it; and that nobody's bytes go with them.
#![cfg(not(all(feature = "oracle", windows)))]

use rtl_heap::HeapFlags;
use rtl_heap::limits::Limits;
use rtl_heap::nt::{self, CreateRequest, HeapHandle};
use rtl_heap_tests::model::watched_vm::WatchedVm;

const NONE: HeapFlags = HeapFlags::empty();
const MIB: usize = 1 << 20;

fn heap(vm: &'static WatchedVm) -> HeapHandle {
    let request = CreateRequest {
        flags: HeapFlags::GROWABLE,
        vm: Some(vm),
        ..CreateRequest::new(Limits::WINDOWS)
    };
    // SAFETY: no caller memory, and the vm is static.
    unsafe { nt::create_heap(&request) }.unwrap()
}

/// A block whose bytes tell its number.
struct Numbered {
    block: *mut u8,
    size: usize,
    number: usize,
}

impl Numbered {
    fn new(heap: HeapHandle, size: usize, number: usize) -> Numbered {
        let block = nt::allocate(heap, NONE, size).unwrap().as_ptr();
        // SAFETY: the block is ours.
        unsafe { block.write_bytes(number as u8, size) };
        Numbered {
            block,
            size,
            number,
        }
    }

    fn check(&self) {
        // SAFETY: the block is ours.
        let bytes = unsafe { core::slice::from_raw_parts(self.block, self.size) };
        assert!(bytes.iter().all(|byte| *byte == self.number as u8));
    }

    fn free(self, heap: HeapHandle) {
        self.check();
        // SAFETY: nobody uses the block any more.
        unsafe { nt::free(heap, NONE, self.block) }.unwrap();
    }
}

fn many(heap: HeapHandle, size: usize) -> Vec<Numbered> {
    let bytes = 4 * MIB;
    (0..bytes / size)
        .map(|number| Numbered::new(heap, size, number))
        .collect()
}

/// Frees all but each block of `of`; returns those that stay.
fn thin_out(heap: HeapHandle, blocks: Vec<Numbered>, of: usize) -> Vec<Numbered> {
    let mut stay = Vec::new();
    for (number, block) in blocks.into_iter().enumerate() {
        if number % of == 0 {
            stay.push(block);
        } else {
            block.free(heap);
        }
    }
    stay
}

#[test]
fn a_heap_that_grows_empties_pages_first_and_no_block_of_them() {
    static VM: WatchedVm = WatchedVm::new();
    let heap = heap(&VM);
    // One block of five pages stays.
    let mut stay = thin_out(heap, many(heap, 100), 200);
    let before = VM.emptied();
    let more = many(heap, 300);
    assert!(VM.emptied() - before > 2 * MIB, "{}", VM.emptied() - before);
    stay.iter().for_each(Numbered::check);
    // Emptied slots are slots like others.
    let again = many(heap, 100);
    for block in [&stay, &more, &again].into_iter().flatten() {
        block.check();
    }
    stay.extend(more.into_iter().chain(again));
    stay.into_iter().for_each(|block| block.free(heap));
    // SAFETY: nobody uses it.
    unsafe { nt::destroy_heap(heap) }.unwrap();
    assert_eq!(VM.reservations(), []);
}

#[test]
fn who_takes_and_frees_the_same_again_has_nothing_emptied() {
    static VM: WatchedVm = WatchedVm::new();
    let heap = heap(&VM);
    let mut stay = thin_out(heap, many(heap, 100), 200);
    stay.extend(thin_out(heap, many(heap, 100), 200));
    let before = VM.emptied();
    for _ in 0..4 {
        let again: Vec<_> = (0..30_000)
            .map(|number| Numbered::new(heap, 100, number))
            .collect();
        again.into_iter().for_each(|block| block.free(heap));
    }
    assert_eq!(VM.emptied(), before);
    stay.into_iter().for_each(|block| block.free(heap));
    // SAFETY: nobody uses it.
    unsafe { nt::destroy_heap(heap) }.unwrap();
}

#[test]
fn who_compacts_has_all_emptied_once() {
    static VM: WatchedVm = WatchedVm::new();
    let heap = heap(&VM);
    let stay = thin_out(heap, many(heap, 1000), 20);
    let before = VM.emptied();
    nt::compact(heap, NONE).unwrap();
    let emptied = VM.emptied() - before;
    assert!(emptied > 2 * MIB, "{emptied}");
    nt::compact(heap, NONE).unwrap();
    assert_eq!(VM.emptied() - before, emptied);
    stay.into_iter().for_each(|block| block.free(heap));
    // SAFETY: nobody uses it.
    unsafe { nt::destroy_heap(heap) }.unwrap();
}
