//! C programs that run with the library before them: how they are compiled and run.
//!
//! They are C and not Rust because they are about the moments when a Rust program is not yet, or
//! no longer, in charge: constructors, exit handlers, fork.

#![allow(
    dead_code,
    reason = "each test file that includes this uses a part of it"
)]

use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The library under test. Cargo puts it beside the test programs, which depend on it.
pub fn library() -> PathBuf {
    beside_test("librtlheap_malloc.so")
}

/// The folder that cargo builds libraries of this name into, for `-L`.
pub fn beside_test(file: &str) -> PathBuf {
    let path = std::env::current_exe().unwrap().with_file_name(file);
    assert!(path.exists(), "{} is not built", path.display());
    path
}

/// Compiles `sources` from this folder into `name`, and says where it is.
pub fn compile<S: AsRef<OsStr>>(name: &str, sources: &[&str], flags: &[S]) -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs/malloc");
    // Tests run at the same time in processes of their own; each has its own copy.
    let folder =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let program = folder.join(name);
    let cc = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let mut command = Command::new(cc);
    command.args([
        "-std=gnu11",
        "-O1",
        "-g",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-pthread",
    ]);
    if cfg!(target_arch = "x86") {
        // gcc's 32-bit part of Debian has no folder `asm` of its own; the 64-bit one serves both.
        command.args(["-m32", "-idirafter", "/usr/include/x86_64-linux-gnu"]);
    }
    // What the compiler knows of malloc it would hold against programs that misuse it.
    command.args([
        "-fno-builtin",
        "-Wno-free-nonheap-object",
        "-Wno-use-after-free",
        "-Wno-alloc-size-larger-than",
    ]);
    command
        .arg("-o")
        .arg(&program)
        .args(sources.iter().map(|source| here.join(source)));
    let output = command
        .args(flags)
        .arg("-ldl")
        .output()
        .expect("a C compiler named cc");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    program
}

/// The command that runs `program` with the library before it.
pub fn preloaded(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("LD_PRELOAD", library());
    command
}

/// Runs it to its end, which must be a good one, and answers with what it printed.
pub fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{:?}: {}\n{}{}",
        command.get_program(),
        describe(&output),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    // The loader goes on without a library it cannot load, and only says so.
    assert!(!String::from_utf8_lossy(&output.stderr).contains("cannot be preloaded"));
    String::from_utf8(output.stdout).unwrap()
}

/// Its end in words; a program that hung was ended by its own alarm.
pub fn describe(output: &Output) -> String {
    match output.status.signal() {
        Some(14) => "hung, until its watchdog barked".to_owned(),
        _ => output.status.to_string(),
    }
}
