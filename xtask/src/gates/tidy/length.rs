//! One concept a file: files and their lines stay short.

use super::Finding;
use super::source::Source;

/// Above this a file is worth a second look. Lines before the unit tests.
const SOFT_LINES: usize = 400;
/// Above this a file is too long. Lines before the unit tests.
const HARD_LINES: usize = 600;

/// A note for a long file, a finding for one that is too long.
pub fn check(source: &Source) -> Vec<Finding> {
    let lines = source.tests_start;
    let message = match lines {
        _ if lines > HARD_LINES => {
            format!("{lines} lines before the unit tests; the limit is {HARD_LINES}")
        }
        _ if lines > SOFT_LINES => {
            format!("note: {lines} lines before the unit tests: still one concept?")
        }
        _ => return Vec::new(),
    };
    vec![Finding::new(&source.file, 0, message)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unit_tests_do_not_count() {
        let code = "fn f() {}\n".repeat(HARD_LINES);
        let tests = format!(
            "#[cfg(test)]\nmod tests {{\n{}}}\n",
            "fn t() {}\n".repeat(50)
        );
        let at_limit = Source::new("a.rs".into(), format!("{code}{tests}"));
        assert!(check(&at_limit)[0].message.starts_with("note: "));
        let over = Source::new("a.rs".into(), format!("{code}fn g() {{}}\n{tests}"));
        assert!(check(&over)[0].message.contains("limit"));
    }
}
