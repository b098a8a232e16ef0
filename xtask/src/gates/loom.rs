//! The models of what threads do to each other, at length.

use crate::gate::{Gate, Verdict};
use crate::toolchain::{HOST, LOOM_PREEMPTIONS};

/// loom finds no bad interleaving.
pub const GATE: Gate = Gate {
    name: "loom",
    proves: "the lock under every heap and the lanes above it hold in all interleavings with a bounded number of preemptions",
    run: |workspace| {
        workspace
            .cargo()
            .args([
                "test",
                "--release",
                "--target",
                HOST,
                "-p",
                "rtl-heap-tests",
            ])
            .args(["--test", "model_lock", "--test", "model_lane"])
            .env("LOOM_MAX_PREEMPTIONS", LOOM_PREEMPTIONS)
            .run()?;
        Ok(Verdict::Passed)
    },
};
