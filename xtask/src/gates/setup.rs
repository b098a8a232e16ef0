//! What the other gates need, installed by ordinary package clients.

use anyhow::Result;

use crate::gate::{Gate, Verdict};
use crate::toolchain::{DEBIAN_PACKAGES, PYPI_PACKAGES};
use crate::wine32;
use crate::workspace::{Workspace, find_program};

/// The tools are there. Run again, it does nothing.
pub const GATE: Gate = Gate {
    name: "setup",
    proves: "the compilers, emulators and checkers that the other gates need are installed",
    run: |workspace| {
        let mut skipped = Vec::new();
        if let Some(why) = install_debian_packages(workspace)? {
            skipped.push(why);
        }
        if let Some(why) = install_tools_from_pypi(workspace)? {
            skipped.push(why);
        }
        if let Some(why) = install_wine32(workspace)? {
            skipped.push(why);
        }
        if skipped.is_empty() {
            Ok(Verdict::Passed)
        } else {
            Verdict::skipped(skipped.join("; "))
        }
    },
};

/// Installs what is missing of [`DEBIAN_PACKAGES`]; the reason when this machine cannot.
fn install_debian_packages(workspace: &Workspace) -> Result<Option<String>> {
    let missing: Vec<_> = DEBIAN_PACKAGES
        .iter()
        .flat_map(|(_, packages)| *packages)
        .copied()
        .filter(|package| !is_installed(workspace, package))
        .collect();
    if missing.is_empty() {
        return Ok(None);
    }
    if find_program(&["apt-get"]).is_none() {
        return Ok(Some(format!(
            "no apt-get here to install {}",
            missing.join(" ")
        )));
    }
    if !is_root(workspace) {
        return Ok(Some(format!(
            "not root: sudo apt-get install {}",
            missing.join(" ")
        )));
    }
    // Another apt may be at work; wait for it. Never remove a package to make room for one of ours.
    let apt = || {
        workspace
            .command("apt-get")
            .args([
                "-y",
                "-qq",
                "-o",
                "DPkg::Lock::Timeout=600",
                "-o",
                "Dpkg::Use-Pty=0",
            ])
            .env("DEBIAN_FRONTEND", "noninteractive")
            .ignore_stdout()
    };
    apt().arg("update").run()?;
    apt()
        .args(["install", "--no-install-recommends", "--no-remove"])
        .args(missing)
        .run()?;
    Ok(None)
}

fn is_installed(workspace: &Workspace, package: &str) -> bool {
    workspace
        .command("dpkg-query")
        .args(["--show", "--showformat=${db:Status-Abbrev}", package])
        .quiet()
        .ignore_stderr()
        .read()
        .is_ok_and(|status| status.starts_with("ii"))
}

fn is_root(workspace: &Workspace) -> bool {
    workspace
        .command("id")
        .arg("-u")
        .quiet()
        .read()
        .is_ok_and(|id| id == "0")
}

/// Installs [`PYPI_PACKAGES`] in a venv of the cache; the reason when this machine cannot.
fn install_tools_from_pypi(workspace: &Workspace) -> Result<Option<String>> {
    let tools = workspace.tools_dir();
    // What was asked for last time, so that a package added to the list is installed at the next
    // run.
    let installed = workspace.cache.join("venv/installed.txt");
    let wanted = PYPI_PACKAGES.join("\n");
    if std::fs::read_to_string(&installed).is_ok_and(|list| list == wanted) {
        return Ok(None);
    }
    let Some(python) = find_program(&["python3"]) else {
        return Ok(Some("no python3 for the tools from PyPI".to_owned()));
    };
    workspace
        .command(python)
        .args(["-m", "venv"])
        .arg(workspace.cache.join("venv"))
        .run()?;
    workspace
        .command(tools.join("pip"))
        .args(["install", "--quiet"])
        .args(PYPI_PACKAGES)
        .run()?;
    std::fs::write(installed, wanted)?;
    Ok(None)
}

/// Makes the root for 32-bit Wine; the reason when this machine cannot.
fn install_wine32(workspace: &Workspace) -> Result<Option<String>> {
    if wine32::is_installed(workspace) {
        return Ok(None);
    }
    if find_program(&["mmdebstrap"]).is_none() || !is_root(workspace) {
        return Ok(Some(
            "no root for 32-bit Wine: needs mmdebstrap, as root".to_owned(),
        ));
    }
    wine32::install(workspace)?;
    Ok(None)
}
