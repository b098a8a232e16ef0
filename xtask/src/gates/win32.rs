//! 32-bit Windows, under a Wine that lives in a root of its own.

use crate::build_std;
use crate::gate::{Gate, Verdict};
use crate::toolchain::WIN32;
use crate::wine32;

/// The tests pass on 32-bit Windows.
pub const GATE: Gate = Gate {
    name: "win32",
    proves: "the portable crates' tests pass as 32-bit Windows programs, under Wine",
    run: |workspace| {
        if let Some(why) = build_std::missing() {
            return Verdict::skipped(why);
        }
        if !wine32::is_installed(workspace) {
            return Verdict::skipped(
                "there is no root with 32-bit Wine (cargo xtask setup, as root)",
            );
        }
        build_std::test(workspace, WIN32, &wine32::environment(workspace)?)
    },
};
