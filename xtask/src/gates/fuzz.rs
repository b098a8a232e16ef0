//! The fuzz targets, for a short time.

use std::path::Path;

use crate::gate::{Gate, Verdict};
use crate::toolchain::{FUZZ_RUSTFLAGS, FUZZ_SECONDS, HOST};
use crate::workspace::find_program;

/// The targets of `fuzz/fuzz_targets`.
const TARGETS: &[&str] = &["operations", "damage"];

/// libFuzzer finds nothing.
pub const GATE: Gate = Gate {
    name: "fuzz",
    proves: "no call sequence and no damage that libFuzzer finds in a short time breaks a heap",
    run: |workspace| {
        if find_program(&["c++"]).is_none() {
            return Verdict::skipped("libFuzzer needs a C++ compiler (cargo xtask setup)");
        }
        let target_dir = workspace.target_dir("fuzz");
        for target in TARGETS {
            // Inputs that were new to an earlier run on this machine.
            let corpus = workspace.cache.join("corpus").join(target);
            std::fs::create_dir_all(&corpus)?;
            workspace
                .cargo()
                .args(["run", "--release", "--target", HOST, "--bin", target])
                .args([Path::new("--manifest-path"), Path::new("fuzz/Cargo.toml")])
                .arg("--target-dir")
                .arg(&target_dir)
                .arg("--")
                .arg(&corpus)
                .arg(format!("-max_total_time={FUZZ_SECONDS}"))
                .args(["-timeout=10", "-max_len=4096", "-print_final_stats=1"])
                // A crash's input, to be shown with the failure.
                .arg(format!("-artifact_prefix={}/", workspace.cache.display()))
                .env("RUSTFLAGS", FUZZ_RUSTFLAGS)
                .run()?;
        }
        Ok(Verdict::Passed)
    },
};
