//! arm64 Linux under qemu, with 4 KiB pages and with Apple's 16 KiB.

use crate::build_std;
use crate::gate::{Gate, Verdict};
use crate::toolchain::ARM64;
use crate::workspace::{Workspace, find_program};

/// The tests pass on arm64.
pub const GATE: Gate = Gate {
    name: "arm64",
    proves: "the portable crates' tests pass on arm64 Linux",
    run: |workspace| test(workspace, 4096),
};

/// The tests pass where the host's page is larger than NT's.
pub const GATE_16K: Gate = Gate {
    name: "arm64-16k",
    proves: "the same on a host with 16 KiB pages, where an NT page is a quarter of a host page",
    run: |workspace| test(workspace, 16384),
};

fn test(workspace: &Workspace, page_bytes: usize) -> anyhow::Result<Verdict> {
    if let Some(why) = build_std::missing() {
        return Verdict::skipped(why);
    }
    if find_program(&["qemu-aarch64"]).is_none() {
        return Verdict::skipped("qemu-aarch64 is not installed (cargo xtask setup)");
    }
    let runner = format!("qemu-aarch64 -p {page_bytes} -L /usr/aarch64-linux-gnu");
    let environment = [
        (
            "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER",
            runner.clone(),
        ),
        ("RUSTFLAGS", "--cfg emulated".to_owned()),
        // For the tests that start themselves again.
        ("RTL_HEAP_TEST_RUNNER", runner),
    ];
    let command = build_std::zig_command(workspace)?;
    build_std::test_with(workspace, command, ARM64, &environment)
}
