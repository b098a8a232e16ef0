//! Formatting.

use crate::gate::{Gate, Verdict};

/// rustfmt has nothing to change.
pub const GATE: Gate = Gate {
    name: "fmt",
    proves: "every Rust file is formatted by rustfmt's defaults",
    run: |workspace| {
        workspace.cargo().args(["fmt", "--all", "--check"]).run()?;
        Ok(Verdict::Passed)
    },
};
