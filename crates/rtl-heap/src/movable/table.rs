//! The table of moveable objects: 65536 entries that both families share (8.1).
//!
//! An entry is two words in memory that programs see and may write to: a handle is the address of
//! its second word. What is read from it is therefore believed no further than it can be checked.
//! The table is reserved once, committed as it fills, and never given back.

use core::cell::UnsafeCell;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering};

use rtl_platform::vm::Protection;

use crate::failure::{FailureKind, HeapFailure, Refusal};
use crate::heap::Guard;
use crate::movable::words::MemoryHandle;
use crate::system_vm::system_vm;
use crate::units::{ALLOCATION_GRANULARITY, POINTER};

const ENTRIES: usize = 65536;
const ENTRY_BYTES: usize = 2 * POINTER;
const TABLE_BYTES: usize = ENTRIES * ENTRY_BYTES;
const COMMIT_STEP: usize = ALLOCATION_GRANULARITY;

/// Bits of an entry's flags.
pub mod entry_flags {
    /// The entry is an object. Free entries hold an address here, which has this bit clear.
    pub const USED: usize = 0x1;
    /// Set for every object of the table.
    pub const MOVEABLE: usize = 0x2;
    /// The data may be discarded.
    pub const DISCARDABLE: usize = 0x4;
    /// There is no data.
    pub const DISCARDED: usize = 0x8;
    /// `GMEM_DDESHARE` was asked for.
    pub const DDESHARE: usize = 0x8000;
}

const LOCK_SHIFT: u32 = 16;
/// The lock count stops here (C382).
const MOST_LOCKS: usize = 0xFF;

/// An object of the table. Its words change only with the table's lock held, but for programs that
/// write to them.
#[repr(C)]
pub struct Entry {
    flags: AtomicUsize,
    pointer: AtomicUsize,
}

const _: () = assert!(size_of::<Entry>() == ENTRY_BYTES);

impl Entry {
    /// The object's handle: the address of the second word.
    pub fn handle(&self) -> MemoryHandle {
        MemoryHandle(&raw const self.pointer as usize)
    }

    /// One of [`entry_flags`] is set.
    pub fn has(&self, flag: usize) -> bool {
        self.flags.load(Ordering::Relaxed) & flag != 0
    }

    /// Sets one of [`entry_flags`].
    pub fn add(&self, flag: usize) {
        self.flags
            .store(self.flags.load(Ordering::Relaxed) | flag, Ordering::Relaxed);
    }

    /// Where the data is; 0 when there is none.
    pub fn data(&self) -> usize {
        self.pointer.load(Ordering::Relaxed)
    }

    /// Gives the object data at another place.
    pub fn set_data(&self, data: usize) {
        self.pointer.store(data, Ordering::Relaxed);
        let flags = self.flags.load(Ordering::Relaxed) & !entry_flags::DISCARDED;
        self.flags.store(flags, Ordering::Relaxed);
    }

    /// Takes the object's data away.
    pub fn discard(&self) {
        self.pointer.store(0, Ordering::Relaxed);
        self.add(entry_flags::DISCARDED);
    }

    /// How often the object is locked.
    pub fn locks(&self) -> usize {
        self.flags.load(Ordering::Relaxed) >> LOCK_SHIFT & MOST_LOCKS
    }

    /// One lock more, unless it has as many as can be counted.
    pub fn lock(&self) {
        self.set_locks((self.locks() + 1).min(MOST_LOCKS));
    }

    /// One lock less; returns how many are left. The object is locked.
    pub fn unlock(&self) -> usize {
        let left = self.locks() - 1;
        self.set_locks(left);
        left
    }

    fn set_locks(&self, locks: usize) {
        let others = self.flags.load(Ordering::Relaxed) & !(MOST_LOCKS << LOCK_SHIFT);
        self.flags
            .store(others | locks << LOCK_SHIFT, Ordering::Relaxed);
    }
}

/// The table. Addresses; 0 before the first entry is taken.
pub struct Table {
    base: usize,
    /// Committed from the base to here.
    committed: usize,
    /// Entries from here on were never taken.
    fresh: usize,
    /// The free entry that was given back last; the table's end for none. Each names the next in
    /// its flags, so these are never zero and have the low bits clear (C383).
    free: usize,
}

struct Shared(UnsafeCell<Table>);

// SAFETY: the table is reached only through `Table::of`, with the process heap's lock held.
unsafe impl Sync for Shared {}

static TABLE: Shared = Shared(UnsafeCell::new(Table {
    base: 0,
    committed: 0,
    fresh: 0,
    free: 0,
}));

