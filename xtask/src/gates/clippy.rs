//! Lints on this machine's target.

use crate::gate::{Gate, Verdict};

/// Clippy and rustdoc have nothing to say.
pub const GATE: Gate = Gate {
    name: "clippy",
    proves: "clippy and rustdoc find nothing in any target of any crate",
    run: |workspace| {
        workspace
            .cargo()
            .args([
                "clippy",
                "--workspace",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ])
            .run()?;
        workspace
            .cargo()
            .args([
                "doc",
                "--workspace",
                "--no-deps",
                "--document-private-items",
                "--quiet",
            ])
            .env("RUSTDOCFLAGS", "-D warnings")
            .run()?;
        Ok(Verdict::Passed)
    },
};
