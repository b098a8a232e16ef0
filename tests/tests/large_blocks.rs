//! Large blocks that grow: their pages move, where the system moves pages, and a refusal loses
//! nothing.
#![cfg(not(all(feature = "oracle", windows)))]

use rtl_heap::limits::Limits;
use rtl_heap::nt::{self, CreateRequest, HeapHandle};
use rtl_heap::vm::Vm;
use rtl_heap::{HeapFlags, Status};
use rtl_platform::os::OS_VM;
use rtl_platform::sim::{Arena, Call, HostPage, Repeat, SimVm};

const NONE: HeapFlags = HeapFlags::empty();
const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// A growable heap on `vm`. Its blocks above 512 KiB are large.
fn heap(vm: &'static dyn Vm) -> HeapHandle {
    let request = CreateRequest {
        flags: HeapFlags::GROWABLE,
        vm: Some(vm),
        ..CreateRequest::new(Limits::DOCUMENTED)
    };
    // SAFETY: no caller memory, and the vm is static.
    unsafe { nt::create_heap(&request) }.unwrap()
}

fn allocate(heap: HeapHandle, flags: HeapFlags, size: usize) -> *mut u8 {
    nt::allocate(heap, flags, size).unwrap().as_ptr()
}

fn reallocate(
    heap: HeapHandle,
    flags: HeapFlags,
    block: *mut u8,
    size: usize,
) -> Result<*mut u8, Status> {
    // SAFETY: nobody else uses the block.
    let moved = unsafe { nt::reallocate(heap, flags, block, size) }?;
    Ok(moved.as_ptr())
}

fn free(heap: HeapHandle, block: *mut u8) {
    // SAFETY: nobody uses the block any more.
    unsafe { nt::free(heap, NONE, block) }.unwrap();
}

fn bytes<'a>(block: *mut u8, size: usize) -> &'a mut [u8] {
    // SAFETY: every test looks at what it has, one slice at a time.
    unsafe { core::slice::from_raw_parts_mut(block, size) }
}

/// A byte that depends on where it is.
fn mark(offset: usize) -> u8 {
    (offset / 61 + offset) as u8
}

fn write(block: *mut u8, size: usize) {
    for (offset, byte) in bytes(block, size).iter_mut().enumerate() {
        *byte = mark(offset);
    }
}

#[track_caller]
fn assert_kept(block: *mut u8, size: usize) {
    let wrong = bytes(block, size)
        .iter()
        .enumerate()
        .position(|(offset, byte)| *byte != mark(offset));
    assert_eq!(wrong, None);
}

/// Sizes up and down, all large.
const SIZES: [usize; 8] = [
    600 * KIB,
    MIB + 1,
    MIB + 2,
    1_500 * KIB - 7,
    700 * KIB,
    1_700 * KIB,
    4 * MIB,
    4 * MIB + 4095,
];

/// A block goes through all sizes.
fn change_sizes(vm: &'static dyn Vm) {
    let heap = heap(vm);
    for flags in [NONE, HeapFlags::ZERO_MEMORY] {
        let mut size = SIZES[0];
        let mut block = allocate(heap, NONE, size);
        write(block, size);
        for next in SIZES {
            let old = block;
            block = reallocate(heap, flags, block, next).unwrap();
            assert_eq!(nt::size(heap, NONE, block), Ok(next));
            assert!(nt::validate(heap, NONE, None));
            assert_kept(block, size.min(next));
            if flags != NONE && next > size {
                assert!(bytes(block, next)[size..].iter().all(|byte| *byte == 0));
            }
            if old != block {
                assert!(nt::size(heap, NONE, old).is_err());
            }
            write(block, next);
            size = next;
        }
        let live = nt::accounting(heap).unwrap();
        assert_eq!((live.live_blocks, live.live_bytes), (1, size));
        free(heap, block);
    }
    let left = nt::accounting(heap).unwrap();
    assert_eq!((left.live_blocks, left.live_bytes), (0, 0));
    // SAFETY: nobody uses it any more.
    unsafe { nt::destroy_heap(heap) }.unwrap();
}

