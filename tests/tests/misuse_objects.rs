//! Misuse of Local and Global objects. Each test is one row of the catalogue, or a wrong word in
//! memory that programs can write to. One test runs at a time, so that nobody takes what another
//! has freed.
#![cfg(not(all(feature = "oracle", windows)))]

use core::ffi::c_void;
use std::thread;

use rtl_heap_tests::abi::mem::{FIXED, MODIFY, MOVEABLE};
use rtl_heap_tests::abi::own::rtlheap_enable_termination_on_corruption;
use rtl_heap_tests::abi::*;
use rtl_heap_tests::child;
use rtl_heap_tests::heap::*;
use rtl_heap_tests::last_error::observe;
use rtl_heap_tests::misuse::{kind, reported_by};
use rtl_heap_tests::objects::entry;
use rtl_heap_tests::serial;
use rtl_heap_tests::witness::Witness;

const INVALID: u32 = error::ERROR_INVALID_HANDLE;

/// Asserts that an object that is none comes back from free with an error, and nothing changed.
#[track_caller]
fn assert_not_freed(family: Family, handle: HANDLE) -> usize {
    let process = TestHeap::process();
    let witness = Witness::new(&process);
    let (outcome, reports) = reported_by(|| observe(|| (family.free)(handle)));
    assert_eq!(outcome, (handle, INVALID));
    witness.assert_undisturbed();
    reports.len()
}

#[test]
fn a15_free_a_moveable_object_twice() {
    let _turn = serial::turn();
    for family in FAMILIES {
        for size in [0, 100, 0x30_0000] {
            let handle = family.new_object(MOVEABLE, size);
            family.free_object(handle);
            assert_eq!(assert_not_freed(family, handle), 0);
        }
    }
}

/// A fixed object that was freed.
fn freed(family: Family, size: usize) -> HANDLE {
    let handle = family.new_object(FIXED, size);
    family.free_object(handle);
    handle
}

#[test]
fn a16_free_a_fixed_object_twice() {
    child::assert_terminates("a16_free_a_fixed_object_twice", || {
        let handle = freed(GLOBAL, 100);
        rtlheap_enable_termination_on_corruption();
        GlobalFree(handle);
    });
    let _turn = serial::turn();
    for family in FAMILIES {
        for size in [100, 0x5000] {
            let handle = freed(family, size);
            let (outcome, reports) = reported_by(|| observe(|| (family.free)(handle)));
            assert_eq!(outcome, (handle, INVALID));
            assert_eq!(reports.len(), 1, "{size:#x}");
            assert_eq!(reports[0].address, handle as usize);
        }
    }
}

#[test]
fn b20_free_a_private_heap_s_block_as_an_object() {
    let _turn = serial::turn();
    let heap = TestHeap::new();
    for family in FAMILIES {
        for size in [100, 0x5000, 0x30_0000] {
            let block = heap.alloc(0, size);
            assert_eq!(assert_not_freed(family, block.pointer()), 0);
            heap.free(block);
        }
    }
}

/// Every call with a handle that is none: nothing faults and nothing is given.
fn assert_no_object(family: Family, handle: HANDLE) {
    let (nothing, reports) = reported_by(|| {
        (family.lock)(handle).is_null()
            && (family.flags)(handle) == mem::INVALID_HANDLE
            && (family.size)(handle) == 0
            && (family.handle)(handle).is_null()
            && (family.realloc)(handle, 10, MOVEABLE).is_null()
            && (family.realloc)(handle, 10, MOVEABLE | MODIFY).is_null()
            && (handle.is_null() || (family.free)(handle) == handle)
    });
    assert!(nothing, "{handle:?}");
    assert!(reports.len() <= 2, "{handle:?}: {reports:?}");
    (family.unlock)(handle);
}

