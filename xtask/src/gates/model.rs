//! The long run of the model.

use crate::gate::{Gate, Verdict};
use crate::toolchain::PROPTEST_CASES_LONG;

/// A million random operations agree with the model.
pub const GATE: Gate = Gate {
    name: "model",
    proves: "a million random operations on heaps of every kind agree with a simple model",
    run: |workspace| {
        workspace
            .cargo()
            .args([
                "test",
                "--release",
                "-p",
                "rtl-heap-tests",
                "--test",
                "model*",
            ])
            .env("PROPTEST_CASES", PROPTEST_CASES_LONG)
            .run()?;
        Ok(Verdict::Passed)
    },
};
