//! Every file says what it is.

use super::Finding;
use super::source::Source;

/// A file without a `//!` line; rustc asks this only of modules that can be reached from outside. A
/// `tests.rs` is named by what stands beside it.
pub fn check(source: &Source) -> Vec<Finding> {
    if source.file.ends_with("tests.rs") {
        return Vec::new();
    }
    let has_text = source.lines.iter().any(|line| !line.trim().is_empty());
    if !has_text
        || source
            .lines
            .iter()
            .take(20)
            .any(|line| line.starts_with("//!"))
    {
        return Vec::new();
    }
    vec![Finding::new(
        &source.file,
        0,
        "does not say in a `//!` line what the file is for",
    )]
}
