//! Only rtl-platform knows which system it runs on.

use super::Finding;
use super::source::Source;

/// Where a system's name is in place. Test programs, benches and xtask deal with the machine they
/// run on.
const EXEMPT: &[&str] = &["crates/rtl-platform", "xtask", "tests", "benches", "fuzz"];

/// Predicates that name a system. Pointer width and endianness are data, not systems.
const NAMES: &[&str] = &[
    "target_os",
    "target_family",
    "target_env",
    "target_vendor",
    "windows",
    "unix",
];

/// The `cfg`s of one file that name a system.
pub fn check(source: &Source) -> Vec<Finding> {
    let in_tests_of_a_crate = source
        .file
        .iter()
        .any(|part| part == "tests" || part == "benches");
    if source.is_under(EXEMPT) || in_tests_of_a_crate || source.file.ends_with("build.rs") {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (line, code) in source.shipped() {
        let Some(start) = ["cfg(", "cfg!(", "cfg_attr("]
            .iter()
            .filter_map(|form| code.find(form))
            .min()
        else {
            continue;
        };
        let words = code[start..].split(|c: char| !c.is_alphanumeric() && c != '_');
        if let Some(name) = words.into_iter().find(|word| NAMES.contains(word)) {
            let message = format!("`{name}` outside crates/rtl-platform");
            findings.push(Finding::new(&source.file, line, message));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(file: &str, text: &str) -> usize {
        check(&Source::new(file.into(), text.to_owned())).len()
    }

    #[test]
    fn a_system_is_named_only_in_the_platform_crate() {
        let text = "#[cfg(any(unix, feature = \"x\"))]\nfn f() {}\n#[cfg(target_pointer_width = \"64\")]\nfn g() {}\n";
        assert_eq!(count("crates/rtl-heap/src/a.rs", text), 1);
        assert_eq!(count("crates/rtl-platform/src/a.rs", text), 0);
        assert_eq!(count("crates/ntheap/build.rs", text), 0);
    }
}
