//! 32-bit Linux.

use crate::build_std;
use crate::gate::{Gate, Verdict};
use crate::toolchain::LIN32;

/// The tests pass with 32-bit pointers.
pub const GATE: Gate = Gate {
    name: "lin32",
    proves: "the portable crates' tests pass on 32-bit x86 Linux",
    run: |workspace| {
        if let Some(why) = build_std::missing() {
            return Verdict::skipped(why);
        }
        build_std::test(workspace, LIN32, &[])
    },
};
