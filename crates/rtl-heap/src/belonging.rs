//! Who takes a slab's slots back from their callers without an atomic instruction.
//!
//! Of two threads that free one slot at the same time exactly one shall find it busy (catalogue, A8). A
//! slab belongs to the lane that took its first slot: the lane's thread takes slots back with a load and
//! a store, and says meanwhile that it is inside. Another thread that wants to take one back first has
//! the slab shared: it says so, makes sure that everybody sees it or is seen inside, and waits until
//! the lane's thread is outside. In a shared slab slots are taken back with an atomic exchange, by
//! everybody. A slab whose lane is gone is adopted by the lane that next takes from it or back to it.
//!
//! So what is allocated and freed by one thread costs no atomic instruction, and what wanders between
//! threads costs one, and a barrier on every processor once for a slab.
//!
//! It names only `crate::sync`, so that a test can compile it over loom's atomics and try every
//! interleaving.

use crate::sync::{AtomicBool, AtomicU32, Ordering, heavy_barrier, light_barrier, nap};

/// The next lane's name is larger by so much: one name for slabs with entries of one byte, the next for the
/// others.
pub const NAME_STEP: u32 = 2;
/// The slab is everybody's. No state has one of the two names of a lane that owns nothing, 0 and 1.
const SHARED: u32 = NAME_STEP;
/// It is about to be: its lane may not have seen it yet.
const CHANGING: u32 = SHARED + 1;
/// It belonged to a lane that is gone, and waits for another.
const LEFT: u32 = CHANGING + 1;
/// The name of the first lane.
pub const FIRST_NAME: u32 = LEFT + 2;

/// What a lane has that slabs may belong to. Zero bytes are one that no slab belongs to.
pub struct Claimant {
    name: u32,
    /// Its thread may be about to take a slot back.
    inside: AtomicBool,
}

impl Claimant {
    /// One whose name no other lane ever has; 0 if no slab is to belong to it.
    pub fn named(name: u32) -> Claimant {
        Claimant {
            name,
            inside: AtomicBool::new(false),
        }
    }

    #[inline(always)]
    fn name(&self, wide: bool) -> u32 {
        self.name + u32::from(wide)
    }

    fn wait_until_outside(&self) {
        // Acquire pairs with the Release in `Owner::while_own`. The thread is inside for a few
        // instructions, unless it was interrupted there.
        while self.inside.load(Ordering::Acquire) {
            nap();
        }
    }

    /// Its thread is no more: a fork left it behind.
    pub fn leave_behind(&self) {
        self.inside.store(false, Ordering::Relaxed);
    }
}

/// The lane a slab belongs to, if there is one.
pub struct Owner(AtomicU32);

impl Owner {
    /// A shared slab's.
    pub fn shared() -> Owner {
        Owner(AtomicU32::new(SHARED))
    }

    /// Gives the slab, all slots of which are free, to a lane, or to all; with its bucket's lock held.
    pub fn set(&self, lane: Option<&Claimant>, wide: bool) {
        let named = lane.filter(|lane| lane.name != 0);
        let name = named.map_or(SHARED, |lane| lane.name(wide));
        self.0.store(name, Ordering::Relaxed);
    }

    /// Leaves the slab to another lane: its own is about to go. With its bucket's lock held, and while none
    /// has it shared.
    pub fn leave(&self) {
        self.0.store(LEFT, Ordering::Relaxed);
    }

