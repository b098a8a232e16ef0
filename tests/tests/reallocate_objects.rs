//! Section 13.11 of the conformance lines: which objects change how when they are reallocated. One
//! test runs at a time, so that what lies behind an object is what the test put there.

use rtl_heap_tests::abi::mem::*;
use rtl_heap_tests::abi::*;
use rtl_heap_tests::frontend;
use rtl_heap_tests::heap::*;
use rtl_heap_tests::last_error::observe;
use rtl_heap_tests::objects::{entry, is_moveable, with_a_walled_object};
use rtl_heap_tests::serial;

/// A size the front end serves.
const SMALL: usize = 12;
/// A size of the back end.
const BIG: usize = 0x2_0000;

/// A fixed object of the front end.
fn small(family: Family) -> HANDLE {
    frontend::activate(&TestHeap::process(), SMALL);
    family.new_object(FIXED, SMALL)
}

/// Asserts that an object is refused and stays as it was; returns the last error.
#[track_caller]
fn assert_refused(family: Family, handle: HANDLE, size: usize, flags: u32) -> u32 {
    let before = (
        is_moveable(handle).then(|| entry(handle)),
        (family.size)(handle),
    );
    let (result, error) = observe(|| (family.realloc)(handle, size, flags));
    assert!(result.is_null(), "{size:#x} {flags:#x}");
    let after = (
        is_moveable(handle).then(|| entry(handle)),
        (family.size)(handle),
    );
    assert_eq!(after, before);
    error
}

/// Asserts that the result is the same pointer with this size.
#[track_caller]
fn assert_same(family: Family, handle: HANDLE, size: usize, flags: u32, expected: usize) {
    assert_eq!(
        (family.realloc)(handle, size, flags),
        handle,
        "{size:#x} {flags:#x}"
    );
    assert_eq!((family.size)(handle), expected, "{size:#x} {flags:#x}");
}

/// Asserts that the result is another fixed pointer with this size.
#[track_caller]
fn assert_moves(family: Family, handle: HANDLE, size: usize) {
    let moved = (family.realloc)(handle, size, MOVEABLE);
    assert!(!moved.is_null());
    assert_ne!(moved, handle);
    assert!(!is_moveable(moved));
    assert_eq!((family.size)(moved), size);
    family.free_object(moved);
}

#[test]
fn c403_modify_does_not_shrink() {
    let _turn = serial::turn();
    let handle = small(GLOBAL);
    assert_same(GLOBAL, handle, 11, MODIFY, SMALL);
    GLOBAL.free_object(handle);
}

#[test]
fn c404_the_same_size_is_refused_too() {
    let _turn = serial::turn();
    let handle = small(GLOBAL);
    let error = assert_refused(GLOBAL, handle, SMALL, 0);
    assert_eq!(error, error::ERROR_NOT_ENOUGH_MEMORY);
    GLOBAL.free_object(handle);
}

#[test]
fn c405_modify_does_not_grow() {
    let _turn = serial::turn();
    let handle = small(GLOBAL);
    assert_same(GLOBAL, handle, 0x10_0000, MODIFY, SMALL);
    GLOBAL.free_object(handle);
}

#[test]
fn c406_one_byte_more_moves() {
    let _turn = serial::turn();
    assert_moves(GLOBAL, small(GLOBAL), SMALL + 1);
}

#[test]
fn c407_growth_without_moving_is_refused() {
    let _turn = serial::turn();
    let handle = small(GLOBAL);
    assert_refused(GLOBAL, handle, 512, 0);
    GLOBAL.free_object(handle);
}

#[test]
fn c408_growth_moves() {
    let _turn = serial::turn();
    assert_moves(GLOBAL, small(GLOBAL), 512);
}

#[test]
fn c409_modify_keeps_the_object() {
    let _turn = serial::turn();
    let handle = small(GLOBAL);
    assert_same(GLOBAL, handle, 512, MODIFY, SMALL);
    GLOBAL.free_object(handle);
}

