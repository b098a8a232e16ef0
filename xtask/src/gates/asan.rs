//! AddressSanitizer.

use crate::exceptions;
use crate::gate::{Gate, Verdict};
use crate::toolchain::{HOST, PROPTEST_CASES_ELSEWHERE};

/// AddressSanitizer finds nothing.
pub const GATE: Gate = Gate {
    name: "asan",
    proves: "the portable crates' tests pass with AddressSanitizer watching every access",
    run: |workspace| {
        let toolchains = workspace
            .command("rustup")
            .args(["toolchain", "list"])
            .quiet()
            .read();
        if !toolchains.is_ok_and(|list| list.contains("nightly")) {
            return Verdict::skipped(
                "needs a nightly toolchain (rustup toolchain install nightly)",
            );
        }
        workspace
            .cargo()
            .args(["+nightly", "test", "--lib", "--tests", "--target", HOST])
            .args(workspace.portable_package_flags())
            .arg("--target-dir")
            .arg(workspace.target_dir("asan"))
            .args(exceptions::test_arguments("asan"))
            .env("RUSTFLAGS", "-Zsanitizer=address --cfg asan")
            .env("PROPTEST_CASES", PROPTEST_CASES_ELSEWHERE)
            .run()?;
        Ok(Verdict::Passed)
    },
};
