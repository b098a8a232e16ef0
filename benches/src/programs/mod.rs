//! Whole programs, unmodified, on one allocator after the other by preloading.

mod inputs;
mod list;
pub mod usage;

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub use self::list::PROGRAMS;
use self::usage::Usage;

/// A program and what it is to do.
pub struct Program {
    /// Short, for `--only` and for machines.
    pub id: &'static str,
    /// For people.
    pub what: &'static str,
    /// The file that must be there; `None` for what is built with this crate.
    pub tool: Option<&'static str>,
    /// Writes the input into a folder of the program's own.
    pub prepare: fn(&Path) -> io::Result<()>,
    /// Runs it there, once.
    pub run: fn(&Stage<'_>) -> io::Result<Usage>,
}

impl Program {
    /// Whether it can run here.
    pub fn is_here(&self) -> bool {
        self.tool.is_none_or(|tool| Path::new(tool).exists())
    }
}

/// Where a program runs, and on which allocator.
pub struct Stage<'a> {
    /// Its folder.
    pub folder: &'a Path,
    /// The library to preload.
    pub preload: &'a str,
}

impl Stage<'_> {
    /// A command that runs in the folder on the allocator, quietly.
    fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = quiet(program.as_ref(), self.folder);
        command.env("LD_PRELOAD", self.preload);
        command
    }
}

/// A command that runs in `folder` and says nothing.
fn quiet(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    // Who measures may have wishes for the loader that are not the program's.
    command
        .current_dir(folder)
        .env_remove("GLIBC_TUNABLES")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// The stress program, beside this one.
fn stress() -> PathBuf {
    let own = env::current_exe().unwrap_or_default();
    own.with_file_name("stress")
}
