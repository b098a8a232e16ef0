//! Lints on the targets whose code this machine's own build never sees.

use crate::build_std;
use crate::gate::{Gate, Verdict};
use crate::toolchain::{APPLE, BUILD_STD_CLIPPY, WIN64};

/// Clippy has nothing to say about the Windows and macOS code either.
pub const GATE: Gate = Gate {
    name: "clippy-elsewhere",
    proves: "clippy finds nothing in the Windows and macOS builds of the portable crates",
    run: |workspace| {
        if let Some(why) = build_std::missing() {
            return Verdict::skipped(why);
        }
        for target in [WIN64, APPLE] {
            build_std::command(workspace, BUILD_STD_CLIPPY)
                .args(["clippy", "-Zbuild-std", "--tests", "--target", target])
                .args(workspace.portable_package_flags())
                .arg("--target-dir")
                .arg(workspace.target_dir("clippy"))
                .args(["--", "-D", "warnings"])
                // It says so of `const` blocks too where thread locals are not the compiler's own.
                .args(["-A", "clippy::missing_const_for_thread_local"])
                .run()?;
        }
        Ok(Verdict::Passed)
    },
};
