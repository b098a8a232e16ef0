//! The lock of a heap's own: a word that parks, and while one thread alone takes it no atomic instruction.
//!
//! A thread that has taken the lock often, with no other in between, is given the *bias*: the word stays
//! its, and to take the lock it says that it is inside, to leave it that it is not, with plain stores.
//! Another thread that wants the lock takes the bias away first: it says so in the word, makes sure that
//! the first one sees that or is seen inside, and waits until it is outside. Then the lock is one of three
//! states like any other, for good: the bias is given once in the life of a lock. So nobody but the thread
//! that it was given to ever writes `inside`, however late it notices that the bias is gone.
//!
//! Whoever comes may finish what another thread began of this, and nobody takes the bias away on behalf of
//! himself: a thread that a fork left behind is not waited for.
//!
//! It names only `crate::sync` and `crate::host`, so that a test can compile it over loom's atomics
//! and try every interleaving.

use core::cell::Cell;

use crate::host;
use crate::sync::{
    AtomicU32, AtomicUsize, LOOKS, Ordering, heavy_barrier, light_barrier, pause_after,
};

const FREE: u32 = 0;
const HELD: u32 = 1;
/// Held, and another thread may sleep on the word.
const AWAITED: u32 = 2;
/// Whether it is held says `inside`.
const BIASED: u32 = 3;
/// The same, until it is 0: who sees that after a barrier on every processor may take the lock.
const REVOKED: u32 = 4;

/// So many turns in a row earn the bias: who makes a heap for another thread may use it a little first.
pub const TURNS: u32 = 8;

/// A lock that its bias lets one thread take again and again, and that is not recursive without.
pub struct BiasedLock {
    word: AtomicU32,
    /// How often the thread with the bias has taken the lock by it; only that thread writes it.
    inside: AtomicU32,
    /// The thread with the bias, or 0.
    bias: AtomicUsize,
    /// Who last took the lock without bias; for who holds it.
    latest: Cell<usize>,
    /// How many turns more would earn it the bias, or 0: it is not to be earned. For who holds it, too.
    missing: Cell<u32>,
}

impl BiasedLock {
    /// A free lock, biased to nobody.
    pub const fn new() -> BiasedLock {
        BiasedLock {
            word: AtomicU32::new(FREE),
            inside: AtomicU32::new(0),
            bias: AtomicUsize::new(0),
            latest: Cell::new(0),
            missing: Cell::new(TURNS),
        }
    }

    /// The bias is the calling thread's, `me`, or was a moment ago.
    #[inline(always)]
    pub fn has_bias(&self, me: usize) -> bool {
        // Relaxed: only this thread stores its own id here, so it sees it if it is there.
        self.bias.load(Ordering::Relaxed) == me
    }

    /// Takes the lock, or takes it once more, by the calling thread's bias. If false, [`BiasedLock::is_inside`]
    /// says whether it did.
    #[inline(always)]
    pub fn go_inside(&self) -> bool {
        let inside = self.inside.load(Ordering::Relaxed) + 1;
        self.inside.store(inside, Ordering::Relaxed);
        light_barrier();
        // Relaxed: it is this thread that stored it, and nobody has had the lock since.
        self.word.load(Ordering::Relaxed) == BIASED
    }

    /// After [`BiasedLock::go_inside`], which saw that the bias is being taken away, or is gone: only who was
    /// inside before still is.
    pub fn is_inside(&self) -> bool {
        if self.inside.load(Ordering::Relaxed) > 1 {
            return true;
        }
        // Release as in `go_outside`: this 0 may be the one that is seen.
        self.inside.store(0, Ordering::Release);
        host::wake_all(&self.inside);
        false
    }

    /// [`BiasedLock::go_inside`] and what follows, for a thread that may have the bias or not.
    pub fn enter_by_bias(&self, me: usize) -> bool {
        self.has_bias(me) && (self.go_inside() || self.is_inside())
    }

    /// The calling thread `me` holds the lock by its bias.
    #[inline]
    pub fn is_held_by_bias(&self, me: usize) -> bool {
        // Relaxed: while this thread is inside the bias stays.
        self.has_bias(me) && self.inside.load(Ordering::Relaxed) != 0
    }

    /// Gives the lock back once. The calling thread holds it by its bias. If false,
    /// [`BiasedLock::wake_if_outside`] is next.
    #[inline(always)]
    pub fn go_outside(&self) -> bool {
        let inside = self.inside.load(Ordering::Relaxed) - 1;
        // Release pairs with the Acquire of `is_deserted`.
        self.inside.store(inside, Ordering::Release);
        light_barrier();
        self.word.load(Ordering::Relaxed) == BIASED
    }

    /// After [`BiasedLock::go_outside`], which saw that the bias is being taken away.
    #[cold]
    #[inline(never)]
    pub fn wake_if_outside(&self) {
        if self.inside.load(Ordering::Relaxed) == 0 {
            host::wake_all(&self.inside);
        }
    }

    /// Takes the lock without bias, waiting for it as long as it takes. The calling thread does not hold it.
    pub fn enter(&self) {
        if !self.enter_at_once() {
            self.enter_contended();
        }
    }

    /// Takes the lock without bias if it is free and nobody has the bias.
    #[inline(always)]
    pub fn enter_at_once(&self) -> bool {
        // Acquire pairs with the Release of `leave`.
        self.turn(FREE, HELD, Ordering::Acquire)
    }

    /// Takes the lock without bias if nobody holds it.
    pub fn try_enter(&self) -> bool {
        self.enter_at_once() || self.try_enter_biased()
    }

