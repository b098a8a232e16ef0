//! A memory barrier on every processor that runs a thread of the process.
//!
//! It lets one side of a protocol between threads do without barriers of its own: the side that is
//! rarely taken has all others pass one.

use core::sync::atomic::{AtomicU8, Ordering};

use crate::sys::barrier as sys;

/// Nobody has asked yet.
const UNKNOWN: u8 = 0;
/// The system offers it.
const OFFERED: u8 = 1;
/// It does not.
const ABSENT: u8 = 2;

static STATE: AtomicU8 = AtomicU8::new(UNKNOWN);

/// Whether the system offers such a barrier: [`on_every_processor`] may be called then. Asks once in the
/// life of the process.
#[must_use]
pub fn is_offered() -> bool {
    match STATE.load(Ordering::Relaxed) {
        UNKNOWN => {
            let offered = sys::enlist();
            STATE.store(if offered { OFFERED } else { ABSENT }, Ordering::Relaxed);
            offered
        }
        state => state == OFFERED,
    }
}

/// When it returns, every other thread of the process has passed a full barrier since the call began, or
/// did not run. The calling thread has passed one as well.
///
/// Call it only where [`is_offered`] says so. Costs microseconds, more with more processors.
#[doc(alias = "membarrier")]
#[doc(alias = "FlushProcessWriteBuffers")]
pub fn on_every_processor() {
    sys::on_every_processor();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_offered_stays_offered_and_returns() {
        let offered = is_offered();
        assert_eq!(is_offered(), offered);
        if offered {
            on_every_processor();
        }
    }
}
