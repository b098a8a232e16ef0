//! Cargo with the standard library built from source: other targets, and instrumented builds.

use std::ffi::OsString;
use std::path::Path;

use anyhow::Result;
use xshell::Cmd;

use crate::conformance::lines::Target;
use crate::conformance::{self, Results};
use crate::gate::Verdict;
use crate::toolchain::{self, PROPTEST_CASES_ELSEWHERE};
use crate::workspace::Workspace;

/// Why the recipe cannot run here, if it cannot.
pub fn missing() -> Option<String> {
    [toolchain::BUILD_STD_CARGO, toolchain::BUILD_STD_RUSTC]
        .into_iter()
        .find(|tool| !Path::new(tool).exists())
        .map(|tool| format!("{tool} is not installed (cargo xtask setup)"))
}

/// `program` set up to build the standard library from Debian's sources with Debian's compiler.
pub fn command<'a>(workspace: &'a Workspace, program: &str) -> Cmd<'a> {
    workspace
        .command(program)
        .env("CARGO", toolchain::BUILD_STD_CARGO)
        .env("RUSTC", toolchain::BUILD_STD_RUSTC)
        .env("RUSTDOC", toolchain::BUILD_STD_RUSTDOC)
        .env("RUSTC_BOOTSTRAP", "1")
        // Wine's 32-bit dbghelp, and qemu with pages above 4 KiB, crash while a backtrace is
        // printed.
        .env("RUST_BACKTRACE", "0")
        .env("PROPTEST_CASES", PROPTEST_CASES_ELSEWHERE)
}

/// The same with the venv's tools (zig, cargo-zigbuild) in PATH.
pub fn zig_command<'a>(workspace: &'a Workspace) -> Result<Cmd<'a>> {
    let tools = workspace.tools_dir();
    let mut path = OsString::from(&tools);
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    let zigbuild = tools.join("cargo-zigbuild");
    Ok(command(workspace, &zigbuild.to_string_lossy()).env("PATH", path))
}

/// Runs the tests of the portable crates for `target`, and counts the conformance lines there.
pub fn test(
    workspace: &Workspace,
    target: &str,
    environment: &[(&str, String)],
) -> Result<Verdict> {
    let command = command(workspace, toolchain::BUILD_STD_CARGO);
    test_with(workspace, command, target, environment)
}

/// The same by another cargo.
pub fn test_with(
    workspace: &Workspace,
    mut command: Cmd<'_>,
    target: &str,
    environment: &[(&str, String)],
) -> Result<Verdict> {
    for (name, value) in environment {
        command = command.env(name, value);
    }
    let command = command
        .args(["test", "-Zbuild-std", "--no-fail-fast", "--target", target])
        .args(workspace.portable_package_flags())
        .arg("--target-dir")
        .arg(workspace.target_dir("build-std"));
    let mut results = Results::default();
    conformance::watch(command, &mut results)?;
    if workspace.tests_conformance() {
        results.print_count(target, workspace, &lines_target(target))?;
    }
    Ok(Verdict::Passed)
}

/// A target's name in the words of the table of exceptions.
fn lines_target(target: &str) -> Target<'_> {
    let is = |part| target.contains(part);
    Target {
        pointer_bits: if is("i686") { 32 } else { 64 },
        system: if is("windows") { "windows" } else { "linux" },
        oracle: false,
    }
}
