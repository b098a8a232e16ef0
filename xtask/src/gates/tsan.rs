//! ThreadSanitizer.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::build_std;
use crate::exceptions;
use crate::gate::{Gate, Verdict};
use crate::toolchain::{BUILD_STD_CARGO, HOST};
use crate::workspace::Workspace;

/// ThreadSanitizer finds no data race.
pub const GATE: Gate = Gate {
    name: "tsan",
    proves: "the portable crates' tests run without a data race, the standard library instrumented too",
    run: |workspace| {
        if let Some(why) = build_std::missing() {
            return Verdict::skipped(why);
        }
        let Some(runtime) = runtime(workspace)? else {
            return Verdict::skipped("needs a nightly toolchain, for the sanitizer's runtime");
        };
        let linker = linker(workspace, &runtime)?;
        let flags = format!(
            "-Zsanitizer=thread --cfg tsan -Zexternal-clangrt -Clinker={} \
             -Clink-arg=-Wl,--export-dynamic",
            linker.display()
        );
        build_std::command(workspace, BUILD_STD_CARGO)
            .args(["test", "-Zbuild-std", "--lib", "--tests", "--target", HOST])
            .args(workspace.portable_package_flags())
            .arg("--target-dir")
            .arg(workspace.target_dir("tsan"))
            .args(exceptions::test_arguments("tsan"))
            .env("RUSTFLAGS", flags)
            // A test whose child process is to fault looks for the signal.
            .env("TSAN_OPTIONS", "handle_segv=0:handle_sigbus=0")
            .run()?;
        Ok(Verdict::Passed)
    },
};

/// A linker that links the runtime into programs. Libraries get it from the program that opens them: its
/// thread-local storage is not made for them.
fn linker(workspace: &Workspace, runtime: &Path) -> Result<PathBuf> {
    let path = workspace.target_dir("tsan").join("cc");
    // The runtime stands before every library, or the C library's own symbols are taken first.
    let script = format!(
        "#!/bin/sh\n\
         case \" $* \" in\n\
         *' -shared '*) exec cc \"$@\" ;;\n\
         *) exec cc -Wl,--whole-archive '{}' -Wl,--no-whole-archive \"$@\" ;;\n\
         esac\n",
        runtime.display()
    );
    fs::create_dir_all(workspace.target_dir("tsan"))?;
    fs::write(&path, script)?;
    workspace
        .command("chmod")
        .arg("+x")
        .arg(&path)
        .quiet()
        .run()?;
    Ok(path)
}

/// The sanitizer's runtime, which comes with rustup's nightly.
fn runtime(workspace: &Workspace) -> Result<Option<PathBuf>> {
    let Ok(sysroot) = workspace
        .command("rustc")
        .args(["+nightly", "--print", "sysroot"])
        .quiet()
        .ignore_stderr()
        .read()
    else {
        return Ok(None);
    };
    let archive = PathBuf::from(sysroot)
        .join("lib/rustlib")
        .join(HOST)
        .join("lib/librustc-nightly_rt.tsan.a");
    Ok(archive.exists().then_some(archive))
}
