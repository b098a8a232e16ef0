//! Tests that count what the whole process has run one at a time.

use std::sync::{Mutex, MutexGuard, PoisonError};

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Waits for the turn of a test that needs the process to itself; the turn ends with the guard.
///
/// Every test of a file that calls this calls it, so that nothing else makes or ends heaps
/// meanwhile.
pub fn turn() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}
