//! A program compiled with mingw's own headers against our Windows library.

use std::fs;

use anyhow::{Context, Result, ensure};

use crate::build_std;
use crate::gate::{Gate, Verdict};
use crate::toolchain::{BUILD_STD_CARGO, WIN64};
use crate::wine::{self, Prefix};
use crate::workspace::{Workspace, find_program};

/// `windows.h` declares what `rtlheap.dll` exports.
pub const GATE: Gate = Gate {
    name: "mingw",
    proves: "a C program with mingw's windows.h links with rtlheap.dll, gets its heap functions there, and runs",
    run,
};

const COMPILER: &str = "x86_64-w64-mingw32-gcc";
const OBJDUMP: &str = "x86_64-w64-mingw32-objdump";

fn run(workspace: &Workspace) -> Result<Verdict> {
    if let Some(why) = build_std::missing() {
        return Verdict::skipped(why);
    }
    for tool in [COMPILER, OBJDUMP, "wine"] {
        if find_program(&[tool]).is_none() {
            return Verdict::skipped(format!("{tool} is not installed (cargo xtask setup)"));
        }
    }
    let target_dir = workspace.target_dir("build-std");
    build_std::command(workspace, BUILD_STD_CARGO)
        .args([
            "build",
            "-Zbuild-std",
            "--target",
            WIN64,
            "-p",
            "rtl-heap-c",
        ])
        .arg("--target-dir")
        .arg(&target_dir)
        .run()?;
    let built = target_dir.join(WIN64).join("debug");
    let folder = target_dir.join("mingw");
    fs::create_dir_all(&folder)?;
    fs::copy(built.join("rtlheap.dll"), folder.join("rtlheap.dll")).context("the library")?;
    let program = folder.join("heap.exe");
    // The import library stands before the system's, which the compiler adds.
    workspace
        .command(COMPILER)
        .args(["-std=c11", "-O1", "-Wall", "-Wextra", "-Werror"])
        .args(["-include", "windows.h", "-o"])
        .arg(&program)
        .arg(workspace.root.join("tests/c/heap.c"))
        .arg(built.join("librtlheap.dll.a"))
        .run()?;
    let imports = workspace
        .command(OBJDUMP)
        .arg("-p")
        .arg(&program)
        .quiet()
        .read()?;
    for function in [
        "HeapCreate",
        "HeapAlloc",
        "HeapReAlloc",
        "HeapFree",
        "HeapDestroy",
    ] {
        ensure!(
            is_imported(&imports, "rtlheap.dll", function),
            "{function} does not come from rtlheap.dll"
        );
    }
    let prefix = Prefix::open_64(workspace)?;
    prefix.keep_server()?;
    let (starter, rest) = wine::runner()
        .split_first()
        .context("a runner has a program")?;
    let mut command = workspace.command(starter).args(rest);
    for (name, value) in prefix.environment() {
        command = command.env(name, value);
    }
    command.arg(&program).run()?;
    Ok(Verdict::Passed)
}

/// Whether objdump's listing of import tables has `function` below `library`.
fn is_imported(listing: &str, library: &str, function: &str) -> bool {
    listing
        .split("DLL Name: ")
        .skip(1)
        .filter(|table| {
            table
                .lines()
                .next()
                .is_some_and(|name| name.trim() == library)
        })
        .any(|table| table.split_whitespace().any(|word| word == function))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_counts_below_its_own_library_only() {
        let listing = "x\n\tDLL Name: rtlheap.dll\n\t1000 <none> 0003 HeapAlloc\n\n\
                       \tDLL Name: KERNEL32.dll\n\t2000 <none> 0104 HeapFree\n";
        assert!(is_imported(listing, "rtlheap.dll", "HeapAlloc"));
        assert!(!is_imported(listing, "rtlheap.dll", "HeapFree"));
        assert!(!is_imported(listing, "other.dll", "HeapAlloc"));
    }
}