/// Converts a small fixed object; returns its old place and the handle.
fn converted(flags: u32) -> (HANDLE, HANDLE) {
    let fixed = small(GLOBAL);
    let handle = GlobalReAlloc(fixed, 512, MODIFY | flags);
    assert!(!handle.is_null());
    (fixed, handle)
}

#[test]
fn c410_modify_makes_it_moveable() {
    let _turn = serial::turn();
    let (_, handle) = converted(MOVEABLE);
    assert_eq!(entry(handle).flags & 0x7FFF, 3);
    assert_eq!(GlobalSize(handle), SMALL);
    GLOBAL.free_object(handle);
}

#[test]
fn c411_becoming_moveable_moves_the_data() {
    let _turn = serial::turn();
    let (fixed, handle) = converted(MOVEABLE);
    assert_ne!(entry(handle).pointer, fixed);
    GLOBAL.free_object(handle);
}

#[test]
fn c412_discardable_needs_modify() {
    let _turn = serial::turn();
    let handle = small(GLOBAL);
    assert_refused(GLOBAL, handle, 512, MOVEABLE | GMEM_DISCARDABLE);
    GLOBAL.free_object(handle);
}

#[test]
fn c413_modify_makes_it_discardable() {
    let _turn = serial::turn();
    let (_, handle) = converted(MOVEABLE | GMEM_DISCARDABLE);
    assert_eq!(entry(handle).flags & 0x7FFF, 7);
    assert_eq!(GlobalSize(handle), SMALL);
    GLOBAL.free_object(handle);
}

#[test]
fn c414_shrinking_without_moving_is_refused() {
    let _turn = serial::turn();
    let handle = small(GLOBAL);
    assert_refused(GLOBAL, handle, 10, 0);
    GLOBAL.free_object(handle);
}

#[test]
fn c415_shrinking_moves() {
    let _turn = serial::turn();
    assert_moves(GLOBAL, small(GLOBAL), 10);
}

#[test]
fn c416_shrinking_to_nothing_without_moving_is_refused() {
    let _turn = serial::turn();
    let handle = small(GLOBAL);
    assert_refused(GLOBAL, handle, 0, 0);
    GLOBAL.free_object(handle);
}

#[test]
fn c417_shrinking_to_nothing_moves() {
    let _turn = serial::turn();
    assert_moves(GLOBAL, small(GLOBAL), 0);
}

/// A big fixed object of either family changes its size in place, with or without leave to move.
fn assert_big_stays(size: usize) {
    for family in FAMILIES {
        for flags in [0, MOVEABLE] {
            let handle = family.new_object(FIXED, BIG);
            assert_same(family, handle, size, flags, size);
            family.free_object(handle);
        }
    }
}

#[test]
fn c418_a_big_object_grows_in_place() {
    let _turn = serial::turn();
    assert_big_stays(BIG + 512);
}

#[test]
fn c419_a_big_object_shrinks_in_place() {
    let _turn = serial::turn();
    assert_big_stays(10);
}

#[test]
fn c420_a_big_object_shrinks_to_nothing_in_place() {
    let _turn = serial::turn();
    assert_big_stays(0);
}

#[test]
fn c421_a_fixed_local_object_stays_fixed() {
    let _turn = serial::turn();
    for start in [SMALL, BIG] {
        for flags in [0, MOVEABLE, MOVEABLE | LMEM_DISCARDABLE] {
            for size in [0, 10, 512, BIG + 512] {
                let handle = LOCAL.new_object(FIXED, start);
                assert_same(LOCAL, handle, size, MODIFY | flags, start);
                assert!(!is_moveable(handle));
                LOCAL.free_object(handle);
            }
        }
    }
}

/// A moveable object, locked or not.
fn moveable(family: Family, size: usize, locked: bool) -> HANDLE {
    if size == SMALL {
        frontend::activate(&TestHeap::process(), SMALL);
    }
    let handle = family.new_object(MOVEABLE, size);
    if locked {
        lock(family, handle);
    }
    handle
}

