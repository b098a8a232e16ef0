//! macOS: everything compiles and links; a Mac in the hosted workflow runs it.

use crate::build_std;
use crate::gate::{Gate, Verdict};
use crate::toolchain::APPLE;

/// The test programs link for macOS.
pub const GATE: Gate = Gate {
    name: "apple",
    proves: "the portable crates' test programs compile and link for macOS",
    run: |workspace| {
        if let Some(why) = build_std::missing() {
            return Verdict::skipped(why);
        }
        build_std::zig_command(workspace)?
            .args(["test", "--no-run", "-Zbuild-std", "--target", APPLE])
            .args(workspace.portable_package_flags())
            .arg("--target-dir")
            .arg(workspace.target_dir("build-std"))
            .run()?;
        Ok(Verdict::Passed)
    },
};
