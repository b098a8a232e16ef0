//! Requests by size class, in stripes so that threads seldom meet in a cache line.

use core::sync::atomic::{AtomicU64, Ordering};

use rtl_platform::thread;

/// Class 0 is 0..=16 bytes, class `k` ends at `16 << k`, and the last has no end.
pub const CLASSES: usize = 28;

/// Power of two.
const STRIPES: usize = 16;

/// Requests of one stripe between two publications, once there were so many: at a microsecond for
/// one, not to be felt. Before, each power of two publishes, for programs that ask for little.
const PERIOD: u64 = 1024;

#[repr(align(128))]
struct Stripe {
    requests: AtomicU64,
    by_class: [AtomicU64; CLASSES],
}

static STRIPED: [Stripe; STRIPES] = [const {
    Stripe {
        requests: AtomicU64::new(0),
        by_class: [const { AtomicU64::new(0) }; CLASSES],
    }
}; STRIPES];

/// The largest size of a class in bytes; `None` for the last, which has no end.
pub fn class_limit(class: usize) -> Option<usize> {
    (class + 1 < CLASSES)
        .then(|| 16usize.checked_shl(class as u32))
        .flatten()
}

/// Counts a request, and says whether it is time to publish.
pub fn add(size: usize) -> bool {
    // Fibonacci hashing: identities are addresses, whose low bits are alike.
    let hash = (thread::id() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let stripe = &STRIPED[(hash >> 60) as usize % STRIPES];
    // Relaxed throughout: the sums are read for show, and each counter is exact by itself.
    stripe.by_class[class_of(size)].fetch_add(1, Ordering::Relaxed);
    let number = stripe.requests.fetch_add(1, Ordering::Relaxed) + 1;
    number.is_power_of_two() || number.is_multiple_of(PERIOD)
}

/// The requests of every class.
pub fn totals() -> [u64; CLASSES] {
    let mut sums = [0; CLASSES];
    for stripe in &STRIPED {
        for (sum, counter) in sums.iter_mut().zip(&stripe.by_class) {
            *sum += counter.load(Ordering::Relaxed);
        }
    }
    sums
}

fn class_of(size: usize) -> usize {
    let width = usize::BITS - size.saturating_sub(1).leading_zeros();
    (width.saturating_sub(4) as usize).min(CLASSES - 1)
}
