//! Builds the library that `ntheap run` preloads, and puts it into the executable.
//!
//! Cargo has no stable way to say that a program needs a shared object. Found beside the
//! executable it would be missing after `cargo install`, and stale after a partial build. So the
//! library is built here, for the same target in the same profile, from the sources cargo has
//! chosen for `rtl-heap-malloc`; `ntheap` carries it, and the two always fit.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(preload, values(\"elf\", \"dyld\", \"none\"))");
    println!("cargo::rustc-check-cfg=cfg(embedded)");

    let apple = variable("CARGO_CFG_TARGET_VENDOR") == "apple";
    let unix = variable("CARGO_CFG_TARGET_FAMILY") == "unix";
    let preload = match (apple, unix) {
        (true, _) => "dyld",
        (_, true) => "elf",
        _ => "none",
    };
    println!("cargo::rustc-cfg=preload=\"{preload}\"");
    println!("cargo::rustc-env=NTHEAP_TARGET={}", variable("TARGET"));
    if preload == "none" {
        return;
    }

    let manifest = PathBuf::from(variable("DEP_RTLHEAP_MALLOC_MANIFEST"));
    watch(&manifest);
    let file = if apple {
        "librtlheap_malloc.dylib"
    } else {
        "librtlheap_malloc.so"
    };
    match build(&manifest, file) {
        Ok(library) => {
            println!("cargo::rustc-cfg=embedded");
            println!("cargo::rustc-env=NTHEAP_LIBRARY_FILE={}", library.display());
        }
        // Another system's libraries are linked by another system's linker, which a machine that
        // only checks the code need not have.
        Err(why) if variable("TARGET") != variable("HOST") => {
            println!("cargo::warning={why}; `ntheap run` will need --library");
        }
        Err(why) => {
            println!("cargo::error={why}");
            std::process::exit(1);
        }
    }
}

/// Whatever the library is made of makes this script run again when it changes.
fn watch(manifest: &Path) {
    let Some(crates) = manifest.parent().and_then(Path::parent) else {
        return;
    };
    for name in ["rtl-heap-malloc", "rtl-heap", "rtl-platform"] {
        for part in ["src", "build.rs", "Cargo.toml"] {
            let path = crates.join(name).join(part);
            if path.exists() {
                println!("cargo::rerun-if-changed={}", path.display());
            }
        }
    }
}

/// The library as a `cdylib` alone: asked for beside an `rlib`, cargo would not optimise it as a
/// whole.
fn build(manifest: &Path, file: &str) -> Result<PathBuf, String> {
    let out = PathBuf::from(variable("OUT_DIR")).join("library");
    let target = variable("TARGET");
    let release = variable("PROFILE") == "release";
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    cargo.args(["rustc", "--quiet", "--lib", "--crate-type", "cdylib"]);
    cargo
        .args(["--target", &target])
        .arg("--manifest-path")
        .arg(manifest);
    cargo.arg("--target-dir").arg(&out);
    if release {
        cargo.arg("--release");
    }
    // Clippy's driver compiles nothing, and the variables cargo sets for this script are not
    // meant for another cargo.
    for name in [
        "RUSTC_WORKSPACE_WRAPPER",
        "CARGO_TARGET_DIR",
        "CARGO_BUILD_TARGET",
    ] {
        cargo.env_remove(name);
    }
    let done = cargo
        .output()
        .map_err(|error| format!("cannot run cargo: {error}"))?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        let first = said
            .lines()
            .find(|line| line.starts_with("error"))
            .unwrap_or("no message");
        eprintln!("{said}");
        return Err(format!("cannot build {file} for {target}: {first}"));
    }
    Ok(out
        .join(target)
        .join(if release { "release" } else { "debug" })
        .join(file))
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_default()
}
