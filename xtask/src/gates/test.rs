//! The tests, on this machine.

use crate::gate::{Gate, Verdict};

/// The whole workspace's tests pass natively.
pub const GATE: Gate = Gate {
    name: "test",
    proves: "the unit, conformance, model and reliability tests pass on this machine",
    run: |workspace| {
        workspace.cargo().args(["test", "--workspace"]).run()?;
        Ok(Verdict::Passed)
    },
};
