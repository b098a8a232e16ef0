//! Instruction counts of the hot paths against the table that is checked in.

use std::env;
use std::fs;

use anyhow::Result;
use xshell::Cmd;

use crate::gate::{Gate, Verdict};
use crate::libraries;
use crate::workspace::{Workspace, find_program};

/// The hot paths have not grown.
pub const GATE: Gate = Gate {
    name: "instructions",
    proves: "no hot path takes over 3 % more instructions than benches/instructions.txt says",
    run: |workspace| {
        if find_program(&["valgrind"]).is_none() {
            return Verdict::skipped("valgrind is not installed (cargo xtask setup)");
        }
        // Another compiler makes other code: its counts say nothing about a change of ours.
        let table = fs::read_to_string(workspace.root.join("benches/instructions.txt"))?;
        let version = workspace.command("rustc").arg("--version").quiet().read()?;
        let version = version.split_whitespace().nth(1).unwrap_or_default();
        let made_by = format!("# on {} with rustc {version}.", env::consts::ARCH);
        if !table.lines().any(|line| line == made_by) {
            return Verdict::skipped(format!(
                "the table was not made on {} with rustc {version}",
                env::consts::ARCH
            ));
        }
        program(workspace)?.run()?;
        Ok(Verdict::Passed)
    },
};

/// Writes the table anew.
pub fn write(workspace: &Workspace) -> Result<()> {
    Ok(program(workspace)?.arg("--write").run()?)
}

/// Builds what is counted; then the program that counts, ready to run.
pub fn program(workspace: &Workspace) -> Result<Cmd<'_>> {
    let ours = libraries::build(workspace, &[libraries::HEAP, libraries::MALLOC])?;
    workspace
        .cargo()
        .args(["build", "--release", "-p", "rtl-heap-benches"])
        .run()?;
    Ok(workspace
        .command(workspace.native_target_dir().join("release/instructions"))
        .env("RTLHEAP_LIBRARY", ours.join("librtlheap.so"))
        .env("RTLHEAP_MALLOC", ours.join("librtlheap_malloc.so")))
}