    #[cold]
    fn try_enter_biased(&self) -> bool {
        self.turn(BIASED, REVOKED, Ordering::Relaxed);
        self.word.load(Ordering::Relaxed) == REVOKED && {
            heavy_barrier();
            self.is_deserted() && self.take_over(HELD)
        }
    }

    #[cold]
    #[inline(never)]
    fn enter_contended(&self) {
        for look in 0..LOOKS {
            match self.word.load(Ordering::Relaxed) {
                FREE if self.turn(FREE, HELD, Ordering::Acquire) => return,
                BIASED | REVOKED => break,
                _ => pause_after(look),
            }
        }
        // From here on the lock is taken as "awaited": whether others wait too is not known, and one
        // wake too many is harmless.
        loop {
            match self.word.load(Ordering::Relaxed) {
                FREE if self.turn(FREE, AWAITED, Ordering::Acquire) => return,
                FREE => {}
                HELD => drop(self.turn(HELD, AWAITED, Ordering::Relaxed)),
                AWAITED => host::wait(&self.word, AWAITED),
                BIASED => drop(self.turn(BIASED, REVOKED, Ordering::Relaxed)),
                _ => {
                    heavy_barrier();
                    self.wait_until_deserted();
                    if self.take_over(AWAITED) {
                        return;
                    }
                }
            }
        }
    }

    fn turn(&self, from: u32, to: u32, success: Ordering) -> bool {
        self.word
            .compare_exchange(from, to, success, Ordering::Relaxed)
            .is_ok()
    }

    /// The thread that had the bias is outside, and never again inside: a barrier was passed since the word
    /// said REVOKED.
    fn is_deserted(&self) -> bool {
        self.inside.load(Ordering::Acquire) == 0
    }

    fn wait_until_deserted(&self) {
        while !self.is_deserted() {
            let inside = self.inside.load(Ordering::Relaxed);
            if inside != 0 {
                host::wait(&self.inside, inside);
            }
        }
    }

    /// Takes the deserted lock unless another thread did.
    fn take_over(&self, to: u32) -> bool {
        // Acquire pairs with the Release of `is_given`, should the bias never have been used.
        let taken = self.turn(REVOKED, to, Ordering::Acquire);
        if taken {
            self.bias.store(0, Ordering::Relaxed);
        }
        taken
    }

    /// Gives the lock back. The calling thread `me` holds it, and not by bias.
    #[inline(always)]
    pub fn leave(&self, me: usize) {
        if self.missing.get() != 0 {
            self.leave_or_keep(me);
        } else if self.word.swap(FREE, Ordering::Release) == AWAITED {
            self.wake();
        }
    }

    #[cold]
    #[inline(never)]
    fn wake(&self) {
        host::wake_one(&self.word);
    }

    /// Gives the lock back, or the bias of it to the calling thread `me`, if it was its turn often enough.
    #[cold]
    #[inline(never)]
    fn leave_or_keep(&self, me: usize) {
        if self.latest.replace(me) != me {
            self.missing.set(TURNS);
        }
        let missing = self.missing.get() - 1;
        self.missing.set(missing);
        let keeps = missing == 0 && host::barrier_is_offered() && self.is_given(me);
        if !keeps && self.word.swap(FREE, Ordering::Release) == AWAITED {
            self.wake();
        }
    }

    fn is_given(&self, me: usize) -> bool {
        self.bias.store(me, Ordering::Relaxed);
        // Release pairs with the Acquire of `take_over`.
        let given = self.turn(HELD, BIASED, Ordering::Release);
        if !given {
            // Another thread waits: this is no lock for one alone.
            self.bias.store(0, Ordering::Relaxed);
        }
        given
    }
}

#[cfg(all(test, feature = "os"))]
mod tests {
    use super::*;

    const FIRST: usize = 1;
    const OTHER: usize = 2;

    /// Takes its turn. Whether it was by bias.
    fn turn(lock: &BiasedLock, me: usize) -> bool {
        let by_bias = lock.enter_by_bias(me);
        if by_bias {
            assert!(lock.go_outside());
        } else {
            lock.enter();
            lock.leave(me);
        }
        by_bias
    }

    fn biased() -> BiasedLock {
        let lock = BiasedLock::new();
        for _ in 0..TURNS {
            assert!(!turn(&lock, FIRST));
        }
        assert_eq!(turn(&lock, FIRST), host::barrier_is_offered());
        lock
    }

    #[test]
    fn turns_in_a_row_earn_the_bias_once_and_one_turn_of_another_thread_ends_it_for_good() {
        let lock = biased();
        for thread in [OTHER, FIRST] {
            for _ in 0..2 * TURNS {
                assert!(!turn(&lock, thread));
            }
        }
    }

    #[test]
    fn threads_that_take_turns_earn_nothing() {
        let lock = BiasedLock::new();
        for _ in 0..2 * TURNS {
            assert!(!turn(&lock, FIRST) && !turn(&lock, OTHER));
        }
    }

    #[test]
    fn whoever_only_tries_has_what_nobody_holds_and_leaves_its_holder_alone() {
        let lock = biased();
        if !lock.enter_by_bias(FIRST) {
            return;
        }
        assert!(!lock.try_enter());
        // The one that tried may be gone for ever, as in a child of a fork.
        assert!(lock.enter_by_bias(FIRST) && !lock.go_outside());
        assert!(lock.is_held_by_bias(FIRST) && !lock.try_enter());
        assert!(!lock.go_outside() && !lock.is_held_by_bias(FIRST));
        assert!(!turn(&lock, FIRST));
        assert!(lock.try_enter() && !lock.try_enter());
        lock.leave(OTHER);
        assert!(!turn(&lock, FIRST));
    }
}
