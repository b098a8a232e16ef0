//! Installs the C library the way a C project expects it: headers, both libraries, rtlheap.pc.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::libraries;
use crate::toolchain::STATIC_LINK_LIBRARIES;
use crate::workspace::Workspace;

/// Where the C crate keeps what is installed beside the libraries.
const C_CRATE: &str = "crates/rtl-heap-c";

/// The shared library's own name on this system, and the name that the linker looks for.
fn shared_library_names() -> Result<(&'static str, &'static str)> {
    match std::env::consts::OS {
        "linux" => Ok(("librtlheap.so.0", "librtlheap.so")),
        "macos" => Ok(("librtlheap.0.dylib", "librtlheap.dylib")),
        other => bail!("install knows Linux and macOS, not {other}"),
    }
}

/// Builds the library in release mode and installs it below `prefix`.
pub fn into_prefix(workspace: &Workspace, prefix: &Path) -> Result<()> {
    let (own_name, linker_name) = shared_library_names()?;
    let built = libraries::build(workspace, &[libraries::HEAP])?;
    let (include, lib) = (prefix.join("include"), prefix.join("lib"));
    let pkg_config = lib.join("pkgconfig");

    copy_tree(&workspace.root.join(C_CRATE).join("include"), &include)?;
    fs::create_dir_all(&pkg_config)?;
    copy(&built.join(linker_name), &lib.join(own_name))?;
    copy(&built.join("librtlheap.a"), &lib.join("librtlheap.a"))?;
    workspace
        .command("ln")
        .args(["-sf", own_name])
        .arg(lib.join(linker_name))
        .quiet()
        .run()?;

    let template = fs::read_to_string(workspace.root.join(C_CRATE).join("rtlheap.pc.in"))?;
    fs::write(pkg_config.join("rtlheap.pc"), fill(&template, prefix)?)?;
    println!(
        "installed headers, libraries and rtlheap.pc below {}",
        prefix.display()
    );
    Ok(())
}

/// The template with this installation's values.
fn fill(template: &str, prefix: &Path) -> Result<String> {
    let prefix = prefix.to_str().context("the prefix is not UTF-8")?;
    let filled = template
        .replace("@prefix@", prefix)
        .replace("@libdir@", "${exec_prefix}/lib")
        .replace("@version@", env!("CARGO_PKG_VERSION"))
        .replace("@libs_private@", STATIC_LINK_LIBRARIES);
    if filled.contains('@') {
        bail!("rtlheap.pc.in has a variable that install does not know:\n{filled}");
    }
    Ok(filled)
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            copy(&entry.path(), &target)?;
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to)
        .with_context(|| format!("copying {} to {}", from.display(), to.display()))?;
    Ok(())
}
