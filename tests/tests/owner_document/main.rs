//! The RtlCreateHeap reference, statement by statement. Each test is named after the statement it
//! shows.
#![cfg(not(all(feature = "oracle", windows)))]

use core::cell::UnsafeCell;
use core::ffi::c_void;
use core::ptr::{null, null_mut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rtl_heap_tests::abi::flags::*;
use rtl_heap_tests::abi::own::{RTLHEAP_LOCK, RTLHEAP_LOCK_MAGIC};
use rtl_heap_tests::abi::*;
use rtl_heap_tests::commit::{self, Manner};
use rtl_heap_tests::heap::*;
use rtl_heap_tests::last_error::observe;
use rtl_heap_tests::raise::{STATUS_NO_MEMORY, raised_by};
use rtl_heap_tests::resource::Resource;
use rtl_heap_tests::threads::{assert_blocks, assert_does_not_block};
use rtl_heap_tests::vm::{self, PAGE, Region};

mod flags;
mod heap_base;
mod lock;
mod outcome;
mod parameters;
mod remarks;
mod sizes;

/// The document's largest block, whatever the width.
const LARGEST_BLOCK: usize = 0x7_F000;

/// Parameters that ask for nothing.
const NONE: RTL_HEAP_PARAMETERS = RTL_HEAP_PARAMETERS::new();

/// Memory the library did not reserve.
#[repr(C, align(65536))]
struct Plain(UnsafeCell<[u8; 0x4_0000]>);

/// The whole call.
fn create(
    flags: u32,
    base: *mut c_void,
    reserve: usize,
    commit: usize,
    lock: *mut c_void,
    parameters: Option<&RTL_HEAP_PARAMETERS>,
) -> HANDLE {
    let parameters = parameters.map_or(null(), |parameters| &raw const *parameters);
    // SAFETY: every test passes memory and locks of its own that outlive the heap, or what must be
    // refused.
    unsafe { RtlCreateHeap(flags, base, reserve, commit, lock, parameters) }
}

/// A heap with these sizes.
fn sized(flags: u32, reserve: usize, commit: usize) -> TestHeap {
    TestHeap::adopt(create(flags, null_mut(), reserve, commit, null_mut(), None))
}

fn reserved(heap: &TestHeap) -> usize {
    vm::reservation_at(heap.address())
        .expect("the heap's reservation")
        .size
}

/// Committed bytes from the start of the heap.
fn committed(heap: &TestHeap) -> usize {
    let pages = reserved(heap) / PAGE;
    (0..pages)
        .take_while(|page| vm::is_committed(heap.address() + page * PAGE))
        .count()
        * PAGE
}
