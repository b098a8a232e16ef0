//! Sleeping until a word changes, and waking who sleeps.
//!
//! These are a futex's two halves: Linux `futex`, macOS `os_sync_wait_on_address` or its
//! predecessor, Windows `WaitOnAddress`. Where the system has none or refuses it, waiting lets
//! other threads run and returns, so that a lock built on it spins politely but never hangs.

use core::sync::atomic::AtomicU32;

use crate::sys::wait as sys;

/// Sleeps while `word` holds `expected`, until a wake. May return at any time without a reason, so
/// the caller loops. A wake that comes after the caller changed its mind is harmless.
#[doc(alias = "futex")]
#[doc(alias = "WaitOnAddress")]
pub fn wait(word: &AtomicU32, expected: u32) {
    sys::wait(word, expected);
}

/// Wakes at least one thread that sleeps on `word`, if there is one. Change the word first.
#[doc(alias = "WakeByAddressSingle")]
pub fn wake_one(word: &AtomicU32) {
    sys::wake_one(word);
}

/// Wakes every thread that sleeps on `word`. Change the word first.
#[doc(alias = "WakeByAddressAll")]
pub fn wake_all(word: &AtomicU32) {
    sys::wake_all(word);
}

/// Lets another thread run, if one is ready.
pub fn pause() {
    sys::pause();
}

/// Sleeps for a fraction of a millisecond or a little more, whatever the priorities of the others.
pub fn nap() {
    sys::nap();
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering::SeqCst;
    use std::thread::scope;

    #[test]
    fn a_word_that_changed_is_not_waited_for() {
        let word = AtomicU32::new(1);
        wait(&word, 0);
        wake_one(&word);
        wake_all(&word);
        assert_eq!(word.load(SeqCst), 1);
    }

    #[test]
    fn two_threads_hand_a_turn_to_and_fro() {
        const TURNS: u32 = 2_000;
        let turn = AtomicU32::new(0);
        let play = |parity: u32| {
            for mine in (parity..TURNS).step_by(2) {
                loop {
                    let now = turn.load(SeqCst);
                    if now == mine {
                        break;
                    }
                    wait(&turn, now);
                }
                turn.store(mine + 1, SeqCst);
                wake_all(&turn);
            }
        };
        scope(|threads| {
            threads.spawn(|| play(0));
            threads.spawn(|| play(1));
        });
        assert_eq!(turn.load(SeqCst), TURNS);
    }

    #[test]
    fn wake_all_wakes_every_sleeper() {
        let (gate, through) = (AtomicU32::new(0), AtomicU32::new(0));
        scope(|threads| {
            for _ in 0..4 {
                threads.spawn(|| {
                    while gate.load(SeqCst) == 0 {
                        wait(&gate, 0);
                    }
                    through.fetch_add(1, SeqCst);
                });
            }
            gate.store(1, SeqCst);
            wake_all(&gate);
        });
        assert_eq!(through.load(SeqCst), 4);
    }

    #[test]
    fn a_lock_of_wait_and_wake_one_excludes() {
        // 0 free, 1 held, 2 held and waited for.
        let (lock, inside) = (AtomicU32::new(0), AtomicU32::new(0));
        let total = AtomicU32::new(0);
        scope(|threads| {
            for _ in 0..4 {
                threads.spawn(|| {
                    for _ in 0..1_000 {
                        if lock.compare_exchange(0, 1, SeqCst, SeqCst).is_err() {
                            while lock.swap(2, SeqCst) != 0 {
                                wait(&lock, 2);
                            }
                        }
                        assert_eq!(inside.fetch_add(1, SeqCst), 0);
                        total.store(total.load(SeqCst) + 1, SeqCst);
                        inside.fetch_sub(1, SeqCst);
                        if lock.swap(0, SeqCst) == 2 {
                            wake_one(&lock);
                        }
                    }
                });
            }
        });
        assert_eq!(total.load(SeqCst), 4_000);
    }
}
