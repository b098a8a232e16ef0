//! The protocol between lanes under every interleaving that loom finds (INV-LANE, catalogue A8): a slot
//! that two threads free at the same time is handed out by one of them, one that wanders between
//! threads and slabs is never lost nor had twice.
//!
//! The side entries' own source is compiled here, over loom's atomics; the lock of the bucket is loom's.
#![cfg(not(windows))]

#[path = "../../crates/rtl-heap/src/side.rs"]
#[allow(dead_code, reason = "the wide entries follow the same protocol")]
mod side;

mod sync {
    //! The atomics that entries are made of.
    pub use loom::sync::atomic::{AtomicU8, AtomicU16, Ordering};
}

use std::sync::Arc;

use loom::sync::Mutex;
use loom::sync::atomic::AtomicU8;
use loom::thread;

use side::{Marks, Side};

/// Bytes of the slot that its caller did not ask for.
const UNUSED: usize = 9;

/// One slot, its bucket's lock with the slab's count of free slots, and a place where threads pass the
/// slot on.
struct Slot {
    entry: AtomicU8,
    free: Mutex<u32>,
    passed_on: Mutex<bool>,
}

impl Slot {
    fn new() -> Arc<Slot> {
        Arc::new(Slot {
            entry: AtomicU8::new(0),
            free: Mutex::new(1),
            passed_on: Mutex::new(false),
        })
    }

    fn side(&self) -> Side {
        Side::at(&raw const self.entry as usize)
    }

    /// From the slab into a lane, and out to a caller.
    fn allocate(&self, mark: u32) -> bool {
        let mut free = self.free.lock().unwrap();
        if *free == 0 {
            return false;
        }
        assert!(self.side().is_free(false), "counted free, and is not");
        *free -= 1;
        self.side().keep(false, mark);
        drop(free);
        assert!(self.side().hand_out(false, mark, UNUSED));
        true
    }

    /// From a caller into a lane. False for what is not busy.
    fn free(&self, mark: u32) -> bool {
        let busy = self.side().unused(false).is_some();
        if busy {
            self.side().keep(false, mark);
        }
        busy
    }

    /// From a lane back to the slab.
    fn give_back(&self, mark: u32) -> bool {
        let mut free = self.free.lock().unwrap();
        let given = self.side().give_back(false, mark);
        *free += u32::from(given);
        given
    }
}

fn mark(keeper: u32) -> u32 {
    Marks::of_keeper(keeper).of(false)
}

#[test]
fn of_two_frees_at_the_same_time_one_lane_has_the_slot() {
    loom::model(|| {
        let slot = Slot::new();
        assert!(slot.allocate(mark(3)));
        let other = {
            let slot = Arc::clone(&slot);
            thread::spawn(move || slot.free(mark(2)))
        };
        let mine = slot.free(mark(1));
        let other = other.join().unwrap();
        assert!(mine || other);
        // Each lane that took it in looks before it hands it out or gives it back.
        let other_has = {
            let slot = Arc::clone(&slot);
            thread::spawn(move || other && slot.side().hand_out(false, mark(2), UNUSED))
        };
        let mine_has = mine && slot.give_back(mark(1));
        assert!(mine_has ^ other_has.join().unwrap());
    });
}

#[test]
fn a_slot_that_wanders_is_had_once_and_comes_back() {
    loom::model(|| {
        let slot = Slot::new();
        let consumer = {
            let slot = Arc::clone(&slot);
            thread::spawn(move || {
                if std::mem::take(&mut *slot.passed_on.lock().unwrap()) {
                    assert!(slot.free(mark(2)), "it was passed on and is not busy");
                    assert!(slot.give_back(mark(2)));
                }
                if slot.allocate(mark(2)) {
                    assert!(slot.free(mark(2)) && slot.give_back(mark(2)));
                }
            })
        };
        if slot.allocate(mark(1)) {
            *slot.passed_on.lock().unwrap() = true;
        }
        if slot.allocate(mark(1)) {
            assert!(slot.free(mark(1)) && slot.give_back(mark(1)));
        }
        consumer.join().unwrap();
        if *slot.passed_on.lock().unwrap() {
            assert!(slot.free(mark(1)) && slot.give_back(mark(1)));
        }
        assert_eq!(*slot.free.lock().unwrap(), 1);
    });
}
