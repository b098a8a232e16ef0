//! A Rust file as the rules see it: its text, and the same text without comments, strings and
//! tests.

use std::path::PathBuf;

/// A Rust file.
pub struct Source {
    /// Relative to the checkout.
    pub file: PathBuf,
    /// What is in the file, by line.
    pub lines: Vec<String>,
    /// The same lines with comments and the insides of literals blanked: what is left is code.
    pub code: Vec<String>,
    /// The first line (from 0) of `#[cfg(test)] mod tests { … }` at the end; the number of lines
    /// when there is none.
    pub tests_start: usize,
}

impl Source {
    /// Reads `text` as Rust.
    pub fn new(file: PathBuf, text: String) -> Self {
        let lines: Vec<_> = text.lines().map(str::to_owned).collect();
        let code: Vec<_> = blank(&text).lines().map(str::to_owned).collect();
        let tests_start = (0..code.len())
            .find(|&at| {
                code[at].trim() == "#[cfg(test)]"
                    && code[at + 1..]
                        .iter()
                        .find(|line| !line.trim().is_empty())
                        .is_some_and(|line| line.starts_with("mod tests {"))
            })
            .unwrap_or(lines.len());
        Self {
            file,
            lines,
            code,
            tests_start,
        }
    }

    /// The code up to the unit tests: line number from 1, and the line.
    pub fn shipped(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code[..self.tests_start.min(self.code.len())]
            .iter()
            .enumerate()
            .map(|(index, line)| (index + 1, line.as_str()))
    }

    /// Whether the path starts with one of these directories.
    pub fn is_under(&self, directories: &[&str]) -> bool {
        directories
            .iter()
            .any(|directory| self.file.starts_with(directory))
    }
}

/// `text` with comments, and what stands between quotes, replaced by spaces; lines keep their
/// numbers and columns.
fn blank(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < characters.len() {
        let end = end_of_blank(&characters, at);
        if end == at {
            out.push(characters[at]);
            at += 1;
        }
        for &character in &characters[at.min(end)..end] {
            out.push(if character == '\n' { '\n' } else { ' ' });
        }
        at = at.max(end);
    }
    out
}

/// Where the comment or literal that starts at `at` ends; `at` itself when none starts there.
fn end_of_blank(text: &[char], at: usize) -> usize {
    let starts = |pattern: &str| {
        pattern
            .chars()
            .enumerate()
            .all(|(i, c)| text.get(at + i) == Some(&c))
    };
    if starts("//") {
        return (at..text.len())
            .find(|&i| text[i] == '\n')
            .unwrap_or(text.len());
    }
    if starts("/*") {
        return end_of_block_comment(text, at);
    }
    let after_word = at > 0 && (text[at - 1].is_alphanumeric() || text[at - 1] == '_');
    if text[at] == 'r' && !after_word {
        let hashes = text[at + 1..].iter().take_while(|&&c| c == '#').count();
        if text.get(at + 1 + hashes) == Some(&'"') {
            return end_of_raw_string(text, at + 2 + hashes, hashes);
        }
    }
    if text[at] == '"' {
        return end_of_quoted(text, at + 1, '"');
    }
    // A character, not a lifetime: one character or an escape, then the closing quote.
    if text[at] == '\'' && (text.get(at + 1) == Some(&'\\') || text.get(at + 2) == Some(&'\'')) {
        return end_of_quoted(text, at + 1, '\'');
    }
    at
}

fn end_of_block_comment(text: &[char], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0);
    while at < text.len() {
        match (text[at], text.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

fn end_of_raw_string(text: &[char], start: usize, hashes: usize) -> usize {
    (start..text.len())
        .find(|&at| {
            text[at] == '"' && (1..=hashes).all(|offset| text.get(at + offset) == Some(&'#'))
        })
        .map_or(text.len(), |at| at + 1 + hashes)
}

fn end_of_quoted(text: &[char], start: usize, quote: char) -> usize {
    let mut at = start;
    while at < text.len() {
        match text[at] {
            '\\' => at += 2,
            character if character == quote => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> String {
        let source = Source::new(PathBuf::from("a.rs"), text.to_owned());
        source.code.join("\n")
    }

    #[test]
    fn comments_and_strings_are_blanked_and_columns_stay() {
        assert_eq!(code("a; // b\nc"), "a;     \nc");
        assert_eq!(code("a /* b /* c */ d */ e"), "a                   e");
        assert_eq!(code(r#"f("a\"b", x)"#), "f(      , x)");
        assert_eq!(code("f(r#\"a\"b\"#, x)"), "f(        , x)");
    }

    #[test]
    fn a_lifetime_is_not_a_character() {
        assert_eq!(
            code("fn f<'a>(x: &'a u8) -> char { '\"' }"),
            "fn f<'a>(x: &'a u8) -> char {     }"
        );
        assert_eq!(code(r"let q = '\''; unsafe"), "let q =     ; unsafe");
    }

    #[test]
    fn unit_tests_end_what_is_shipped() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n}\n";
        let source = Source::new(PathBuf::from("a.rs"), text.to_owned());
        assert_eq!(source.shipped().count(), 1);
    }
}
