//! Miri: aliasing, provenance and every other rule of the language.

use crate::gate::{Gate, Verdict};
use crate::toolchain::PROPTEST_CASES_INTERPRETED;

/// What Miri runs: the crates over the simulated virtual memory, since it has no pages of its own.
const SUBJECTS: &[&[&str]] = &[
    &[
        "-p",
        "rtl-platform",
        "--no-default-features",
        "--features",
        "sim",
    ],
    &["-p", "rtl-heap", "--no-default-features", "--lib"],
];

/// Miri finds no undefined behaviour.
pub const GATE: Gate = Gate {
    name: "miri",
    proves: "the core's own tests break no rule of the language, over the simulated memory",
    run: |workspace| {
        let miri = || workspace.cargo().args(["+nightly", "miri"]);
        if miri()
            .arg("--version")
            .quiet()
            .ignore_stdout()
            .ignore_stderr()
            .run()
            .is_err()
        {
            return Verdict::skipped("miri is not installed (rustup +nightly component add miri)");
        }
        for subject in SUBJECTS {
            miri()
                .arg("test")
                .args(*subject)
                .arg("--target-dir")
                .arg(workspace.target_dir("miri"))
                .env(
                    "MIRIFLAGS",
                    "-Zmiri-strict-provenance -Zmiri-symbolic-alignment-check",
                )
                .env("PROPTEST_CASES", PROPTEST_CASES_INTERPRETED)
                .run()?;
        }
        Ok(Verdict::Passed)
    },
};
