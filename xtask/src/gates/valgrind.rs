//! Valgrind's memcheck.

use crate::exceptions;
use crate::gate::{Gate, Verdict};
use crate::toolchain::PROPTEST_CASES_INTERPRETED;
use crate::workspace::find_program;

/// memcheck finds neither a bad access nor a leak.
pub const GATE: Gate = Gate {
    name: "valgrind",
    proves: "memcheck finds no bad access, no use of undefined memory and no leak in the core's own tests",
    run: |workspace| {
        if find_program(&["valgrind"]).is_none() {
            return Verdict::skipped("valgrind is not installed (cargo xtask setup)");
        }
        workspace
            .cargo()
            .args([
                "test",
                "--lib",
                "--tests",
                "-p",
                "rtl-platform",
                "-p",
                "rtl-heap",
            ])
            .arg("--target-dir")
            .arg(workspace.target_dir("valgrind"))
            .args(exceptions::test_arguments("valgrind"))
            .env(
                "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER",
                "valgrind --quiet --error-exitcode=9 --leak-check=full --show-leak-kinds=definite \
                 --errors-for-leak-kinds=definite",
            )
            .env("RUSTFLAGS", "--cfg valgrind")
            .env("PROPTEST_CASES", PROPTEST_CASES_INTERPRETED)
            .run()?;
        Ok(Verdict::Passed)
    },
};
