//! Where the gates work: the checkout, the cache beside it, and the commands they call.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use xshell::{Cmd, Shell};

use crate::toolchain;

/// The checkout a gate looks at, and what it may keep between runs.
pub struct Workspace {
    /// A shell whose directory is the checkout's root.
    pub shell: Shell,
    /// The checkout's root.
    pub root: PathBuf,
    /// Kept between runs, outside the checkout: target directories of other targets, Wine prefixes,
    /// the tools' venv.
    pub cache: PathBuf,
    /// The crates that gates for other targets look at.
    pub portable_crates: Vec<String>,
}

impl Workspace {
    /// The checkout that this xtask was built from; `only` narrows the crates for other targets.
    pub fn open(only: Vec<String>) -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("xtask lies in the workspace's root")?
            .to_owned();
        let shell = Shell::new()?;
        shell.change_dir(&root);
        let portable_crates = match only[..] {
            [] => toolchain::PORTABLE_CRATES
                .iter()
                .map(|&name| name.to_owned())
                .collect(),
            _ => only,
        };
        Ok(Self {
            shell,
            root,
            cache: cache_dir()?,
            portable_crates,
        })
    }

    /// `program` without what `cargo run` put in this process's environment.
    pub fn command(&self, program: impl AsRef<Path>) -> Cmd<'_> {
        let mut command = self.shell.cmd(program);
        for inherited in toolchain::SET_BY_CARGO_RUN {
            command = command.env_remove(inherited);
        }
        command
    }

    /// The machine's own cargo.
    pub fn cargo(&self) -> Cmd<'_> {
        self.command("cargo")
    }

    /// A target directory in the cache, so that a gate with other flags does not evict the native
    /// build.
    pub fn target_dir(&self, purpose: &str) -> PathBuf {
        self.cache.join("target").join(purpose)
    }

    /// Where the venv's programs are.
    pub fn tools_dir(&self) -> PathBuf {
        self.cache.join("venv/bin")
    }

    /// The directory the native build writes to.
    pub fn native_target_dir(&self) -> PathBuf {
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| self.root.join("target"), PathBuf::from)
    }

    /// `-p NAME` for each of the portable crates.
    pub fn portable_package_flags(&self) -> Vec<&str> {
        self.portable_crates
            .iter()
            .flat_map(|name| ["-p", name])
            .collect()
    }

    /// Whether the conformance tests are among the crates the gates look at.
    pub fn tests_conformance(&self) -> bool {
        self.portable_crates
            .iter()
            .any(|name| name == "rtl-heap-tests")
    }

    /// Files git knows or would know (tracked, or new and not ignored), relative to the root,
    /// sorted.
    pub fn files(&self) -> Result<Vec<PathBuf>> {
        let listing = self
            .command("git")
            .args(["ls-files", "--cached", "--others", "--exclude-standard"])
            .quiet()
            .read()
            .context("listing the checkout's files")?;
        let mut files: Vec<_> = listing
            .lines()
            .map(PathBuf::from)
            .filter(|file| self.root.join(file).is_file())
            .collect();
        files.sort();
        Ok(files)
    }
}

/// The first of these programs that is installed.
pub fn find_program(names: &[&str]) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    names.iter().find_map(|name| {
        env::split_paths(&path)
            .map(|dir| dir.join(name))
            .find(|candidate| candidate.is_file())
    })
}

fn cache_dir() -> Result<PathBuf> {
    if let Some(chosen) = env::var_os("RTL_HEAP_CACHE") {
        return Ok(PathBuf::from(chosen));
    }
    let home = env::home_dir().context("no home directory; set RTL_HEAP_CACHE")?;
    Ok(home.join(".cache/rtl-heap"))
}