impl Table {
    /// The table, as long as the process heap is entered: its lock is the table's.
    ///
    /// `guard` is the process heap's, which is always serialised.
    pub fn of<'g>(guard: &'g mut Guard<'_>) -> &'g mut Table {
        // Nothing that is called with the table borrowed comes back here.
        let _ = guard;
        // SAFETY: the guard holds the lock and stays borrowed as long as the table.
        unsafe { &mut *TABLE.0.get() }
    }

    fn end(&self) -> usize {
        self.base + TABLE_BYTES
    }

    /// # Safety
    /// 1. `address` is that of an entry below `fresh`.
    unsafe fn at(&self, address: usize) -> &'static Entry {
        // SAFETY: (1): committed, never given back, and two words that any bits are valid for.
        unsafe { &*(address as *const Entry) }
    }

    fn holds(&self, address: usize) -> bool {
        (self.base..self.fresh).contains(&address) && address.is_multiple_of(ENTRY_BYTES)
    }

    /// The object whose handle this is, any bit pattern.
    pub fn object(&self, handle: MemoryHandle) -> Option<&'static Entry> {
        let address = handle.0.wrapping_sub(POINTER);
        if !self.holds(address) {
            return None;
        }
        // SAFETY: (1), just checked.
        let entry = unsafe { self.at(address) };
        entry.has(entry_flags::USED).then_some(entry)
    }

    /// Makes a new object without data.
    ///
    /// # Errors
    /// `NoMemory` when all entries are used (C373) or none can be committed; damage of the list of
    /// free entries, which is then given up.
    pub fn take(&mut self, guarded_by: usize, flags: usize) -> Result<&'static Entry, Refusal> {
        if self.base == 0 {
            self.reserve()?;
        }
        let address = if self.free == self.end() {
            self.take_fresh()?
        } else {
            self.take_freed(guarded_by)?
        };
        // SAFETY: (1): below `fresh` either way.
        let entry = unsafe { self.at(address) };
        entry.flags.store(
            flags | entry_flags::USED | entry_flags::MOVEABLE | entry_flags::DISCARDED,
            Ordering::Relaxed,
        );
        entry.pointer.store(0, Ordering::Relaxed);
        Ok(entry)
    }

    /// Ends an object.
    pub fn give_back(&mut self, entry: &'static Entry) {
        entry.flags.store(self.free, Ordering::Relaxed);
        entry.pointer.store(0, Ordering::Relaxed);
        self.free = &raw const *entry as usize;
    }

    fn reserve(&mut self) -> Result<(), Refusal> {
        let base = system_vm()
            .and_then(|vm| vm.reserve(TABLE_BYTES, None).ok())
            .ok_or(Refusal::NoMemory)?;
        self.base = base.as_ptr() as usize;
        self.committed = self.base;
        self.fresh = self.base;
        self.free = self.end();
        Ok(())
    }

    fn take_fresh(&mut self) -> Result<usize, Refusal> {
        let address = self.fresh;
        if address == self.end() {
            return Err(Refusal::NoMemory);
        }
        if address == self.committed {
            let vm = system_vm().ok_or(Refusal::NoMemory)?;
            let at = NonNull::new(address as *mut u8).ok_or(Refusal::NoMemory)?;
            // SAFETY: the next whole step of the table's reservation, which nobody uses yet.
            unsafe { vm.commit(at, COMMIT_STEP, Protection::ReadWrite) }
                .map_err(|_| Refusal::NoMemory)?;
            self.committed += COMMIT_STEP;
        }
        self.fresh += ENTRY_BYTES;
        Ok(address)
    }

    /// Whether `next`, any bit pattern, is another free entry.
    fn may_follow(&self, address: usize, next: usize) -> bool {
        if next == address || !self.holds(next) {
            return false;
        }
        // SAFETY: (1), just checked.
        !unsafe { self.at(next) }.has(entry_flags::USED)
    }

    fn take_freed(&mut self, guarded_by: usize) -> Result<usize, Refusal> {
        let address = self.free;
        // SAFETY: (1): the head was given back, or was checked when it became the head.
        let next = unsafe { self.at(address) }.flags.load(Ordering::Relaxed);
        if next != self.end() && !self.may_follow(address, next) {
            self.free = self.end();
            return Err(Refusal::Failure(HeapFailure {
                kind: FailureKind::FreeListsCorruption,
                heap: guarded_by,
                address,
                owner: 0,
                allocated_by: &[],
            }));
        }
        self.free = next;
        Ok(address)
    }
}
