//! The word-sized lock under every interleaving that loom finds (reliability line R10): nobody is
//! inside with another, and nobody sleeps for ever.
//!
//! The lock's own source is compiled here, over loom's atomics and over a model of the futex.
#![cfg(not(windows))]

#[path = "../../crates/rtl-heap/src/raw_lock.rs"]
mod raw_lock;

mod sync {
    //! The atomic that the lock is made of.

    use std::sync::OnceLock;

    pub use loom::sync::atomic::Ordering;

    /// Loom's, made when it is first used, since loom's cannot be made in a constant.
    #[derive(Debug)]
    pub struct AtomicU32 {
        initial: u32,
        inner: OnceLock<loom::sync::atomic::AtomicU32>,
    }

    impl AtomicU32 {
        pub const fn new(initial: u32) -> Self {
            Self {
                initial,
                inner: OnceLock::new(),
            }
        }

        fn inner(&self) -> &loom::sync::atomic::AtomicU32 {
            let make = || loom::sync::atomic::AtomicU32::new(self.initial);
            self.inner.get_or_init(make)
        }

        /// What a spinning thread sees, which is only a hint: the lock held, always, so that the
        /// spinning ends without a step and the waiting is what is explored.
        pub fn load(&self, _order: Ordering) -> u32 {
            1
        }

        pub fn swap(&self, value: u32, order: Ordering) -> u32 {
            self.inner().swap(value, order)
        }

        pub fn compare_exchange(
            &self,
            current: u32,
            new: u32,
            success: Ordering,
            failure: Ordering,
        ) -> Result<u32, u32> {
            self.inner()
                .compare_exchange(current, new, success, failure)
        }

        /// What is there now, as the system reads it.
        pub fn now(&self) -> u32 {
            self.inner().fetch_add(0, Ordering::Relaxed)
        }
    }
}

mod host {
    //! The futex: a thread goes to sleep only while the word holds what it expects.

    use loom::sync::{Condvar, Mutex};

    use crate::sync::AtomicU32;

    loom::lazy_static! {
        static ref SLEEPERS: (Mutex<()>, Condvar) = (Mutex::new(()), Condvar::new());
    }

    pub fn wait(word: &AtomicU32, expected: u32) {
        let looking = SLEEPERS.0.lock().expect("no thread failed");
        if word.now() == expected {
            drop(SLEEPERS.1.wait(looking).expect("no thread failed"));
        }
    }

    pub fn wake_one(_word: &AtomicU32) {
        let _looking = SLEEPERS.0.lock().expect("no thread failed");
        SLEEPERS.1.notify_one();
    }
}

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;
use raw_lock::RawLock;

/// A number that the lock guards. Loom objects when two threads are at it at once.
struct Guarded {
    lock: RawLock,
    number: UnsafeCell<usize>,
}

impl Guarded {
    fn new() -> Arc<Self> {
        let guarded = Self {
            lock: RawLock::default(),
            number: UnsafeCell::new(0),
        };
        // The word exists before there is a second thread.
        assert!(guarded.lock.try_enter());
        guarded.lock.leave();
        Arc::new(guarded)
    }

    /// With the lock held.
    fn count(&self) {
        // SAFETY: the lock is held; loom checks that nobody else is here.
        self.number.with_mut(|number| unsafe { *number += 1 });
    }

    fn enter_and_count(&self) {
        self.lock.enter();
        self.count();
        self.lock.leave();
    }
}

// SAFETY: the number is touched with the lock held; that this holds is what the tests show.
unsafe impl Sync for Guarded {}
// SAFETY: as above.
unsafe impl Send for Guarded {}

/// Runs `threads` threads that each count `rounds` times, beside one that only tries.
fn explore(threads: usize, rounds: usize, preemptions: usize) {
    let mut model = loom::model::Builder::new();
    // `LOOM_MAX_PREEMPTIONS` asks for more, or fewer.
    model.preemption_bound = model.preemption_bound.or(Some(preemptions));
    model.check(move || {
        let guarded = Guarded::new();
        let others: Vec<_> = (1..threads)
            .map(|_| {
                let guarded = Arc::clone(&guarded);
                thread::spawn(move || (0..rounds).for_each(|_| guarded.enter_and_count()))
            })
            .collect();
        (0..rounds).for_each(|_| guarded.enter_and_count());
        let tried = guarded.lock.try_enter();
        if tried {
            guarded.count();
            guarded.lock.leave();
        }
        for other in others {
            other.join().expect("a thread");
        }
        guarded.lock.enter();
        // SAFETY: the lock is held.
        let number = guarded.number.with(|number| unsafe { *number });
        assert_eq!(number, threads * rounds + usize::from(tried));
        guarded.lock.leave();
    });
}

#[test]
fn two_threads_twice() {
    explore(2, 2, 4);
}

#[test]
fn three_threads_once() {
    explore(3, 1, 3);
}
