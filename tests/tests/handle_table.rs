//! Section 13.11 of the conformance lines: the handle table when it is full. One test runs at a
//! time.

use rtl_heap_tests::abi::*;
use rtl_heap_tests::last_error::observe;
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