#[test]
fn addresses_that_are_no_objects() {
    let _turn = serial::turn();
    let live = GLOBAL.new_object(MOVEABLE, 100);
    let inside = entry(live).pointer;
    let mut local = 0_usize;
    let high = usize::MAX / 2 + 1;
    let mut addresses: Vec<*mut c_void> = vec![
        (&raw mut local).cast(),
        GetProcessHeap(),
        live.wrapping_byte_add(1),
        live.wrapping_byte_sub(P),
        live.wrapping_byte_add(2 * P * 0x1_0000),
        inside.wrapping_byte_add(2 * P),
        inside.wrapping_byte_add(1),
    ];
    addresses.extend([0, 1, P, P + 1, 2 * P, high, high + P, usize::MAX].map(|n| n as HANDLE));
    for family in FAMILIES {
        for &address in &addresses {
            assert_no_object(family, address);
        }
    }
    assert_eq!(GlobalSize(live), 100);
    GLOBAL.free_object(live);
}

/// Writes one of an entry's two words, as a stray store of a program would.
fn overwrite(handle: HANDLE, word: isize, value: usize) {
    // SAFETY: the second word of an entry is where its handle points.
    unsafe {
        handle
            .cast::<usize>()
            .offset(word - 1)
            .write_volatile(value)
    };
}

#[test]
fn an_entry_with_a_wrong_pointer() {
    let _turn = serial::turn();
    for wrong in [1, P, 0xDEAD_BEE0, usize::MAX] {
        let handle = GLOBAL.new_object(MOVEABLE, 100);
        let data = entry(handle).pointer;
        overwrite(handle, 1, wrong);
        assert_eq!(GlobalSize(handle), 0);
        assert!(GlobalReAlloc(handle, 200, MOVEABLE).is_null());
        let (_, reports) = reported_by(|| GlobalFree(handle));
        assert_eq!(reports.len(), 1, "{wrong:#x}");
        assert_eq!(HeapFree(GetProcessHeap(), 0, data), TRUE);
    }
}

#[test]
fn a_free_entry_with_a_wrong_link() {
    let _turn = serial::turn();
    let live = GLOBAL.new_object(MOVEABLE, 100);
    for wrong in [
        0,
        2 * P,
        0xDEAD_BEE0,
        usize::MAX & !(2 * P - 1),
        live as usize - P,
        live as usize,
    ] {
        let handle = GLOBAL.new_object(MOVEABLE, 0);
        GLOBAL.free_object(handle);
        overwrite(handle, 0, wrong);
        let (refused, reports) = reported_by(|| GlobalAlloc(MOVEABLE, 100));
        assert!(refused.is_null(), "{wrong:#x}");
        assert_eq!(reports.len(), 1, "{wrong:#x}");
        assert_eq!(reports[0].kind, kind::FREE_LISTS_CORRUPTION);
        // The damaged list is given up; there are other entries.
        let next = GLOBAL.new_object(MOVEABLE, 100);
        assert_ne!(next, live);
        GLOBAL.free_object(next);
    }
    assert_eq!(GlobalSize(live), 100);
    GLOBAL.free_object(live);
}

#[test]
fn many_threads_with_objects_of_one_table() {
    let _turn = serial::turn();
    let shared = GLOBAL.new_object(MOVEABLE, 64) as usize;
    let work = |seed: usize| {
        let mut handles = Vec::new();
        for n in 0..2000 {
            let family = FAMILIES[(n + seed) % 2];
            let handle = family.new_object(MOVEABLE, (n * 37 + seed) % 600);
            handles.push(handle);
            let shared = shared as HANDLE;
            assert!(!GlobalLock(shared).is_null());
            let grown = GlobalReAlloc(shared, 64 + (n + seed) % 512, MOVEABLE);
            assert_eq!(grown, shared);
            GlobalUnlock(shared);
            if n % 3 == 0 {
                let last = handles.swap_remove(seed * n % handles.len());
                family.free_object(last);
            }
        }
        for handle in handles {
            LOCAL.free_object(handle);
        }
    };
    thread::scope(|scope| {
        for seed in 1..5 {
            scope.spawn(move || work(seed));
        }
    });
    assert_eq!(GlobalFlags(shared as HANDLE), 0, "as many locks as unlocks");
    GLOBAL.free_object(shared as HANDLE);
    assert_eq!(HeapValidate(GetProcessHeap(), 0, NULL), TRUE);
}
