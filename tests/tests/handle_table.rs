//! Section 13.11 of the conformance lines: the handle table as a whole. One test runs at a time, so
//! that nobody else takes the entry that a test freed.

use rtl_heap_tests::abi::*;
use rtl_heap_tests::heap::*;
use rtl_heap_tests::last_error::observe;
use rtl_heap_tests::objects::{Entry, entry};
use rtl_heap_tests::serial;

const ENTRIES: usize = 65536;
const DISCARDED: u32 = mem::MOVEABLE | mem::GMEM_DISCARDABLE;

/// Fills the table with objects of one family, then frees them all.
fn with_a_full_table(family: Family, check: impl FnOnce()) {
    let _turn = serial::turn();
    let mut handles = Vec::with_capacity(ENTRIES);
    for n in 0..ENTRIES {
        let handle = (family.alloc)(DISCARDED, 0);
        assert!(!handle.is_null(), "object {n}");
        handles.push(handle);
    }
    check();
    for handle in handles {
        assert!((family.free)(handle).is_null());
    }
}

fn assert_full(family: Family) {
    let (handle, error) = observe(|| (family.alloc)(mem::MOVEABLE | family.discardable, 0));
    assert!(handle.is_null());
    assert_eq!(error, error::ERROR_NOT_ENOUGH_MEMORY);
}

#[test]
fn c372_the_table_has_65536_entries() {
    with_a_full_table(GLOBAL, || ());
}

#[test]
fn c373_one_more_is_refused_to_both_families() {
    with_a_full_table(GLOBAL, || {
        assert_full(GLOBAL);
        assert_full(LOCAL);
    });
}

#[test]
fn c374_fixed_objects_need_no_entry() {
    with_a_full_table(GLOBAL, || {
        let handle = GlobalAlloc(mem::GMEM_DISCARDABLE, 0);
        assert!(!handle.is_null());
        assert!(GlobalFree(handle).is_null());
    });
}

#[test]
fn c375_local_objects_fill_it_for_global_ones() {
    with_a_full_table(LOCAL, || {
        assert_full(LOCAL);
        assert_full(GLOBAL);
    });
}

#[test]
fn c383_a_freed_entry() {
    let _turn = serial::turn();
    for family in FAMILIES {
        let handle = family.new_object(mem::MOVEABLE, 100);
        family.free_object(handle);
        let Entry { flags, pointer } = entry(handle);
        assert_ne!(flags, 0);
        assert_eq!(flags % (2 * P), 0);
        assert!(pointer.is_null());
    }
}
