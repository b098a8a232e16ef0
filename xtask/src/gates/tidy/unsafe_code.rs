//! Every `unsafe` says why it is sound. Clippy checks what this machine compiles; this reads every
//! system's code.

use super::Finding;
use super::source::Source;

/// A statement may start this many lines above the `unsafe` in it.
const LINES_INTO_STATEMENT: usize = 2;

/// Unsafe blocks and impls without `SAFETY:`, unsafe functions without `# Safety`.
pub fn check(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut scopes = Scopes::default();
    for (index, code) in source.code.iter().enumerate() {
        for (start, _) in code.match_indices("unsafe") {
            let rest = code[start + "unsafe".len()..].trim_start();
            let before = code[..start].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
                continue;
            }
            let message = if rest.starts_with('{') || rest.is_empty() || rest.starts_with("impl") {
                (!says_safety(source, index))
                    .then_some("`unsafe` without a `// SAFETY:` line just above")
            } else if is_shipped(source, index)
                && defines_function(rest)
                && !scopes.documents_elsewhere()
            {
                (!documents_safety(source, index))
                    .then_some("`unsafe fn` without a `# Safety` section")
            } else {
                None
            };
            findings.extend(message.map(|message| Finding::new(&source.file, index + 1, message)));
        }
        scopes.read(code);
    }
    findings
}

/// Part of a crate that others use: a test's own helpers need no manual.
fn is_shipped(source: &Source, index: usize) -> bool {
    let is_test = source
        .file
        .iter()
        .any(|part| part == "tests" || part == "tests.rs");
    index < source.tests_start && !is_test
}

/// `fn name` or `extern "C" fn name`, not the type `unsafe extern "C" fn(…)`.
fn defines_function(rest: &str) -> bool {
    let Some((qualifiers, name)) = rest.split_once("fn ") else {
        return false;
    };
    let is_item = qualifiers.is_empty() || qualifiers.trim_start().starts_with("extern");
    is_item && name.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '$')
}

/// Whether the comment above the statement (or on the line itself) says SAFETY.
fn says_safety(source: &Source, index: usize) -> bool {
    let is_comment = |line: &str| line.trim_start().starts_with("//");
    if source.lines[index].contains("SAFETY:") {
        return true;
    }
    let mut above = source.lines[..index].iter().rev().peekable();
    for _ in 0..LINES_INTO_STATEMENT {
        if above.peek().is_some_and(|line| !is_comment(line)) {
            above.next();
        }
    }
    // The comment's own lines, whichever of the lines skipped it stood under.
    let nearest = source.lines[..index]
        .iter()
        .rev()
        .take(LINES_INTO_STATEMENT + 1);
    let mut lines = nearest
        .skip_while(|line| !is_comment(line))
        .take_while(|line| is_comment(line));
    lines.any(|line| line.contains("SAFETY:"))
        || above
            .take_while(|line| is_comment(line))
            .any(|line| line.contains("SAFETY:"))
}

/// Whether the doc comment above the function has a `# Safety` section; attributes may stand
/// between.
fn documents_safety(source: &Source, index: usize) -> bool {
    let above = source.lines[..index].iter().rev();
    let belongs = |line: &&String| {
        let line = line.trim_start();
        line.starts_with("//")
            || line.starts_with('#')
            || line.ends_with(")]")
            || line.ends_with(',')
    };
    above
        .take_while(belongs)
        .any(|line| line.contains("# Safety"))
}

/// The blocks that are open, each with the text that introduced it.
#[derive(Default)]
struct Scopes {
    open: Vec<String>,
    header: String,
}

impl Scopes {
    /// Follows the braces of one line of code.
    fn read(&mut self, code: &str) {
        for character in code.chars() {
            match character {
                '{' => self.open.push(std::mem::take(&mut self.header)),
                '}' => {
                    self.open.pop();
                    self.header.clear();
                }
                ';' => self.header.clear(),
                _ => self.header.push(character),
            }
        }
        self.header.push(' ');
    }

    /// In an implementation of a trait, a foreign block or a macro: the obligations stand at the
    /// trait, in the C header, or where the macro is used.
    fn documents_elsewhere(&self) -> bool {
        if self
            .open
            .iter()
            .any(|header| header.contains("macro_rules!"))
        {
            return true;
        }
        self.open.last().is_some_and(|header| {
            let mut words = header.split_whitespace().peekable();
            let is_impl = words
                .clone()
                .any(|word| word == "impl" || word.starts_with("impl<"));
            (is_impl && words.any(|word| word == "for")) || is_foreign(header)
        })
    }
}

fn is_foreign(header: &str) -> bool {
    header.split_whitespace().any(|word| word == "extern") && !header.contains("fn ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str) -> usize {
        check(&Source::new("a.rs".into(), text.to_owned())).len()
    }

    #[test]
    fn a_block_needs_its_reason_just_above() {
        assert_eq!(count("fn f() {\n    unsafe { g() }\n}\n"), 1);
        assert_eq!(
            count("fn f() {\n    // SAFETY: it is.\n    unsafe { g() }\n}\n"),
            0
        );
        assert_eq!(
            count("// SAFETY: long,\n// reason.\nlet x =\n    unsafe { g() };\n"),
            0
        );
        assert_eq!(
            count(
                "// SAFETY: used up.\nlet y = 1;\nlet z = 2;\nlet w = 2;\nlet x = unsafe { g() };\n"
            ),
            1
        );
    }

    #[test]
    fn an_unsafe_function_documents_its_obligations() {
        assert_eq!(count("/// Does.\npub unsafe fn f() {}\n"), 1);
        assert_eq!(
            count(
                "/// Does.\n///\n/// # Safety\n/// 1. Be careful.\n#[inline]\npub unsafe fn f() {}\n"
            ),
            0
        );
        assert_eq!(count("pub unsafe extern \"C\" fn f() {}\n"), 1);
        assert_eq!(count("type F = unsafe extern \"C\" fn(*mut u8);\n"), 0);
    }

    #[test]
    fn a_trait_says_it_for_its_implementations() {
        assert_eq!(
            count("// SAFETY: kept.\nunsafe impl<T> A for B<T> {\n    unsafe fn f() {}\n}\n"),
            0
        );
        assert_eq!(count("impl A {\n    unsafe fn f() {}\n}\n"), 1);
    }
}