    /// Gives a slab that was left to this lane, with its bucket's lock held. False, and nothing done, for
    /// another slab.
    pub fn adopt(&self, lane: &Claimant, wide: bool) -> bool {
        let name = lane.name(wide);
        lane.name != 0
            && self
                .0
                .compare_exchange(LEFT, name, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    /// The slab, whose entries are `wide` or not, is this lane's.
    #[inline(always)]
    pub fn is(&self, lane: &Claimant, wide: bool) -> bool {
        self.0.load(Ordering::Relaxed) == lane.name(wide)
    }

    /// Calls `take_back` while the slab stays this lane's, which is the calling thread's, and tells it whether
    /// the slab's entries are wide; `None` if it is not the lane's. It must neither wait nor panic.
    #[inline(always)]
    pub fn while_own<R>(&self, lane: &Claimant, take_back: impl Fn(bool) -> R) -> Option<R> {
        lane.inside.store(true, Ordering::Relaxed);
        light_barrier();
        let owner = self.0.load(Ordering::Relaxed);
        let result = if owner == lane.name(false) {
            Some(take_back(false))
        } else if owner == lane.name(true) {
            Some(take_back(true))
        } else {
            None
        };
        lane.inside.store(false, Ordering::Release);
        result
    }

    /// The slab is everybody's: slots may be taken back by exchange.
    #[inline(always)]
    pub fn is_shared(&self) -> bool {
        // Acquire pairs with the Release in `Owner::share`: what its lane did comes first.
        self.0.load(Ordering::Acquire) == SHARED
    }

    /// Has a slab, whose entries are `wide` or not, shared, or adopted by `adopter` if its lane is gone.
    /// `lanes` are all lanes that it may belong to. One thread at a time may do this, while no lane goes.
    /// True if a lane lost it.
    #[cold]
    pub fn share<'a>(
        &self,
        wide: bool,
        lanes: impl Iterator<Item = &'a Claimant> + Clone,
        adopter: Option<&Claimant>,
    ) -> bool {
        loop {
            let name = self.0.load(Ordering::Relaxed);
            if name == SHARED {
                return false;
            }
            let Some(lane) = lanes.clone().find(|lane| lane.name(wide) == name) else {
                // Nobody takes slots of it back. Another lane may adopt it at this moment, or take it
                // when its last slot became free.
                let heir = adopter.filter(|lane| lane.name != 0);
                let heir = heir.map_or(SHARED, |lane| lane.name(wide));
                let heired =
                    self.0
                        .compare_exchange(name, heir, Ordering::Release, Ordering::Relaxed);
                if heired.is_ok() {
                    return false;
                }
                continue;
            };
            // Whoever comes from here on, and whoever sees it although he came before, does not take a
            // slot back; whoever does not see it is seen inside.
            self.0.store(CHANGING, Ordering::Relaxed);
            heavy_barrier();
            lane.wait_until_outside();
            // Unless the last slot became free meanwhile and another lane took the slab.
            let shared =
                self.0
                    .compare_exchange(CHANGING, SHARED, Ordering::Release, Ordering::Relaxed);
            if shared.is_ok() {
                return true;
            }
        }
    }
}

#[cfg(all(test, feature = "os"))]
mod tests {
    use super::*;

    #[test]
    fn a_slab_is_one_lanes_until_it_is_shared_and_each_size_of_entry_has_names_of_its_own() {
        let lane = Claimant::named(FIRST_NAME);
        let other = Claimant::named(FIRST_NAME + NAME_STEP);
        let owner = Owner::shared();
        for wide in [false, true] {
            owner.set(Some(&lane), wide);
            assert_eq!(owner.while_own(&lane, |wide| wide), Some(wide));
            assert!(owner.is(&lane, wide) && !owner.is(&lane, !wide));
            assert_eq!(owner.while_own(&other, |wide| wide), None);
            assert!(owner.share(wide, [&other, &lane].into_iter(), Some(&other)));
            assert!(owner.is_shared() && !owner.share(wide, [&lane].into_iter(), None));
            assert_eq!(owner.while_own(&lane, |wide| wide), None);
        }
    }

    #[test]
    fn nobody_waits_for_a_lane_that_is_gone_or_was_left_behind() {
        let lane = Claimant::named(FIRST_NAME);
        let owner = Owner::shared();
        owner.set(Some(&lane), false);
        lane.inside.store(true, Ordering::Relaxed);
        assert!(!owner.share(false, [].into_iter(), None) && owner.is_shared());
        owner.set(Some(&lane), false);
        lane.leave_behind();
        assert!(owner.share(false, [&lane].into_iter(), None));
    }

    #[test]
    fn what_is_left_is_adopted_once_or_shared() {
        let lane = Claimant::named(FIRST_NAME);
        let owner = Owner::shared();
        assert!(!owner.adopt(&lane, false));
        owner.leave();
        assert!(owner.adopt(&lane, false) && owner.is(&lane, false));
        assert!(!owner.adopt(&lane, false));
        owner.leave();
        assert!(!owner.share(false, [].into_iter(), None) && owner.is_shared());
        let heir = Claimant::named(FIRST_NAME + NAME_STEP);
        owner.set(Some(&lane), false);
        assert!(!owner.share(false, [&heir].into_iter(), Some(&heir)) && owner.is(&heir, false));
    }

    #[test]
    fn lanes_without_a_name_own_nothing() {
        let (lane, owner) = (Claimant::named(0), Owner::shared());
        owner.set(Some(&lane), false);
        assert!(owner.is_shared());
        owner.leave();
        assert!(!owner.adopt(&lane, false));
        for state in [SHARED, CHANGING, LEFT] {
            owner.0.store(state, Ordering::Relaxed);
            assert_eq!(owner.while_own(&lane, |wide| wide), None);
            assert!(!owner.is(&lane, false) && !owner.is(&lane, true));
        }
    }
}
