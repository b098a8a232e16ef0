//! The locks of one word under every interleaving that loom finds (reliability line R10): nobody is
//! inside with another, and nobody sleeps for ever, also while the lock is biased to one thread.
//!
//! The locks' own sources are compiled here, over loom's atomics and over a model of the futex.
#![cfg(not(windows))]

#[path = "../../crates/rtl-heap/src/biased_lock.rs"]
#[allow(unexpected_cfgs, reason = "no unit tests of its own here")]
mod biased_lock;
#[path = "../../crates/rtl-heap/src/raw_lock.rs"]
mod raw_lock;

mod sync {
    //! What the locks are made of. Loom knows no barrier on every processor: both sides pass a full one.

    use std::sync::OnceLock;

    pub use loom::sync::atomic::Ordering;
    use loom::sync::atomic::{self, fence};
    use loom::sync::{Condvar, Mutex};

    /// The waiting is what is explored. No constant, of which clippy says that nobody can count to it.
    pub static LOOKS: u32 = 0;

    pub fn pause_after(_look: u32) {}

    pub fn light_barrier() {
        fence(Ordering::SeqCst);
    }

    pub fn heavy_barrier() {
        fence(Ordering::SeqCst);
    }

    /// Loom's, made when it is first used, since loom's cannot be made in a constant.
    pub struct Late<Inner, Value> {
        initial: Value,
        inner: OnceLock<Inner>,
    }

    impl<Inner, Value> Late<Inner, Value> {
        pub const fn new(initial: Value) -> Self {
            Self {
                initial,
                inner: OnceLock::new(),
            }
        }
    }

    pub type AtomicUsize = Late<atomic::AtomicUsize, usize>;

    impl AtomicUsize {
        fn inner(&self) -> &atomic::AtomicUsize {
            let make = || atomic::AtomicUsize::new(self.initial);
            self.inner.get_or_init(make)
        }

        pub fn load(&self, order: Ordering) -> usize {
            self.inner().load(order)
        }

        pub fn store(&self, value: usize, order: Ordering) {
            self.inner().store(value, order);
        }
    }

    /// A word that threads may sleep on.
    pub struct Word {
        atomic: atomic::AtomicU32,
        looking: Mutex<()>,
        sleepers: Condvar,
    }

    pub type AtomicU32 = Late<Word, u32>;

    impl AtomicU32 {
        fn inner(&self) -> &Word {
            self.inner.get_or_init(|| Word {
                atomic: atomic::AtomicU32::new(self.initial),
                looking: Mutex::new(()),
                sleepers: Condvar::new(),
            })
        }

        pub fn load(&self, order: Ordering) -> u32 {
            self.inner().atomic.load(order)
        }

        pub fn store(&self, value: u32, order: Ordering) {
            self.inner().atomic.store(value, order);
        }

        pub fn swap(&self, value: u32, order: Ordering) -> u32 {
            self.inner().atomic.swap(value, order)
        }

        pub fn compare_exchange(
            &self,
            current: u32,
            new: u32,
            success: Ordering,
            failure: Ordering,
        ) -> Result<u32, u32> {
            self.inner()
                .atomic
                .compare_exchange(current, new, success, failure)
        }

        /// Goes to sleep if the word holds what is expected. Who wakes looks for sleepers later.
        pub fn sleep(&self, expected: u32) {
            let Word {
                looking, sleepers, ..
            } = self.inner();
            let looking = looking.lock().expect("no thread failed");
            if self.load(Ordering::Relaxed) == expected {
                drop(sleepers.wait(looking).expect("no thread failed"));
            }
        }

        pub fn wake(&self, wake: impl Fn(&Condvar)) {
            let word = self.inner();
            let _looking = word.looking.lock().expect("no thread failed");
            wake(&word.sleepers);
        }
    }
}

mod host {
    //! The futex: a thread goes to sleep only while the word holds what it expects, and is woken only by who
    //! names the same word.

    use loom::sync::Condvar;

    use crate::sync::AtomicU32;

    pub fn wait(word: &AtomicU32, expected: u32) {
        word.sleep(expected);
    }

