//! The protocol between lanes under every interleaving that loom finds (INV-LANE, catalogue A8): of two
//! threads that free a slot at the same time exactly one takes it back, one that wanders between threads
//! and slabs is never lost nor had twice.
//!
//! The sources of the side entries and of what belongs to whom are compiled here, over loom's atomics; the
//! lock of the bucket and that of all lanes are loom's.
#![cfg(not(windows))]

#[path = "../../crates/rtl-heap/src/belonging.rs"]
#[allow(
    dead_code,
    unexpected_cfgs,
    reason = "no forks here, and no unit tests of its own"
)]
mod belonging;
#[path = "../../crates/rtl-heap/src/side.rs"]
#[allow(dead_code, reason = "the wide entries follow the same protocol")]
mod side;

mod sync {
    //! What the two are made of. Loom knows no barrier on every processor: both sides pass a full one.
    pub use loom::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicU32, Ordering};
    pub use loom::thread::yield_now as nap;

    use loom::sync::atomic::fence;

    pub fn light_barrier() {
        fence(Ordering::SeqCst);
    }

    pub fn heavy_barrier() {
        fence(Ordering::SeqCst);
    }
}

use std::sync::Arc;

use loom::sync::Mutex;
use loom::sync::atomic::AtomicU8;
use loom::thread;

use belonging::{Claimant, FIRST_NAME, NAME_STEP, Owner};
use side::Side;

/// Bytes of the slot that its caller did not ask for.
const UNUSED: usize = 9;

/// The slab's only slot, its owner, three lanes, the bucket's lock with the count of free slots, the lock of all
/// lanes, and a place where threads pass the slot on.
struct Slab {
    entry: AtomicU8,
    owner: Owner,
    lanes: [Claimant; 3],
    /// The first so many of them are not gone.
    live: usize,
    free: Mutex<u32>,
    lanes_lock: Mutex<()>,
    passed_on: Mutex<bool>,
}

impl Slab {
    fn new() -> Arc<Slab> {
        Slab::with_live_lanes(3)
    }

    fn with_live_lanes(live: usize) -> Arc<Slab> {
        Arc::new(Slab {
            entry: AtomicU8::new(0),
            owner: Owner::shared(),
            live,
            lanes: [0, 1, 2].map(|lane| Claimant::named(FIRST_NAME + lane * NAME_STEP)),
            free: Mutex::new(1),
            lanes_lock: Mutex::new(()),
            passed_on: Mutex::new(false),
        })
    }

    fn side(&self) -> Side {
        Side::at(&raw const self.entry as usize)
    }

    /// From the slab into a lane, whose it becomes, and out to a caller.
    fn allocate(&self, lane: usize) -> bool {
        let mut free = self.free.lock().unwrap();
        if *free == 0 {
            return false;
        }
        assert!(self.side().is_free(false), "counted free, and is not");
        self.owner.set(Some(&self.lanes[lane]), false);
        *free -= 1;
        self.side().keep(false);
        drop(free);
        self.side().hand_out(false, UNUSED);
        true
    }

    /// From a caller into a lane. False for what is not busy.
    fn free(&self, lane: usize) -> bool {
        loop {
            let own = |wide| self.side().take_back_alone(wide).is_some();
            if let Some(taken_back) = self.owner.while_own(&self.lanes[lane], own) {
                return taken_back;
            }
            if self.owner.is_shared() {
                return self.side().take_back(false).is_some();
            }
            let _lock = self.lanes_lock.lock().unwrap();
            let live = self.lanes.iter().take(self.live);
            self.owner.share(false, live, Some(&self.lanes[lane]));
        }
    }

    /// From a lane back to the slab.
    fn give_back(&self) {
        let mut free = self.free.lock().unwrap();
        self.side().give_back(false);
        *free += 1;
    }
}

/// So many threads free one slot at the same time, each with its own lane, the first of a slab that
/// `prepare` made. Exactly one takes it back.
fn exactly_one_of(threads: usize, prepare: fn() -> Arc<Slab>) {
    let mut model = loom::model::Builder::new();
    if threads > 2 {
        // Every interleaving of three takes minutes.
        model.preemption_bound = model.preemption_bound.or(Some(3));
    }
    model.check(move || {
        let slab = prepare();
        let others: Vec<_> = (1..threads)
            .map(|lane| {
                let slab = Arc::clone(&slab);
                thread::spawn(move || slab.free(lane))
            })
            .collect();
        // Only a slab that was left lets itself be adopted here.
        slab.owner.adopt(&slab.lanes[0], false);
        let mut taken = usize::from(slab.free(0));
        for other in others {
            taken += usize::from(other.join().unwrap());
        }
        assert_eq!(taken, 1);
    });
}

/// A slab of lane `owner`, with its slot handed out, while the first `live` lanes are not gone.
fn slab_of(owner: usize, live: usize) -> Arc<Slab> {
    let slab = Slab::with_live_lanes(live);
    assert!(slab.allocate(owner));
    slab
}

#[test]
fn of_two_frees_at_the_same_time_exactly_one_takes_the_slot_back() {
    exactly_one_of(2, || slab_of(0, 3));
    exactly_one_of(2, || slab_of(1, 3));
}

/// One thread has the slab shared while the second comes, with the owner inside.
#[test]
fn of_three_frees_at_the_same_time_exactly_one_takes_the_slot_back() {
    exactly_one_of(3, || slab_of(0, 3));
}

#[test]
fn of_frees_of_a_shared_slab_exactly_one_takes_the_slot_back() {
    exactly_one_of(2, || {
        let slab = slab_of(0, 3);
        slab.owner.set(None, false);
        slab
    });
}

/// The slab's lane is gone, and two others are about to adopt it.
#[test]
fn of_frees_of_a_slab_whose_lane_is_gone_exactly_one_takes_the_slot_back() {
    exactly_one_of(2, || slab_of(2, 2));
}

/// Its lane left it, and another one takes from it while a third frees.
#[test]
fn of_frees_of_a_slab_that_was_left_exactly_one_takes_the_slot_back() {
    exactly_one_of(2, || {
        let slab = slab_of(2, 2);
        slab.owner.leave();
        slab
    });
}

#[test]
fn a_slot_that_wanders_is_had_once_and_comes_back() {
    loom::model(|| {
        let slab = Slab::new();
        let consumer = {
            let slab = Arc::clone(&slab);
            thread::spawn(move || {
                if std::mem::take(&mut *slab.passed_on.lock().unwrap()) {
                    assert!(slab.free(1), "it was passed on and is not busy");
                    slab.give_back();
                }
                if slab.allocate(1) {
                    assert!(slab.free(1));
                    slab.give_back();
                }
            })
        };
        if slab.allocate(0) {
            *slab.passed_on.lock().unwrap() = true;
        }
        if slab.allocate(0) {
            assert!(slab.free(0));
            slab.give_back();
        }
        consumer.join().unwrap();
        if *slab.passed_on.lock().unwrap() {
            assert!(slab.free(0));
            slab.give_back();
        }
        assert_eq!(*slab.free.lock().unwrap(), 1);
    });
}
