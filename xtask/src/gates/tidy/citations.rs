//! Every conformance line that a document or a comment cites exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::Finding;

/// The table of lines: one `| C001 | …` row each.
const TABLE: &str = "tests/conformance/lines.md";

/// Citations without a row. Cited is `C` and three digits, standing alone, in Markdown and Rust
/// files.
pub fn check(root: &Path, files: &[PathBuf]) -> Result<Vec<Finding>> {
    if !root.join(TABLE).exists() {
        return Ok(Vec::new());
    }
    let table = fs::read_to_string(root.join(TABLE))?;
    let known: BTreeSet<_> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" |").next())
        .collect();
    let mut findings = Vec::new();
    for file in files {
        let is_read = file
            .extension()
            .is_some_and(|extension| extension == "md" || extension == "rs");
        if !is_read || file.starts_with("xtask") {
            continue;
        }
        let Ok(text) = fs::read_to_string(root.join(file)) else {
            continue;
        };
        for (index, line) in text.lines().enumerate() {
            for id in cited(line).filter(|id| !known.contains(id)) {
                findings.push(Finding::new(
                    file,
                    index + 1,
                    format!("there is no conformance line {id}"),
                ));
            }
        }
    }
    Ok(findings)
}

/// The ids in a line.
fn cited(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| {
            word.len() == 4
                && word.starts_with('C')
                && word[1..].bytes().all(|byte| byte.is_ascii_digit())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_stands_alone() {
        let line = "C001, C002-C004; 0xC005, STATUS_C006 and C0000017 are no ids";
        assert_eq!(cited(line).collect::<Vec<_>>(), ["C001", "C002", "C004"]);
    }
}