/// Locks an object.
fn lock(family: Family, handle: HANDLE) {
    assert!(!(family.lock)(handle).is_null());
}

#[test]
fn c422_a_locked_object_does_not_grow_without_moving() {
    let _turn = serial::turn();
    for family in FAMILIES {
        with_a_walled_object(family, SMALL, |handle| {
            lock(family, handle);
            assert_refused(family, handle, 512, 0);
        });
    }
}

/// Asserts that the data moves to grow while the handle stays.
fn assert_data_moves(family: Family, handle: HANDLE, flags: u32) {
    let before = entry(handle).pointer;
    assert_same(family, handle, 512, flags, 512);
    assert_ne!(entry(handle).pointer, before);
}

#[test]
fn c423_a_locked_object_moves_to_grow() {
    let _turn = serial::turn();
    for family in FAMILIES {
        with_a_walled_object(family, SMALL, |handle| {
            lock(family, handle);
            assert_data_moves(family, handle, MOVEABLE);
        });
    }
}

#[test]
fn c424_a_locked_object_shrinks_in_place() {
    let _turn = serial::turn();
    for family in FAMILIES {
        for start in [SMALL, BIG] {
            for flags in [0, MOVEABLE] {
                let handle = moveable(family, start, true);
                let before = entry(handle);
                assert_same(family, handle, 10, flags, 10);
                assert_eq!(entry(handle), before);
                family.free_object(handle);
            }
        }
    }
}

#[test]
fn c425_a_locked_object_does_not_vanish() {
    let _turn = serial::turn();
    for family in FAMILIES {
        for start in [SMALL, BIG] {
            for flags in [0, MOVEABLE] {
                let handle = moveable(family, start, true);
                assert_refused(family, handle, 0, flags);
                family.free_object(handle);
            }
        }
    }
}

#[test]
fn c426_modify_makes_a_moveable_object_discardable() {
    let _turn = serial::turn();
    for family in FAMILIES {
        for (start, locked) in [(SMALL, false), (SMALL, true), (BIG, false), (BIG, true)] {
            for size in [0, 10, 512, BIG + 512] {
                let handle = moveable(family, start, locked);
                let before = entry(handle);
                let flags = MOVEABLE | family.discardable | MODIFY;
                assert_same(family, handle, size, flags, start);
                assert_eq!(entry(handle).flags, before.flags | 4);
                assert_eq!(entry(handle).pointer, before.pointer);
                family.free_object(handle);
            }
        }
    }
}

#[test]
fn c427_discardable_without_modify_is_refused() {
    let _turn = serial::turn();
    for family in FAMILIES {
        for (start, locked) in [(SMALL, false), (SMALL, true), (BIG, false), (BIG, true)] {
            for size in [0, 10, 512, BIG + 512] {
                let handle = moveable(family, start, locked);
                assert_refused(family, handle, size, MOVEABLE | family.discardable);
                family.free_object(handle);
            }
        }
    }
}

#[test]
fn c428_an_unlocked_object_moves_to_grow() {
    let _turn = serial::turn();
    for family in FAMILIES {
        for flags in [0, MOVEABLE] {
            with_a_walled_object(family, SMALL, |handle| {
                assert_data_moves(family, handle, flags)
            });
        }
    }
}

#[test]
fn c429_an_unlocked_object_can_be_discarded() {
    let _turn = serial::turn();
    for family in FAMILIES {
        for start in [SMALL, BIG] {
            let handle = moveable(family, start, false);
            let before = entry(handle).flags;
            assert_same(family, handle, 0, MOVEABLE, 0);
            assert_eq!(entry(handle).flags, before | 8);
            assert!(entry(handle).pointer.is_null());
            family.free_object(handle);
        }
    }
}

#[test]
fn c430_an_unlocked_object_does_not_vanish_without_moving() {
    let _turn = serial::turn();
    for family in FAMILIES {
        for start in [SMALL, BIG] {
            let handle = moveable(family, start, false);
            assert_refused(family, handle, 0, 0);
            family.free_object(handle);
        }
    }
}
