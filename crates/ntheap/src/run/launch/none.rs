//! Systems without a way to preload.

use std::path::Path;

use super::{Ending, Job};
use crate::run::problem::Problem;

/// Whether programs can be run on the heap here.
pub const SUPPORTED: bool = false;

/// The name of the library's file.
pub const LIBRARY_FILE: &str = "rtlheap_malloc.dll";

/// Whether it is a file; what else makes a program is not asked where none is run.
pub fn is_executable(path: &Path) -> bool {
    path.is_file()
}

/// No program is run, so none gains anything.
pub fn privilege(_path: &Path) -> Option<(String, String)> {
    None
}

/// Refuses.
///
/// # Errors
///
/// Always [`Problem::NoPreload`].
pub fn run(_job: &Job<'_>) -> Result<Ending, Problem> {
    Err(Problem::NoPreload)
}
