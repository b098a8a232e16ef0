//! Wine: a prefix per pointer width, and its server kept only while a gate runs.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result};

use crate::toolchain::WINE_ENVIRONMENT;
use crate::workspace::Workspace;

/// What stands before a Windows program to run it. In one of several hundred processes the randomised
/// layout of the address space puts something where Wine wants a page of its own, and the program does not
/// start (Wine 8: "failed to map the shared user data"): so without randomising, where that can be asked for.
pub fn runner() -> &'static [&'static str] {
    const FIXED_LAYOUT: &[&str] = &["setarch", "--addr-no-randomize", "wine"];
    const PLAIN: &[&str] = &["wine"];
    static RUNNER: OnceLock<&[&str]> = OnceLock::new();
    RUNNER.get_or_init(|| {
        let asked = Command::new(FIXED_LAYOUT[0])
            .args([FIXED_LAYOUT[1], "true"])
            .stderr(Stdio::null())
            .status();
        match asked {
            Ok(status) if status.success() => FIXED_LAYOUT,
            _ => PLAIN,
        }
    })
}

/// A Wine prefix in use. Its server is asked to end when this is dropped.
pub struct Prefix {
    directory: PathBuf,
}

impl Prefix {
    /// The prefix for 64-bit programs, created at first use.
    pub fn open_64(workspace: &Workspace) -> Result<Self> {
        Self::open(workspace.cache.join("wine64"))
    }

    /// A prefix in this directory, created at first use.
    pub fn open(directory: PathBuf) -> Result<Self> {
        let prefix = Self { directory };
        if !prefix.directory.join("system.reg").exists() {
            fs::create_dir_all(&prefix.directory)?;
            let made = prefix
                .run("wineboot", &["--init"])
                .and_then(|()| prefix.run("wineserver", &["--wait"]));
            if let Err(error) = made {
                // Half of one would be taken for a prefix the next time.
                let _ = fs::remove_dir_all(&prefix.directory);
                return Err(error).context("creating a Wine prefix");
            }
        }
        Ok(prefix)
    }

    /// What a program needs in its environment to run in this prefix.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let prefix = ("WINEPREFIX", self.directory.to_string_lossy().into_owned());
        let fixed = WINE_ENVIRONMENT
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        fixed.chain([prefix]).collect()
    }

    /// Runs one of Wine's tools. Its output goes nowhere: the server it starts would keep a pipe of
    /// ours open.
    fn run(&self, tool: &str, arguments: &[&str]) -> Result<()> {
        let status = Command::new(tool)
            .args(arguments)
            .envs(self.environment())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .with_context(|| format!("starting {tool}"))?;
        anyhow::ensure!(status.success(), "{tool} {}: {status}", arguments.join(" "));
        Ok(())
    }

    /// Starts the server ahead of the first program and lets it outlive each of them, so that none
    /// waits for it.
    pub fn keep_server(&self) -> Result<()> {
        self.run("wineserver", &["--persistent"])
    }
}

impl Drop for Prefix {
    fn drop(&mut self) {
        // Nothing depends on the server having ended; a failure here only leaves it idle.
        let _ = self.run("wineserver", &["--kill"]);
    }
}
