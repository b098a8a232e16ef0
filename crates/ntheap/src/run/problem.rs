//! What can be wrong with a program or its surroundings, in words, with what to do about it.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why the program was not run.
#[derive(Debug)]
pub enum Problem {
    /// The system has no way to put a library before a program's own.
    NoPreload,
    /// No such program.
    NotFound {
        /// As it was given.
        name: OsString,
    },
    /// It is there, and cannot be executed.
    NotExecutable {
        /// Where it is.
        path: PathBuf,
        /// What it is instead, as the predicate of a sentence.
        because: String,
    },
    /// It could be executed, but not on this heap.
    CannotPreload {
        /// Where it is.
        path: PathBuf,
        /// What prevents it, as the predicate of a sentence.
        because: String,
        /// A way out.
        instead: String,
    },
    /// The library to preload is missing or unusable.
    Library {
        /// What is wrong, as a sentence without full stop.
        because: String,
    },
    /// The system refused something of ntheap's own.
    System {
        /// What was tried, as a phrase that follows "cannot".
        doing: &'static str,
        /// What the system said.
        error: io::Error,
    },
}

impl Problem {
    /// What `env`, `nice` and the shells answer.
    pub fn exit_status(&self) -> u8 {
        match self {
            Problem::NotFound { .. } => 127,
            Problem::NotExecutable { .. } | Problem::CannotPreload { .. } => 126,
            Problem::NoPreload | Problem::Library { .. } | Problem::System { .. } => 125,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::NoPreload => write!(
                out,
                "`run` is not supported on this system: its loader binds every function a program \
                 imports to a library named in the program, so no other library can take over its \
                 malloc.\n  Link the program with rtlheap, or call the heap by its own names."
            ),
            Problem::NotFound { name } => write!(
                out,
                "\"{}\": no such program.\n  Check the spelling, or give its path; without a slash it \
                 is searched in PATH.",
                name.to_string_lossy()
            ),
            Problem::NotExecutable { path, because } => {
                write!(out, "{} {because}", path.display())
            }
            Problem::CannotPreload {
                path,
                because,
                instead,
            } => {
                write!(out, "{} {because}.\n  {instead}", path.display())
            }
            Problem::Library { because } => write!(out, "{because}"),
            Problem::System { doing, error } => write!(out, "cannot {doing}: {error}"),
        }
    }
}