    pub fn wake_one(word: &AtomicU32) {
        word.wake(Condvar::notify_one);
    }

    pub fn wake_all(word: &AtomicU32) {
        word.wake(Condvar::notify_all);
    }

    pub fn barrier_is_offered() -> bool {
        true
    }
}

use biased_lock::{BiasedLock, TURNS};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;
use raw_lock::RawLock;

/// What threads take turns at, as the thread of a number.
trait Lock: 'static {
    /// A free one, every word of which exists before there is a second thread.
    fn free() -> Self;
    fn enter(&self, me: usize);
    fn try_enter(&self, me: usize) -> bool;
    fn leave(&self, me: usize);
}

impl Lock for RawLock {
    fn free() -> Self {
        let lock = RawLock::default();
        assert!(lock.try_enter());
        lock.leave();
        lock
    }

    fn enter(&self, _me: usize) {
        RawLock::enter(self);
    }

    fn try_enter(&self, _me: usize) -> bool {
        RawLock::try_enter(self)
    }

    fn leave(&self, _me: usize) {
        RawLock::leave(self);
    }
}

/// The thread that has the bias at first.
const FIRST: usize = 1;

/// One that [`FIRST`] has the bias of but for so many turns.
fn biased_but_for(turns: u32) -> BiasedLock {
    let lock = BiasedLock::new();
    for _ in turns..TURNS {
        lock.enter();
        lock.leave(FIRST);
    }
    if lock.enter_by_bias(FIRST) {
        Lock::leave(&lock, FIRST);
    } else {
        // Looks at every word there is.
        assert!(turns > 0 && !lock.is_held_by_bias(0));
    }
    lock
}

/// Used as a heap uses it, but not recursively without bias.
impl Lock for BiasedLock {
    fn free() -> Self {
        biased_but_for(0)
    }

    fn enter(&self, me: usize) {
        if !self.enter_by_bias(me) {
            BiasedLock::enter(self);
        }
    }

    fn try_enter(&self, me: usize) -> bool {
        self.enter_by_bias(me) || BiasedLock::try_enter(self)
    }

    fn leave(&self, me: usize) {
        if !self.is_held_by_bias(me) {
            BiasedLock::leave(self, me);
        } else if !self.go_outside() {
            self.wake_if_outside();
        }
    }
}

/// A number that the lock guards. Loom objects when two threads are at it at once.
struct Guarded<L> {
    lock: L,
    number: UnsafeCell<usize>,
}

impl<L: Lock> Guarded<L> {
    fn by(lock: L) -> Arc<Self> {
        Arc::new(Self {
            lock,
            number: UnsafeCell::new(0),
        })
    }

    /// With the lock held.
    fn count(&self) {
        // SAFETY: the lock is held; loom checks that nobody else is here.
        self.number.with_mut(|number| unsafe { *number += 1 });
    }

    fn enter_and_count(&self, me: usize) {
        self.lock.enter(me);
        self.count();
        self.lock.leave(me);
    }

    /// Whether it could.
    fn try_and_count(&self, me: usize) -> bool {
        let tried = self.lock.try_enter(me);
        if tried {
            self.count();
            self.lock.leave(me);
        }
        tried
    }

    /// At the end, by a thread that has joined the others.
    fn assert_counted(&self, times: usize) {
        self.lock.enter(FIRST);
        // SAFETY: the lock is held.
        assert_eq!(self.number.with(|number| unsafe { *number }), times);
        self.lock.leave(FIRST);
    }
}

// SAFETY: the number, and what the lock guards of itself, are touched with the lock held; that this holds is
// what the tests show.
unsafe impl<L> Sync for Guarded<L> {}
// SAFETY: as above.
unsafe impl<L> Send for Guarded<L> {}

/// As many preemptions as anybody asks for.
const MANY: usize = usize::MAX;

/// Runs `work` in every interleaving with so many preemptions. `LOOM_MAX_PREEMPTIONS` asks for others, but
/// not for more than `most`, which take hours.
fn explore(preemptions: usize, most: usize, work: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    let wanted = model.preemption_bound.unwrap_or(preemptions);
    model.preemption_bound = Some(wanted.min(most));
    model.check(work);
}

