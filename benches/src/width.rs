//! How many instructions the core finishes at a time, sampled between measurements.
//!
//! A virtual machine does not show who runs on the other hyperthread of its core. Somebody there can take
//! half of the instructions a cycle, which should slow a loop of many instructions more than one that waits
//! for memory, so a run says how much of a core it had.

use std::sync::Mutex;

use crate::clock::thread_ns;
use crate::rounds::quantile;

static SAMPLES: Mutex<Vec<f64>> = Mutex::new(Vec::new());

/// Additions that do not wait for each other in one turn of the loop.
#[cfg(target_arch = "x86_64")]
const ADDITIONS: u64 = 16;
/// Cycles from one multiplication to the next that needs its result, on all of today's x86-64 processors.
#[cfg(target_arch = "x86_64")]
const CYCLES_OF_A_PRODUCT: u64 = 3;

/// Takes a sample: some tens of microseconds.
#[cfg(target_arch = "x86_64")]
pub fn sample() {
    use std::arch::asm;

    const TURNS: u64 = 4_000;
    let timed = |run: fn()| {
        let start = thread_ns();
        run();
        (thread_ns() - start) as f64
    };
    let products = timed(|| {
        let mut value = 1_u64;
        for _ in 0..TURNS {
            // SAFETY: changes the one register it is given.
            unsafe { asm!("imul {0}, {0}", inout(reg) value, options(nomem, nostack)) };
        }
        std::hint::black_box(value);
    });
    let additions = timed(|| {
        for _ in 0..TURNS {
            // SAFETY: changes the registers it declares and no others.
            unsafe {
                asm!(
                    "add {0}, 1", "add {1}, 1", "add {2}, 1", "add {3}, 1",
                    "add {0}, 1", "add {1}, 1", "add {2}, 1", "add {3}, 1",
                    "add {0}, 1", "add {1}, 1", "add {2}, 1", "add {3}, 1",
                    "add {0}, 1", "add {1}, 1", "add {2}, 1", "add {3}, 1",
                    out(reg) _, out(reg) _, out(reg) _, out(reg) _,
                    options(nomem, nostack)
                );
            }
        }
    });
    let cycle = products / (TURNS * CYCLES_OF_A_PRODUCT) as f64;
    let width = (TURNS * ADDITIONS) as f64 / (additions / cycle);
    if let Ok(mut samples) = SAMPLES.lock() {
        samples.push(width);
    }
}

/// There is nothing to compare with on this kind of processor.
#[cfg(not(target_arch = "x86_64"))]
pub fn sample() {}

/// Additions a cycle of the samples so far: median and 95th percentile; `None` without samples.
pub fn seen() -> Option<(f64, f64)> {
    let samples = SAMPLES.lock().ok()?;
    (!samples.is_empty()).then(|| (quantile(&samples, 0.5), quantile(&samples, 0.95)))
}
