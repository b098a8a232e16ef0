//! Rules for every text file.

use std::path::Path;

use super::Finding;

/// Directories that exist only on somebody's own machine.
const MACHINE_PATHS: &[&str] = &[
    concat!("/", "root/"),
    concat!("/", "work/"),
    concat!("/", "tmp/target"),
];

/// Words for unfinished work; each needs the number of its issue, as in `TODO(#12)`.
const UNFINISHED: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("HA", "CK"),
    concat!("XX", "X"),
];

/// Macros that stand for code not written.
const NOT_WRITTEN: &[&str] = &[concat!("to", "do!("), concat!("unimpl", "emented!(")];

/// Trailing space, a missing last newline, a machine's paths, a package mirror, unfinished work
/// without a number.
pub fn check(file: &Path, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let is_text_of_others = file.ends_with("Cargo.lock") || file.ends_with("LICENSE-APACHE");
    if is_text_of_others {
        return findings;
    }
    if !text.is_empty() && !text.ends_with('\n') {
        findings.push(Finding::new(file, 0, "does not end in a newline"));
    }
    for (index, line) in text.lines().enumerate() {
        findings.extend(complaints(line).map(|message| Finding::new(file, index + 1, message)));
    }
    findings
}

fn complaints(line: &str) -> impl Iterator<Item = String> {
    let mut messages = Vec::new();
    if line.ends_with([' ', '\t']) {
        messages.push("trailing space".to_owned());
    }
    if let Some(path) = MACHINE_PATHS.iter().find(|path| starts_a_path(line, path)) {
        messages.push(format!("`{path}` is a path of one machine"));
    }
    if let Some(word) = UNFINISHED.iter().find(|word| is_open(line, word)) {
        messages.push(format!("{word} without the number of an issue"));
    }
    if let Some(call) = NOT_WRITTEN.iter().find(|call| line.contains(*call)) {
        messages.push(format!("`{call}…)` stands for code that is not written"));
    }
    messages.into_iter()
}

/// `path` as the start of an absolute path, not the middle of a relative one.
fn starts_a_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        !line[..at].ends_with(|c: char| {
            c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '}' | '$' | '/')
        })
    })
}

fn is_open(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        // In backticks it is a word that is spoken about.
        let is_word = !line[..at]
            .ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '`'))
            && !line[at + word.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_');
        is_word && !line[at + word.len()..].starts_with("(#")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str) -> usize {
        check(Path::new("a.rs"), text).len()
    }

    #[test]
    fn each_rule_finds_its_own() {
        assert_eq!(count("fine\n"), 0);
        assert_eq!(count("space \n"), 1);
        assert_eq!(count("no newline"), 1);
        assert_eq!(count(concat!("see /", "root/x\n")), 1);
        assert_eq!(count(concat!("// TO", "DO: later\n")), 1);
        assert_eq!(count(concat!("// TO", "DO(#7): later\n")), 0);
        assert_eq!(count(concat!("to", "do!()\n")), 1);
    }

    #[test]
    fn a_relative_path_is_nobodys_machine() {
        assert_eq!(count("join(\"wine32-root/usr\")\n"), 0);
        assert_eq!(count(concat!("frame", "/", "work/\n")), 0);
    }
}
