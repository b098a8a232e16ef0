//! The heap's header as programs read it: lines C339 to C347 of section 13.10, which need no debug
//! flag.

use rtl_heap_tests::abi::flags::*;
use rtl_heap_tests::heap::*;

/// Offsets of the fields: 64-bit, 32-bit.
const SEGMENT_SIGNATURE: usize = if P == 8 { 0x10 } else { 0x08 };
const SEGMENT_FLAGS: usize = if P == 8 { 0x14 } else { 0x0C };
const FLAGS: usize = if P == 8 { 0x70 } else { 0x40 };
const FORCE_FLAGS: usize = if P == 8 { 0x74 } else { 0x44 };
const SIGNATURE: usize = if P == 8 { 0x98 } else { 0x60 };

fn field(heap: &TestHeap, offset: usize) -> u32 {
    // SAFETY: the header is committed, and every field named above is aligned.
    unsafe { heap.handle().byte_add(offset).cast::<u32>().read_volatile() }
}

fn flags_of(heap: &TestHeap) -> (u32, u32) {
    (field(heap, FLAGS), field(heap, FORCE_FLAGS))
}

#[test]
fn c339_flags_of_a_growable_heap() {
    assert_eq!(flags_of(&TestHeap::new()), (0x1002, 0));
}

#[test]
fn c340_flags_of_a_fixed_heap() {
    assert_eq!(flags_of(&TestHeap::create(0, 0x1000, 0x1_0000)).0, 0x1000);
}

#[test]
fn c341_flags_without_serialisation() {
    assert_eq!(
        flags_of(&TestHeap::create(HEAP_NO_SERIALIZE, 0, 0)),
        (0x1003, 1)
    );
}

#[test]
fn c342_heap_create_drops_the_checking_flags() {
    let heap = TestHeap::create(0x60 | HEAP_NO_SERIALIZE, 0, 0);
    assert_eq!(flags_of(&heap), (0x1003, 1));
}

#[test]
fn c343_heap_create_drops_the_shared_flag() {
    assert_eq!(flags_of(&TestHeap::create(HEAP_SHARED, 0, 0)), (0x1002, 0));
}

#[test]
fn c344_the_segment_signature() {
    assert_eq!(field(&TestHeap::new(), SEGMENT_SIGNATURE), 0xFFEE_FFEE);
}

#[test]
fn c345_the_segment_flags() {
    assert!([0, 2].contains(&field(&TestHeap::new(), SEGMENT_FLAGS)));
}

#[test]
fn c346_where_the_flags_stand() {
    for (options, flags, force) in [(0, 0x1002, 0), (HEAP_NO_SERIALIZE, 0x1003, 1)] {
        let heap = TestHeap::create(options, 0, 0);
        assert_eq!(field(&heap, FLAGS), flags);
        assert_eq!(field(&heap, FORCE_FLAGS), force);
    }
}

#[test]
fn c347_the_heap_signature() {
    assert_eq!(field(&TestHeap::new(), SIGNATURE), 0xEEFF_EEFF);
}