/// Runs `threads` threads that each count `rounds` times, of which one tries as well.
fn count<L: Lock>(threads: usize, rounds: usize, preemptions: usize, most: usize) {
    explore(preemptions, most, move || {
        let guarded = Guarded::by(L::free());
        let others: Vec<_> = (FIRST + 1..FIRST + threads)
            .map(|me| {
                let guarded = Arc::clone(&guarded);
                thread::spawn(move || (0..rounds).for_each(|_| guarded.enter_and_count(me)))
            })
            .collect();
        (0..rounds).for_each(|_| guarded.enter_and_count(FIRST));
        let tried = guarded.try_and_count(FIRST);
        for other in others {
            other.join().expect("a thread");
        }
        guarded.assert_counted(threads * rounds + usize::from(tried));
    });
}

#[test]
fn two_threads_twice() {
    count::<RawLock>(2, 2, 4, MANY);
}

#[test]
fn three_threads_once() {
    count::<RawLock>(3, 1, 3, MANY);
}

#[test]
fn the_thread_with_the_bias_and_another_twice() {
    count::<BiasedLock>(2, 2, 4, MANY);
}

#[test]
fn the_thread_with_the_bias_and_two_that_take_it_away() {
    count::<BiasedLock>(3, 1, 2, 3);
}

#[test]
fn the_thread_with_the_bias_inside_twice_and_another() {
    explore(4, MANY, || {
        let guarded = Guarded::by(biased_but_for(0));
        let other = {
            let guarded = Arc::clone(&guarded);
            thread::spawn(move || guarded.enter_and_count(FIRST + 1))
        };
        Lock::enter(&guarded.lock, FIRST);
        if guarded.lock.is_held_by_bias(FIRST) {
            // Also when it is being taken away.
            assert!(guarded.lock.enter_by_bias(FIRST));
            guarded.count();
            Lock::leave(&guarded.lock, FIRST);
            assert!(guarded.lock.is_held_by_bias(FIRST));
        } else {
            guarded.count();
        }
        guarded.count();
        Lock::leave(&guarded.lock, FIRST);
        other.join().expect("a thread");
        guarded.assert_counted(3);
    });
}

/// As a lane's way back does it, which must not be held up, nor for ever be refused what nobody holds.
#[test]
fn one_that_only_tries_takes_the_bias_away() {
    explore(4, MANY, || {
        let guarded = Guarded::by(biased_but_for(0));
        let trying = {
            let guarded = Arc::clone(&guarded);
            thread::spawn(move || usize::from(guarded.try_and_count(FIRST + 1)))
        };
        guarded.enter_and_count(FIRST);
        let tried = trying.join().expect("a thread");
        let again = guarded.try_and_count(FIRST + 1);
        assert!(again, "nobody holds it");
        guarded.assert_counted(2 + tried);
    });
}

/// The thread that lacks so many turns gives itself the bias while others wait, or are about to.
fn the_bias_is_given(lacking: u32, others: usize, most: usize) {
    const ROUNDS: usize = 2;
    explore(3, most, move || {
        let guarded = Guarded::by(biased_but_for(lacking));
        let others: Vec<_> = (FIRST + 1..=FIRST + others)
            .map(|me| {
                let guarded = Arc::clone(&guarded);
                thread::spawn(move || guarded.enter_and_count(me))
            })
            .collect();
        (0..ROUNDS).for_each(|_| guarded.enter_and_count(FIRST));
        let count = ROUNDS + others.len();
        for other in others {
            other.join().expect("a thread");
        }
        guarded.assert_counted(count);
    });
}

#[test]
fn the_bias_is_given_and_used_beside_another() {
    the_bias_is_given(1, 1, MANY);
}

/// Also between the moment when one of them is woken and that when it takes the lock.
#[test]
fn the_bias_is_given_beside_two_others() {
    the_bias_is_given(2, 2, 3);
}
