//! Unmodified programs on the NT heap, each with a check of its own.

mod gcc;
mod git;
mod python;
mod sqlite;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use xshell::Cmd;

use crate::gate::{Gate, Verdict};
use crate::workspace::{Workspace, find_program};

/// Real programs run on the NT heap and get their answers right.
pub const GATE: Gate = Gate {
    name: "programs",
    proves: "python3, git, sqlite3 and gcc run unmodified on the NT heap and their own checks hold",
    run,
};

/// One program and its self-check.
struct Program {
    name: &'static str,
    /// Fails when the program's answer is wrong.
    check: fn(&OnNtHeap) -> Result<()>,
}

const PROGRAMS: &[Program] = &[python::PROGRAM, git::PROGRAM, sqlite::PROGRAM, gcc::PROGRAM];

/// How a check runs programs: through `ntheap run`, in a scratch directory.
struct OnNtHeap<'a> {
    workspace: &'a Workspace,
    ntheap: PathBuf,
    scratch: PathBuf,
}

impl OnNtHeap<'_> {
    /// `program` on the NT heap.
    fn command(&self, program: impl AsRef<Path>) -> Cmd<'_> {
        self.workspace
            .command(&self.ntheap)
            .args(["run", "--"])
            .arg(program.as_ref())
    }

    /// `program` on the system's own heap.
    fn plainly(&self, program: impl AsRef<Path>) -> Cmd<'_> {
        self.workspace.command(program)
    }
}

fn run(workspace: &Workspace) -> Result<Verdict> {
    workspace
        .cargo()
        .args([
            "build",
            "--release",
            "-p",
            "ntheap",
            "-p",
            "rtl-heap-malloc",
        ])
        .run()?;
    let scratch = env::temp_dir().join(format!("rtl-heap-programs-{}", std::process::id()));
    fs::create_dir_all(&scratch)?;
    let ntheap = workspace.native_target_dir().join("release/ntheap");
    let on_nt_heap = OnNtHeap {
        workspace,
        ntheap,
        scratch,
    };

    let mut failures = Vec::new();
    for program in PROGRAMS {
        if find_program(&[program.name]).is_none() {
            println!(
                "--- {}: skipped: not installed (cargo xtask setup)",
                program.name
            );
            continue;
        }
        match (program.check)(&on_nt_heap) {
            Ok(()) => println!("--- {}: ok", program.name),
            Err(error) => failures.push(format!("{}: {error:#}", program.name)),
        }
    }
    fs::remove_dir_all(&on_nt_heap.scratch).context("removing the scratch directory")?;
    ensure!(failures.is_empty(), "{}", failures.join("; "));
    Ok(Verdict::Passed)
}
