//! Which trace belongs to which live block of a heap: a table by address, beside the heap.

use core::ptr::{self, NonNull};

use crate::metadata;
use crate::stack_database::Trace;

/// A block and its trace; no block lies at address 0.
#[derive(Clone, Copy)]
struct Slot {
    address: usize,
    trace: Trace,
}

/// Open addressing with steps of one; at most three quarters full, a power of two of slots. Guarded
/// by the heap's lock. All zero it is empty and does not record.
pub struct BlockTraces {
    slots: *mut Slot,
    capacity: usize,
    count: usize,
    /// New blocks are entered.
    pub records: bool,
}

const FIRST_CAPACITY: usize = 256;

impl BlockTraces {
    /// Enters a block, in the place of what was there. Without memory nothing is remembered of it.
    pub fn insert(&mut self, address: usize, trace: Trace) {
        if 4 * (self.count + 1) > 3 * self.capacity && !self.grow() {
            return;
        }
        let at = self.place(address);
        // SAFETY: `place` answers with a slot of the table.
        let slot = unsafe { &mut *self.slots.add(at) };
        self.count += usize::from(slot.address == 0);
        *slot = Slot { address, trace };
    }

    /// The trace of the block at an address, any bit pattern.
    pub fn get(&self, address: usize) -> Option<Trace> {
        if self.count == 0 || address == 0 {
            return None;
        }
        let slot = self.slot(self.place(address));
        (slot.address == address).then_some(slot.trace)
    }

    /// Takes a block out, if it is there.
    pub fn remove(&mut self, address: usize) {
        if self.get(address).is_none() {
            return;
        }
        let mask = self.capacity - 1;
        let mut hole = self.place(address);
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let slot = self.slot(at);
            if slot.address == 0 {
                break;
            }
            // What could stand in the hole moves there: what does not lie between hole and here by
            // its own wish.
            let home = self.home(slot.address);
            if (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(hole) & mask) {
                // SAFETY: slots of the table.
                unsafe { self.slots.add(hole).write(slot) };
                hole = at;
            }
        }
        // SAFETY: a slot of the table.
        unsafe { (*self.slots.add(hole)).address = 0 };
        self.count -= 1;
    }

    /// Gives the table back.
    pub fn destroy(&mut self) {
        if let Some(slots) = NonNull::new(self.slots) {
            // SAFETY: it came from `allocate` for as many slots, and nobody uses it any more.
            unsafe { metadata::free(slots.cast(), self.capacity * size_of::<Slot>()) };
        }
        (self.slots, self.capacity, self.count) = (ptr::null_mut(), 0, 0);
    }

    fn grow(&mut self) -> bool {
        let capacity = (2 * self.capacity).max(FIRST_CAPACITY);
        let Some(slots) = metadata::allocate(capacity * size_of::<Slot>()) else {
            return false;
        };
        let grown = BlockTraces {
            slots: slots.cast().as_ptr(),
            capacity,
            count: self.count,
            records: self.records,
        };
        for slot in 0..capacity {
            let empty = Slot {
                address: 0,
                trace: &[],
            };
            // SAFETY: the new table has as many slots.
            unsafe { grown.slots.add(slot).write(empty) };
        }
        for at in 0..self.capacity {
            let slot = self.slot(at);
            if slot.address != 0 {
                let place = grown.place(slot.address);
                // SAFETY: a slot of the new table.
                unsafe { grown.slots.add(place).write(slot) };
            }
        }
        self.destroy();
        *self = grown;
        true
    }

    /// The slot of an address, or the empty one where it would be. There is an empty one.
    fn place(&self, address: usize) -> usize {
        let mut at = self.home(address);
        loop {
            let found = self.slot(at).address;
            if found == address || found == 0 {
                return at;
            }
            at = (at + 1) & (self.capacity - 1);
        }
    }

    fn home(&self, address: usize) -> usize {
        let hash = (address as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (hash >> 32) as usize & (self.capacity - 1)
    }

    fn slot(&self, at: usize) -> Slot {
        // SAFETY: callers pass numbers below the capacity.
        unsafe { self.slots.add(at).read() }
    }
}

#[cfg(all(test, feature = "os"))]
mod tests {
    extern crate std;
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_table_is_what_a_map_is() {
        static TRACES: [[usize; 1]; 8] = [[0], [1], [2], [3], [4], [5], [6], [7]];
        let mut table = BlockTraces {
            slots: ptr::null_mut(),
            capacity: 0,
            count: 0,
            records: true,
        };
        let mut model = BTreeMap::new();
        let mut seed = 1u32;
        for _ in 0..50_000 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let address = 16 * (1 + (seed >> 8) as usize % 1500);
            if seed >> 30 == 0 {
                table.remove(address);
                model.remove(&address);
            } else {
                let trace: Trace = &TRACES[(seed >> 3) as usize % 8];
                table.insert(address, trace);
                model.insert(address, trace);
            }
            assert_eq!(table.count, model.len());
            assert_eq!(table.get(address), model.get(&address).copied());
        }
        for address in (16..24_016).step_by(16) {
            assert_eq!(table.get(address), model.get(&address).copied());
        }
        table.destroy();
        assert_eq!(table.get(16), None);
    }
}