#[test]
fn contents_stay_when_a_large_block_changes_its_size() {
    change_sizes(&OS_VM);
}

#[test]
fn the_same_on_a_simulated_system_which_moves_pages() {
    static ARENA: Arena<0x180_0000> = Arena::new();
    static VM: SimVm = SimVm::new(&ARENA, HostPage::Kib16);
    for keep in [false, true] {
        VM.let_keep_pages(keep);
        let before = VM.calls(Call::Relocate);
        change_sizes(&VM);
        // All that are larger than what went before, but the one that fits into the same page.
        assert_eq!(VM.calls(Call::Relocate) - before, 2 * 5);
        assert_eq!(VM.reservations(), 0);
    }
}

#[test]
fn a_move_that_is_refused_is_a_copy() {
    static ARENA: Arena<0x180_0000> = Arena::new();
    static VM: SimVm = SimVm::new(&ARENA, HostPage::Kib4);
    VM.fail(Call::Relocate, 1, Repeat::Forever);
    change_sizes(&VM);
    assert!(VM.calls(Call::Relocate) > 0);
    assert_eq!(VM.reservations(), 0);
}

#[test]
fn without_memory_the_block_stays_as_it_was() {
    static ARENA: Arena<0x180_0000> = Arena::new();
    static VM: SimVm = SimVm::new(&ARENA, HostPage::Kib4);
    let heap = heap(&VM);
    let size = 600 * KIB;
    let block = allocate(heap, NONE, size);
    write(block, size);
    for call in [Call::Reserve, Call::Commit] {
        VM.fail(Call::Relocate, 1, Repeat::Forever);
        VM.fail(call, 1, Repeat::Forever);
        let refused = reallocate(heap, NONE, block, MIB);
        assert_eq!(refused, Err(Status::NO_MEMORY));
        VM.clear_failures();
        assert_eq!(nt::size(heap, NONE, block), Ok(size));
        assert!(nt::validate(heap, NONE, None));
        assert_kept(block, size);
    }
    let flags = HeapFlags::REALLOC_IN_PLACE_ONLY;
    assert_eq!(reallocate(heap, flags, block, MIB), Err(Status::NO_MEMORY));
    assert_eq!(VM.calls(Call::Relocate), 2);
    free(heap, block);
    // SAFETY: nobody uses it any more.
    unsafe { nt::destroy_heap(heap) }.unwrap();
}

#[test]
fn a_moved_block_keeps_its_value_and_its_flags() {
    let heap = heap(&OS_VM);
    let value = 0x1234_5678;
    let flags = HeapFlags::SETTABLE_USER_VALUE | HeapFlags::from_bits_retain(0x200);
    let block = allocate(heap, flags, 600 * KIB);
    nt::set_user_value(heap, NONE, block, value).unwrap();
    let block = reallocate(heap, NONE, block, 2 * MIB).unwrap();
    let info = nt::user_info(heap, NONE, block).unwrap();
    assert_eq!(
        (info.value, info.flags.bits() & 0xe00),
        (Some(value), 0x200)
    );
    free(heap, block);
    // SAFETY: nobody uses it any more.
    unsafe { nt::destroy_heap(heap) }.unwrap();
}

#[test]
fn what_a_freed_large_block_held_is_seen_by_no_later_one() {
    let heap = heap(&OS_VM);
    let size = MIB;
    for old_size in [0, 16, 4095, 300 * KIB, 500 * KIB] {
        let block = allocate(heap, NONE, size);
        bytes(block, size).fill(0x77);
        free(heap, block);
        // The next of its size: fresh, or in the place of an ordinary block.
        let block = if old_size == 0 {
            allocate(heap, NONE, size)
        } else {
            let ordinary = allocate(heap, NONE, old_size);
            write(ordinary, old_size);
            reallocate(heap, NONE, ordinary, size).unwrap()
        };
        assert_kept(block, old_size);
        assert!(bytes(block, size)[old_size..].iter().all(|byte| *byte == 0));
        free(heap, block);
    }
    // SAFETY: nobody uses it any more.
    unsafe { nt::destroy_heap(heap) }.unwrap();
}
