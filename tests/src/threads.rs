//! Whether a second thread has to wait for the heap lock.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::abi::{HeapLock, HeapUnlock, TRUE};
use crate::heap::TestHeap;

/// How often the holder of the lock looks whether the other thread got past it all the same.
const LOOKS: usize = 50;
/// A thread that should not wait is given this long before the test fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(120);

/// Asserts that `other`, run on a second thread while this one holds the heap lock, waits for the
/// lock, and goes on once it is left.
///
/// The second thread notes on its way out whether the lock had been left by then. A slow machine
/// cannot make that note wrong; a heap that does not block is caught because the first thread gives
/// the second time to run.
pub fn assert_blocks(heap: &TestHeap, other: impl FnOnce(&TestHeap) + Send) {
    assert_eq!(HeapLock(heap.handle()), TRUE);
    assert_blocks_until(heap, other, || assert_eq!(HeapUnlock(heap.handle()), TRUE));
}

/// As [`assert_blocks`], for a lock this thread holds already and `release` leaves.
pub fn assert_blocks_until(
    heap: &TestHeap,
    other: impl FnOnce(&TestHeap) + Send,
    release: impl FnOnce(),
) {
    let released = AtomicBool::new(false);
    let finished = AtomicBool::new(false);
    let (started, has_started) = mpsc::channel();
    thread::scope(|scope| {
        let second = scope.spawn(|| {
            started.send(()).expect("the first thread waits for this");
            other(heap);
            let waited = released.load(Ordering::SeqCst);
            finished.store(true, Ordering::SeqCst);
            waited
        });
        has_started.recv().expect("the second thread starts");
        for _ in 0..LOOKS {
            if finished.load(Ordering::SeqCst) {
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
        released.store(true, Ordering::SeqCst);
        release();
        assert!(
            second.join().expect("the second thread ends"),
            "it did not wait for the lock"
        );
    });
}

/// Asserts that `other`, run on a second thread while this one holds the heap lock, ends without
/// waiting.
pub fn assert_does_not_block(heap: &TestHeap, other: impl FnOnce(&TestHeap) + Send) {
    assert_eq!(HeapLock(heap.handle()), TRUE);
    let (done, is_done) = mpsc::channel();
    let ran = thread::scope(|scope| {
        scope.spawn(move || {
            other(heap);
            // The first thread may have given up already.
            let _ = done.send(());
        });
        let ran = is_done.recv_timeout(PATIENCE).is_ok();
        assert_eq!(HeapUnlock(heap.handle()), TRUE);
        ran
    });
    assert!(ran, "it waited for the lock");
}
