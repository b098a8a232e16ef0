//! Which slab owns a page: a process-wide two-level table with one entry per page.
//!
//! It is apart from the region map for speed: a free of a slot needs to know its slab and nothing of
//! its region, and this is two loads away from any address. Tables are made when a slab first lies in
//! their part of the address space, and stay.

use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use rtl_platform::vm::Protection;

use crate::fork_lock::ForkLock;
use crate::system_vm::system_vm;
use crate::units::{ADDRESS_BITS, PAGE};

const PAGE_SHIFT: u32 = PAGE.ilog2();
/// Entries of a table: 2 GiB of address space on 64-bit, 128 MiB on 32-bit.
const TABLE_BITS: u32 = if ADDRESS_BITS == 32 { 15 } else { 19 };
const TABLE_LENGTH: usize = 1 << TABLE_BITS;
const ROOT_LENGTH: usize = 1 << (ADDRESS_BITS - PAGE_SHIFT - TABLE_BITS);

type Table = [AtomicUsize; TABLE_LENGTH];

static ROOT: [AtomicPtr<Table>; ROOT_LENGTH] =
    [const { AtomicPtr::new(ptr::null_mut()) }; ROOT_LENGTH];
/// Serialises the making of tables; nothing else takes a lock.
static CHANGES: ForkLock = ForkLock::new();

/// The place in the root for `address`, any bit pattern: addresses beyond user space share the places
/// of others.
#[inline(always)]
fn place(address: usize) -> &'static AtomicPtr<Table> {
    &ROOT[address >> (PAGE_SHIFT + TABLE_BITS) & (ROOT_LENGTH - 1)]
}

/// Address of the record of the slab that owns the page of `address`, 0 for none. For an address
/// beyond user space it may be any slab's: who asks checks that the slab holds the address.
#[inline(always)]
pub fn at(address: usize) -> usize {
    // Acquire pairs with the Release in `make_room`.
    // SAFETY: tables are made whole before they are published, and never unmapped.
    match unsafe { place(address).load(Ordering::Acquire).as_ref() } {
        // Acquire pairs with the Release in `set`: the slab is complete.
        Some(table) => table[address / PAGE & (TABLE_LENGTH - 1)].load(Ordering::Acquire),
        None => 0,
    }
}

/// Makes sure that [`set`] has entries for `address..address + bytes`. False without memory.
pub fn make_room(address: usize, bytes: usize) -> bool {
    [address, address + bytes - 1].into_iter().all(|address| {
        CHANGES.enter();
        let place = place(address);
        let mut made = !place.load(Ordering::Relaxed).is_null();
        if !made && let Some(vm) = system_vm() {
            let size = size_of::<Table>();
            if let Ok(memory) = vm.reserve_and_commit(size, size, Protection::ReadWrite, None) {
                // Release pairs with the Acquire in `at`. Zero pages are entries of no slab.
                place.store(memory.as_ptr().cast(), Ordering::Release);
                made = true;
            }
        }
        CHANGES.leave();
        made
    })
}

/// Names the slab whose record is at `slab` as the owner of the pages of `address..address + bytes`,
/// 0 for none. The pages are the caller's; where there is no room for entries there are none to make.
pub fn set(address: usize, bytes: usize, slab: usize) {
    for number in address / PAGE..=(address + bytes - 1) / PAGE {
        let place = place(number * PAGE);
        // SAFETY: as in `at`.
        if let Some(table) = unsafe { place.load(Ordering::Relaxed).as_ref() } {
            // Release pairs with the Acquire in `at`.
            table[number & (TABLE_LENGTH - 1)].store(slab, Ordering::Release);
        }
    }
}

/// Takes the lock for a fork.
pub fn enter_for_fork() {
    CHANGES.enter();
}

/// Gives it back, in parent and child.
pub fn leave_after_fork() {
    CHANGES.leave();
}
