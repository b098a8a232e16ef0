//! Section 13.11 of the conformance lines: handles that are none. One test runs at a time, so that
//! nobody takes a freed entry again meanwhile.

use core::fmt::Debug;

use rtl_heap_tests::abi::mem::MOVEABLE;
use rtl_heap_tests::abi::*;
use rtl_heap_tests::heap::*;
use rtl_heap_tests::last_error::{PRESET, observe};
use rtl_heap_tests::serial;

const INVALID: u32 = error::ERROR_INVALID_HANDLE;
const NO_ACCESS: u32 = error::ERROR_NOACCESS;

/// An address where nothing is, with the look of a fixed object.
const NOWHERE: HANDLE = 0xDEAD_BEE0_usize as HANDLE;

#[track_caller]
fn assert_gives<T: PartialEq + Debug>(result: T, error: u32, call: impl FnOnce() -> T) {
    assert_eq!(observe(call), (result, error));
}

/// A handle of an object that is gone.
fn freed(family: Family) -> HANDLE {
    let handle = family.new_object(MOVEABLE, 100);
    family.free_object(handle);
    handle
}

/// A handle that was never one, with the look of an entry.
fn never() -> HANDLE {
    NOWHERE.wrapping_byte_add(P)
}

fn assert_free(family: Family, handle: HANDLE) {
    assert_gives(handle, INVALID, || (family.free)(handle));
}

fn assert_flags_size_and_lock(family: Family, handle: HANDLE) {
    assert_gives(mem::INVALID_HANDLE, INVALID, || (family.flags)(handle));
    assert_gives(0, INVALID, || (family.size)(handle));
    assert_gives(NULL, INVALID, || (family.lock)(handle));
}

fn assert_reallocate(family: Family, handle: HANDLE) {
    assert_gives(NULL, INVALID, || (family.realloc)(handle, 0, MOVEABLE));
}

#[test]
fn c431_free_of_a_freed_handle() {
    let _turn = serial::turn();
    for family in FAMILIES {
        assert_free(family, freed(family));
    }
}

#[test]
fn c432_flags_size_and_lock_of_a_freed_handle() {
    let _turn = serial::turn();
    for family in FAMILIES {
        assert_flags_size_and_lock(family, freed(family));
    }
}

#[test]
fn c433_global_unlock_of_a_freed_handle() {
    let _turn = serial::turn();
    let handle = freed(GLOBAL);
    assert_gives(TRUE, INVALID, || GlobalUnlock(handle));
}

#[test]
fn c434_local_unlock_of_a_freed_handle() {
    let _turn = serial::turn();
    let handle = freed(LOCAL);
    assert_gives(FALSE, INVALID, || LocalUnlock(handle));
}

#[test]
fn c435_reallocate_of_a_freed_handle() {
    let _turn = serial::turn();
    for family in FAMILIES {
        assert_reallocate(family, freed(family));
    }
}

#[test]
fn c436_a_handle_that_never_was() {
    let _turn = serial::turn();
    for family in FAMILIES {
        assert_free(family, never());
        assert_flags_size_and_lock(family, never());
        assert_reallocate(family, never());
    }
    assert_gives(TRUE, INVALID, || GlobalUnlock(never()));
    assert_gives(FALSE, INVALID, || LocalUnlock(never()));
}

#[test]
fn c437_free_of_nowhere() {
    let _turn = serial::turn();
    for family in FAMILIES {
        assert_gives(NOWHERE, NO_ACCESS, || (family.free)(NOWHERE));
    }
}

#[test]
fn c438_flags_of_nowhere() {
    let _turn = serial::turn();
    assert_gives(mem::INVALID_HANDLE, INVALID, || GlobalFlags(NOWHERE));
    assert_gives(mem::INVALID_HANDLE, NO_ACCESS, || LocalFlags(NOWHERE));
}

#[test]
fn c439_size_of_nowhere() {
    let _turn = serial::turn();
    for family in FAMILIES {
        assert_gives(0, INVALID, || (family.size)(NOWHERE));
    }
}

#[test]
fn c440_lock_of_nowhere() {
    let _turn = serial::turn();
    assert_gives(NULL, INVALID, || GlobalLock(NOWHERE));
    assert_gives(NULL, PRESET, || LocalLock(NOWHERE));
}

#[test]
fn c441_unlock_of_nowhere() {
    let _turn = serial::turn();
    assert_gives(TRUE, PRESET, || GlobalUnlock(NOWHERE));
    assert_gives(FALSE, error::ERROR_NOT_LOCKED, || LocalUnlock(NOWHERE));
}

#[test]
fn c442_reallocate_of_nowhere() {
    let _turn = serial::turn();
    for family in FAMILIES {
        assert_gives(NULL, NO_ACCESS, || (family.realloc)(NOWHERE, 0, MOVEABLE));
    }
}

#[test]
fn c443_handle_of_nowhere() {
    let _turn = serial::turn();
    assert_gives(NULL, INVALID, || GlobalHandle(NOWHERE));
    assert_gives(NULL, NO_ACCESS, || LocalHandle(NOWHERE));
}

#[cfg(target_pointer_width = "32")]
#[test]
fn c444_size_of_a_small_number() {
    let _turn = serial::turn();
    assert_gives(0, INVALID, || GlobalSize(0xC042 as HANDLE));
}

#[cfg(target_pointer_width = "32")]
#[test]
fn c445_free_of_a_fixed_object_twice() {
    let _turn = serial::turn();
    let handle = GLOBAL.new_object(mem::FIXED, 100);
    GLOBAL.free_object(handle);
    assert_gives(handle, INVALID, || GlobalFree(handle));
}
