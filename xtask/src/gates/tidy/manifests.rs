//! Manifests take from the workspace what the workspace decides.

use std::path::Path;

use super::Finding;

/// Decided once, in the root's `[workspace.package]`.
const INHERITED: &[&str] = &["version", "edition", "rust-version", "license"];

/// What a member's manifest sets for itself that it should inherit, and dependencies with a version
/// of their own.
pub fn check(file: &Path, text: &str) -> Vec<Finding> {
    // The fuzz targets are a workspace of their own: they need other flags than everybody else. The
    // list of peers is one, because nobody who tests should have to fetch them.
    let is_own_workspace = file.starts_with("fuzz") || file.starts_with("benches/peers");
    if file == Path::new("Cargo.toml") || is_own_workspace {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for key in INHERITED {
        if !text
            .lines()
            .any(|line| line.trim() == format!("{key}.workspace = true"))
        {
            findings.push(Finding::new(
                file,
                0,
                format!("`{key}` is not inherited from the workspace"),
            ));
        }
    }
    let mut section = "";
    let mut inherits_lints = false;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('[') {
            section = line;
            continue;
        }
        inherits_lints |= section == "[lints]" && line == "workspace = true";
        let is_dependency =
            section.contains("dependencies") && line.contains('=') && !line.starts_with('#');
        let inherits = line.contains("workspace = true") || line.contains("path = ");
        if is_dependency && !inherits && is_own_version(section, line) {
            let message = "names a version of its own; put it in [workspace.dependencies]";
            findings.push(Finding::new(file, index + 1, message));
        }
    }
    if !inherits_lints {
        findings.push(Finding::new(
            file,
            0,
            "`[lints]` is not inherited from the workspace",
        ));
    }
    findings
}

/// A version requirement: `name = "1"`, `name = { version = … }`, or `version = …` in a
/// dependency's own table.
fn is_own_version(section: &str, line: &str) -> bool {
    let Some((key, value)) = line.split_once('=') else {
        return false;
    };
    let in_own_table = !section.trim_end_matches(']').ends_with("dependencies");
    if in_own_table {
        key.trim() == "version"
    } else {
        value.trim().starts_with('"') || value.contains("version")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[package]\nname = \"a\"\nversion.workspace = true\nedition.workspace = true\n\
        rust-version.workspace = true\nlicense.workspace = true\n[dependencies]\nlibc.workspace = true\n\
        [lints]\nworkspace = true\n";

    #[test]
    fn a_manifest_inherits() {
        assert!(check(Path::new("a/Cargo.toml"), GOOD).is_empty());
        let own = GOOD.replace("libc.workspace = true", "libc = \"0.2\"");
        assert_eq!(check(Path::new("a/Cargo.toml"), &own).len(), 1);
        let by_target = GOOD.replace(
            "[lints]",
            "[target.'cfg(target_os = \"linux\")'.dependencies]\nspin.workspace = true\n[lints]",
        );
        assert!(check(Path::new("a/Cargo.toml"), &by_target).is_empty());
        let no_lints = GOOD.replace("[lints]\nworkspace = true\n", "");
        assert_eq!(check(Path::new("a/Cargo.toml"), &no_lints).len(), 1);
    }
}
