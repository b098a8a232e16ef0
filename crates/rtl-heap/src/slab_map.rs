//! Which slab owns an address: a process-wide two-level table with one entry per [`SPAN`].
//!
//! It is apart from the region map for speed: a free of a slot needs to know its slab and nothing of
//! its region, and this is two loads away from any address. Tables are made when a slab first lies in
//! their part of the address space, and stay.

use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering};

use rtl_platform::vm::Protection;

use crate::fork_lock::ForkLock;
use crate::system_vm::system_vm;
use crate::units::{ADDRESS_BITS, PAGE, POINTER};

/// Bytes of address space that an entry speaks for, a thousand times its own. Slabs start at a multiple of it
/// and are multiples of it long. With an entry twice as dense the table was a ninth of all metadata of blocks
/// of 64 bytes.
pub const SPAN: usize = 1024 * POINTER;
const _: () = assert!(SPAN.is_multiple_of(PAGE));
const SPAN_SHIFT: u32 = SPAN.ilog2();
/// Entries of a table: 128 MiB of a 64-bit address space, 64 of a 32-bit one.
const TABLE_BITS: u32 = 14;
const TABLE_LENGTH: usize = 1 << TABLE_BITS;
/// Places in the root. Parts of the address space that are 2 TiB apart share one; the first to have a
/// slab has it, and the others have none.
const ROOT_BITS: u32 = if ADDRESS_BITS == 32 { 6 } else { 14 };
const ROOT_LENGTH: usize = 1 << ROOT_BITS;

type Table = [AtomicUsize; TABLE_LENGTH];

static ROOT: [AtomicPtr<Table>; ROOT_LENGTH] =
    [const { AtomicPtr::new(ptr::null_mut()) }; ROOT_LENGTH];
/// Per place, the number of the part of the address space that has it, plus one.
static PARTS: [AtomicU32; ROOT_LENGTH] = [const { AtomicU32::new(0) }; ROOT_LENGTH];
/// Serialises the making of tables; nothing else takes a lock.
static CHANGES: ForkLock = ForkLock::new();

/// The number of the place in the root for `address`, any bit pattern.
#[inline(always)]
const fn place(address: usize) -> usize {
    address >> (SPAN_SHIFT + TABLE_BITS) & (ROOT_LENGTH - 1)
}

/// What [`PARTS`] says where the place belongs to the part of `address`.
const fn part(address: usize) -> u32 {
    (address >> (SPAN_SHIFT + TABLE_BITS)) as u32 + 1
}

/// Address of the record of the slab that owns `address`, 0 for none. It may be a slab
/// elsewhere that shares the place: who asks checks that the slab holds the address.
#[inline(always)]
pub fn at(address: usize) -> usize {
    // Acquire pairs with the Release in `make_room`.
    // SAFETY: tables are made whole before they are published, and never unmapped.
    match unsafe { ROOT[place(address)].load(Ordering::Acquire).as_ref() } {
        // Acquire pairs with the Release in `set`: the slab is complete.
        Some(table) => table[(address / SPAN) & (TABLE_LENGTH - 1)].load(Ordering::Acquire),
        None => 0,
    }
}

/// Makes sure that [`set`] has entries for `address..address + bytes`. False without memory, and where
/// another part of the address space has the place.
pub fn make_room(address: usize, bytes: usize) -> bool {
    [address, address + bytes - 1].into_iter().all(|address| {
        CHANGES.enter();
        let made = make_table(address);
        CHANGES.leave();
        made
    })
}

/// With the lock held.
fn make_table(address: usize) -> bool {
    let place = place(address);
    let has_it = PARTS[place].load(Ordering::Relaxed);
    if has_it != 0 {
        return has_it == part(address);
    }
    let Some(vm) = system_vm() else { return false };
    let size = size_of::<Table>();
    let Ok(memory) = vm.reserve_and_commit(size, size, Protection::ReadWrite, None) else {
        return false;
    };
    // Release pairs with the Acquire in `at`. Zero pages are entries of no slab.
    ROOT[place].store(memory.as_ptr().cast(), Ordering::Release);
    PARTS[place].store(part(address), Ordering::Relaxed);
    true
}

/// Names the slab whose record is at `slab` as the owner of `address..address + bytes`, whole spans,
/// 0 for none. They are the caller's; where there is no room for entries there are none to make.
pub fn set(address: usize, bytes: usize, slab: usize) {
    let (mut span, last) = (address / SPAN, (address + bytes - 1) / SPAN);
    while span <= last {
        let (first, number) = (span * SPAN, span & (TABLE_LENGTH - 1));
        let count = (TABLE_LENGTH - number).min(last - span + 1);
        span += count;
        // Relaxed: who made room for these spans sees that it did.
        if PARTS[place(first)].load(Ordering::Relaxed) != part(first) {
            continue;
        }
        // SAFETY: as in `at`.
        if let Some(table) = unsafe { ROOT[place(first)].load(Ordering::Relaxed).as_ref() } {
            for entry in &table[number..number + count] {
                // Release pairs with the Acquire in `at`.
                entry.store(slab, Ordering::Release);
            }
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

#[cfg(all(test, feature = "os"))]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_shares_its_place_with_another_has_no_room_and_erases_nothing() {
        const HERE: usize = 0x10_0000;
        assert!(make_room(HERE, SPAN));
        set(HERE, SPAN, 0x40);
        assert_eq!(
            (at(HERE), at(HERE + SPAN - 1), at(HERE + SPAN)),
            (0x40, 0x40, 0)
        );
        #[cfg(target_pointer_width = "64")]
        {
            let elsewhere = HERE + (ROOT_LENGTH << (SPAN_SHIFT + TABLE_BITS));
            assert!(!make_room(elsewhere, SPAN));
            set(elsewhere, SPAN, 0);
        }
        assert_eq!(at(HERE), 0x40);
        set(HERE, SPAN, 0);
        assert_eq!(at(HERE), 0);
    }
}
