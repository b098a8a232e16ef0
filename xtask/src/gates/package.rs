//! A C and a C++ program built against the installed package.

use std::env;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::gate::{Gate, Verdict};
use crate::install;
use crate::workspace::{Workspace, find_program};

/// Programs written for the Windows SDK build with pkg-config, and run.
pub const GATE: Gate = Gate {
    name: "package",
    proves: "C and C++ programs build with pkg-config against the installed library, and run",
    run,
};

/// One program of `tests/c`, and how it is compiled.
struct Program {
    source: &'static str,
    compiler: &'static str,
    flags: &'static [&'static str],
}

const PROGRAMS: &[Program] = &[
    Program {
        source: "heap.c",
        compiler: "cc",
        flags: &["-std=c89"],
    },
    Program {
        source: "heap.c",
        compiler: "cc",
        flags: &["-std=c11"],
    },
    Program {
        source: "heap.cpp",
        compiler: "c++",
        flags: &["-std=c++14", "-pthread"],
    },
];

fn run(workspace: &Workspace) -> Result<Verdict> {
    for tool in ["cc", "c++", "pkg-config"] {
        if find_program(&[tool]).is_none() {
            return Verdict::skipped(format!("{tool} is not installed (cargo xtask setup)"));
        }
    }
    let prefix = env::temp_dir().join(format!("rtl-heap-package-{}", std::process::id()));
    let result = install::into_prefix(workspace, &prefix).and_then(|()| {
        PROGRAMS
            .iter()
            .try_for_each(|program| try_program(workspace, &prefix, program))
    });
    fs::remove_dir_all(&prefix).context("removing the scratch prefix")?;
    result.map(|()| Verdict::Passed)
}

/// Builds one program against the shared and against the static library, and runs both.
fn try_program(workspace: &Workspace, prefix: &Path, program: &Program) -> Result<()> {
    let source = workspace.root.join("tests/c").join(program.source);
    let lib = prefix.join("lib");
    for linkage in ["shared", "static"] {
        let options = package_options(workspace, prefix, linkage)?;
        let executable = prefix.join(format!("{}-{linkage}", program.source));
        workspace
            .command(program.compiler)
            .args(program.flags)
            .args(["-O1", "-Wall", "-Wextra", "-Werror", "-o"])
            .arg(&executable)
            .arg(&source)
            .args(options)
            .run()?;
        workspace
            .command(&executable)
            .env("LD_LIBRARY_PATH", &lib)
            .env("DYLD_LIBRARY_PATH", &lib)
            .run()?;
        fs::remove_file(executable)?;
    }
    Ok(())
}

/// What pkg-config says to give the compiler. For the static library its file stands in place of
/// `-lrtlheap`, which would find the shared one beside it.
fn package_options(workspace: &Workspace, prefix: &Path, linkage: &str) -> Result<Vec<String>> {
    let mut query = workspace.command("pkg-config").args(["--cflags", "--libs"]);
    if linkage == "static" {
        query = query.arg("--static");
    }
    let answer = query
        .arg("rtlheap")
        .env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig"))
        .quiet()
        .read()?;
    ensure!(
        answer.contains("-lrtlheap"),
        "pkg-config does not link the library: {answer}"
    );
    let archive = prefix
        .join("lib/librtlheap.a")
        .to_string_lossy()
        .into_owned();
    Ok(answer
        .split_whitespace()
        .map(|option| match (option, linkage) {
            ("-lrtlheap", "static") => archive.clone(),
            _ => option.to_owned(),
        })
        .collect())
}
