//! Threads, as the system that runs the tests has them.

use super::*;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread::{scope, spawn};

#[test]
fn living_threads_have_different_numbers() {
    let mine = id();
    assert_ne!(mine, 0);
    assert_eq!(mine, id());
    scope(|threads| {
        threads.spawn(|| assert_ne!(id(), mine)).join().unwrap();
    });
}

#[test]
fn a_block_starts_empty_and_keeps_what_it_is_given() {
    spawn(|| {
        // SAFETY: the block is this thread's and valid while the thread lives.
        let this = unsafe { block().as_ref() };
        assert_eq!((this.last_error.get(), this.last_status.get()), (0, 0));
        assert!(this.words.iter().all(|word| word.get() == 0));
        this.words[7].set(70);
        this.last_error.set(8);
        this.last_status.set(-9);
        // SAFETY: as above.
        let again = unsafe { block().as_ref() };
        assert_eq!((again.words[7].get(), again.last_error.get()), (70, 8));
        assert_eq!(again.last_status.get(), -9);
        assert!(!is_exiting());
    })
    .join()
    .unwrap();
}

#[test]
fn the_exit_routine_runs_once_with_the_threads_block() {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    static BLOCK: AtomicUsize = AtomicUsize::new(0);
    unsafe fn exit(block: NonNull<ThreadBlock>) {
        RUNS.fetch_add(1, SeqCst);
        BLOCK.store(block.as_ptr().addr(), SeqCst);
        assert!(is_exiting());
        assert_eq!(block, super::block());
        // SAFETY: the thread's own block, which still lives.
        assert_eq!(unsafe { block.as_ref() }.words[0].get(), 5);
    }
    let own = spawn(|| {
        // SAFETY: the routine is fit to run at this thread's end.
        unsafe { arm(exit) };
        // SAFETY: as above; a second time changes nothing.
        unsafe { arm(exit) };
        // SAFETY: the block is this thread's.
        unsafe { block().as_ref() }.words[0].set(5);
        assert!(!is_exiting());
        block().as_ptr().addr()
    })
    .join()
    .unwrap();
    assert_eq!(RUNS.load(SeqCst), 1);
    assert_eq!(BLOCK.load(SeqCst), own);
}

#[test]
fn every_thread_has_its_own_exit() {
    static SUM: AtomicUsize = AtomicUsize::new(0);
    unsafe fn exit(block: NonNull<ThreadBlock>) {
        // SAFETY: the thread's own block, which still lives.
        SUM.fetch_add(unsafe { block.as_ref() }.words[1].get(), SeqCst);
    }
    let threads: Vec<_> = (1..=32)
        .map(|number| {
            spawn(move || {
                // SAFETY: the routine is fit to run at this thread's end.
                unsafe { arm(exit) };
                // SAFETY: the block is this thread's.
                unsafe { block().as_ref() }.words[1].set(number);
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(SUM.load(SeqCst), 32 * 33 / 2);
}

/// A destructor of std's that looks at the block when the thread's life is nearly over.
struct Late(fn());

impl Drop for Late {
    fn drop(&mut self) {
        (self.0)();
    }
}

thread_local! {
    static LATE: Late = Late(|| {
        // SAFETY: the block is this thread's and valid while the thread lives.
        let this = unsafe { block().as_ref() };
        this.words[2].set(this.words[2].get() + 1);
        LATE_RUNS.fetch_add(1, SeqCst);
    });
}
static LATE_RUNS: AtomicUsize = AtomicUsize::new(0);

#[test]
fn late_destructors_find_a_block() {
    unsafe fn exit(_: NonNull<ThreadBlock>) {}
    for armed in [false, true] {
        spawn(move || {
            LATE.with(|_| ());
            if armed {
                // SAFETY: the routine does nothing.
                unsafe { arm(exit) };
            }
            let _ = block();
        })
        .join()
        .unwrap();
    }
    assert_eq!(LATE_RUNS.load(SeqCst), 2);
}

#[cfg(unix)]
#[test]
fn arming_again_in_the_exit_routine_runs_it_again() {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    unsafe fn exit(_: NonNull<ThreadBlock>) {
        if RUNS.fetch_add(1, SeqCst) == 0 {
            // SAFETY: the routine is fit to run in a later round.
            unsafe { arm(exit) };
        }
    }
    // SAFETY: the routine is fit to run at this thread's end.
    spawn(|| unsafe { arm(exit) }).join().unwrap();
    assert_eq!(RUNS.load(SeqCst), 2);
}

#[test]
fn blocks_of_dead_threads_do_not_pile_up() {
    let mut seen = std::collections::HashSet::new();
    for _ in 0..500 {
        seen.insert(spawn(|| block().as_ptr().addr()).join().unwrap());
    }
    // The other tests' threads come and go meanwhile, but a new block for every thread would show.
    assert!(
        seen.len() < 250,
        "{} blocks for 500 threads in turn",
        seen.len()
    );
}
