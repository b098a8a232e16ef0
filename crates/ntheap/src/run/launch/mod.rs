//! Starting the program with the library before it: one file per way of preloading.
//!
//! `build.rs` chooses.

use std::ffi::{OsStr, OsString};
use std::path::Path;

#[cfg(preload = "none")]
#[path = "none.rs"]
mod imp;
#[cfg(not(preload = "none"))]
#[path = "unix.rs"]
mod imp;

#[cfg(preload = "dyld")]
mod dyld;
#[cfg(preload = "elf")]
mod elf;

pub use imp::{LIBRARY_FILE, SUPPORTED, is_executable, privilege, run};

/// A program to be started.
#[derive(Debug)]
#[cfg_attr(preload = "none", expect(dead_code, reason = "no program is run here"))]
pub struct Job<'a> {
    /// Where it is.
    pub program: &'a Path,
    /// What it is to find as its own name.
    pub name: &'a OsStr,
    /// The arguments after its name.
    pub arguments: &'a [OsString],
    /// The library to put before its own.
    pub library: &'a Path,
    /// The variable that asks for a summary, and its value.
    pub invitation: (&'static str, OsString),
}

/// How the program ended.
#[derive(Debug)]
#[cfg_attr(preload = "none", expect(dead_code, reason = "no program is run here"))]
pub enum Ending {
    /// By itself, with this status.
    Exited(u8),
    /// By a signal.
    Killed {
        /// Its number.
        signal: i32,
        /// Its name, if it has one.
        name: Option<&'static str>,
    },
}

impl Ending {
    /// The status to end with: the program's, or what a shell makes of a signal.
    pub fn status(&self) -> u8 {
        match *self {
            Ending::Exited(status) => status,
            Ending::Killed { signal, .. } => u8::try_from(128 + signal).unwrap_or(u8::MAX),
        }
    }
}
