//! The library and Wine's heap, side by side.

use crate::build_std;
use crate::gate::{Gate, Verdict};
use crate::toolchain::{BUILD_STD_CARGO, DIFFERENTIAL_OPERATIONS, WIN64};
use crate::wine::{self, Prefix};
use crate::workspace::find_program;

/// Both heaps give the same answers, but for the known ones.
pub const GATE: Gate = Gate {
    name: "differential",
    proves: "a million operations on our heap and on Wine's in one process are answered alike, but for Wine's known faults",
    run: |workspace| {
        if let Some(why) = build_std::missing() {
            return Verdict::skipped(why);
        }
        if find_program(&["wine"]).is_none() {
            return Verdict::skipped("wine is not installed (cargo xtask setup)");
        }
        let prefix = Prefix::open_64(workspace)?;
        prefix.keep_server()?;
        let mut command = build_std::command(workspace, BUILD_STD_CARGO);
        for (name, value) in prefix.environment() {
            command = command.env(name, value);
        }
        // The crates of `win64`, so that nothing is built again.
        command
            .args(["test", "-Zbuild-std", "--target", WIN64])
            .args(workspace.portable_package_flags())
            .arg("--target-dir")
            .arg(workspace.target_dir("build-std"))
            .args(["--test", "differential", "--", "--nocapture"])
            .env(
                "CARGO_TARGET_X86_64_WIN7_WINDOWS_GNU_RUNNER",
                wine::runner().join(" "),
            )
            .env("RTL_HEAP_DIFFERENTIAL_OPERATIONS", DIFFERENTIAL_OPERATIONS)
            .run()?;
        Ok(Verdict::Passed)
    },
};
