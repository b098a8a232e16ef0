//! When the system's list of mappings is full, calls fail, say so, and change nothing; when there
//! is room again, they work again. Only Linux has such a limit (`vm.max_map_count`); Wine on Linux
//! does not survive it.

#![cfg(all(feature = "os", target_os = "linux"))]

use std::ptr::NonNull;

use rtl_platform::os::{OS_VM, host_page_size};
use rtl_platform::vm::{Protection, Vm, VmError};

/// Twice the mappings that Linux allows by default.
const PAGES: usize = 0x2_0000;

fn page(base: NonNull<u8>, number: usize) -> NonNull<u8> {
    // SAFETY: in the reservation.
    unsafe { base.add(number * host_page_size()) }
}

fn commit(at: NonNull<u8>) -> Result<(), VmError> {
    // SAFETY: a page of the reservation.
    unsafe { OS_VM.commit(at, host_page_size(), Protection::ReadWrite) }
}

#[test]
fn a_full_list_of_mappings_is_an_error_and_no_more() {
    let (size, unit) = (PAGES * host_page_size(), host_page_size());
    let base = OS_VM.reserve(size, None).expect("address space");
    // Every second page is a mapping, and so is every gap.
    let mut committed = Vec::with_capacity(PAGES / 2);
    let refused = (0..PAGES)
        .step_by(2)
        .find(|&number| match commit(page(base, number)) {
            Ok(()) => {
                // SAFETY: committed just now.
                unsafe { page(base, number).write(number as u8 | 1) };
                committed.push(number);
                false
            }
            Err(error) => {
                assert_eq!(error, VmError::OutOfMemory);
                true
            }
        });
    let intact = |numbers: &[usize]| {
        numbers.iter().all(|&number| {
            // SAFETY: these pages are committed.
            let byte = unsafe { page(base, number).read() };
            byte == number as u8 | 1
        })
    };
    assert!(intact(&committed));
    if let Some(refused) = refused {
        // No split is possible now: giving back the inner part of a mapping either works without
        // one, or fails and keeps the contents.
        assert!(commit(page(base, refused)).is_err());
        let first = committed.remove(0);
        // SAFETY: committed, writable, and not used meanwhile.
        match unsafe { OS_VM.decommit(page(base, first), unit) } {
            // SAFETY: recommitted just before.
            Ok(()) => commit(page(base, first))
                .map(|()| assert_eq!(unsafe { page(base, first).read() }, 0))
                .unwrap_or_else(|error| assert_eq!(error, VmError::OutOfMemory)),
            Err(error) => assert_eq!(error, VmError::OutOfMemory),
        }
        assert!(intact(&committed));
    }
    // SAFETY: the whole reservation, of which nothing is in use.
    unsafe { OS_VM.release(base, size) }.expect("the whole takes no split");
    let again = OS_VM
        .reserve_and_commit(size, unit, Protection::ReadWrite, None)
        .expect("room");
    // SAFETY: committed just now.
    assert_eq!(unsafe { again.read() }, 0);
    // SAFETY: the whole reservation, of which nothing is in use.
    unsafe { OS_VM.release(again, size) }.expect("the whole takes no split");
}
