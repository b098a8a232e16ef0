//! 64-bit Windows, under Wine.

use crate::build_std;
use crate::gate::{Gate, Verdict};
use crate::toolchain::WIN64;
use crate::wine::{self, Prefix};
use crate::workspace::find_program;

/// The tests pass on 64-bit Windows.
pub const GATE: Gate = Gate {
    name: "win64",
    proves: "the portable crates' tests pass as 64-bit Windows programs, under Wine",
    run: |workspace| {
        if let Some(why) = build_std::missing() {
            return Verdict::skipped(why);
        }
        if find_program(&["wine"]).is_none() {
            return Verdict::skipped("wine is not installed (cargo xtask setup)");
        }
        let prefix = Prefix::open_64(workspace)?;
        prefix.keep_server()?;
        let mut environment = prefix.environment();
        environment.push((
            "CARGO_TARGET_X86_64_WIN7_WINDOWS_GNU_RUNNER",
            wine::runner().join(" "),
        ));
        build_std::test(workspace, WIN64, &environment)
    },
};
