//! The table of conformance lines, what tests it, and what stands in for a test.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

const LINES: &str = include_str!("../conformance/lines.md");
const EXCEPTIONS: &str = include_str!("../conformance/exceptions.md");

/// One assertable fact.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its number: 1 for C001.
    pub id: u16,
    /// The heading it stands under, such as "13.1 Creation, list, destroy".
    pub section: &'static str,
    /// The evidence.
    pub tag: &'static str,
    /// Wine is known to be wrong here.
    pub wine_differs: bool,
    /// Windows versions differ.
    pub windows_versions_differ: bool,
    /// The fact.
    pub statement: &'static str,
}

impl Line {
    /// Whether a public test suite asserts the fact on real Windows.
    pub fn is_strict(&self) -> bool {
        self.tag.contains(['V', 'T'])
    }
}

/// Why a line has no test, or none on some target.
#[derive(Clone, Debug)]
pub struct Exception {
    /// The lines.
    pub ids: (u16, u16),
    /// Where: `all`, `32-bit`, `64-bit`, an operating system, or `oracle`.
    pub target: &'static str,
    /// `excepted`, or `later` for what is not built yet.
    pub kind: Kind,
    /// Why.
    pub reason: &'static str,
}

/// What an exception says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The line cannot hold on the target, or is wrong.
    Excepted,
    /// What the line needs is not built yet.
    Later,
}

/// What a build of the tests runs on, and what it tests.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Bits in a pointer.
    pub pointer_bits: u32,
    /// `linux`, `macos` or `windows`.
    pub system: &'a str,
    /// The system's own heap is tested, not the library.
    pub oracle: bool,
}

impl Target<'static> {
    /// The target this is compiled for.
    pub const fn here(oracle: bool) -> Self {
        Self {
            pointer_bits: usize::BITS,
            system: std::env::consts::OS,
            oracle,
        }
    }
}

impl Exception {
    /// Whether it speaks of `target`.
    pub fn applies_to(&self, target: &Target<'_>) -> bool {
        match self.target {
            "all" => true,
            "32-bit" => target.pointer_bits == 32,
            "64-bit" => target.pointer_bits == 64,
            "oracle" => target.oracle,
            "no-oracle" => !target.oracle,
            "unix" => target.system != "windows",
            system => system == target.system,
        }
    }

    /// Whether it speaks of the line `id`.
    pub fn names(&self, id: u16) -> bool {
        (self.ids.0..=self.ids.1).contains(&id)
    }
}

/// All lines, in order.
pub fn lines() -> Vec<Line> {
    let mut section = "";
    let mut lines = Vec::new();
    for text in LINES.lines() {
        if let Some(heading) = text.strip_prefix("## ") {
            section = heading;
        }
        let Some([id, tag, marks, statement, _source]) = cells(text) else {
            continue;
        };
        let Some(id) = parse_id(id) else { continue };
        lines.push(Line {
            id,
            section,
            tag,
            wine_differs: marks.contains("Tw"),
            windows_versions_differ: marks.contains("Wv"),
            statement,
        });
    }
    lines
}

/// All exceptions, in order.
///
/// # Panics
/// When a row cannot be read.
pub fn exceptions() -> Vec<Exception> {
    let mut exceptions = Vec::new();
    for text in EXCEPTIONS.lines() {
        let Some([ids, target, kind, reason]) = cells(text) else {
            continue;
        };
        let (first, last) = ids.split_once('-').unwrap_or((ids, ids));
        let (Some(first), Some(last)) = (parse_id(first), parse_id(last)) else {
            continue;
        };
        let kind = match kind {
            "excepted" => Kind::Excepted,
            "later" => Kind::Later,
            other => panic!("{ids}: unknown kind {other}"),
        };
        exceptions.push(Exception {
            ids: (first, last),
            target,
            kind,
            reason,
        });
    }
    exceptions
}

/// The lines that have a test: every `fn cNNN_` in the sources below `folder`, which is `tests` of
/// this package.
///
/// # Panics
/// When the sources cannot be read.
pub fn tested(folder: &Path) -> BTreeMap<u16, BTreeSet<String>> {
    let mut tested: BTreeMap<u16, BTreeSet<String>> = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("the tests' own folder") {
        let path = entry.expect("a directory entry").path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a source file is text");
        for name in text
            .lines()
            .filter_map(|line| line.trim_start().strip_prefix("fn "))
        {
            let name = name.split('(').next().unwrap_or(name);
            if let Some(id) = line_of_test(name) {
                tested.entry(id).or_default().insert(name.to_owned());
            }
        }
    }
    tested
}

/// The line a test is of, by its name: 7 for `c007_…`.
pub fn line_of_test(name: &str) -> Option<u16> {
    let digits = name.strip_prefix('c')?.get(..4)?.strip_suffix('_')?;
    digits.parse().ok()
}

fn parse_id(text: &str) -> Option<u16> {
    text.strip_prefix('C')?.parse().ok()
}

/// The cells of a row of a Markdown table, if it has exactly `N`. A cell's own bars are written
/// `\|`.
fn cells<const N: usize>(row: &'static str) -> Option<[&'static str; N]> {
    let row = row.strip_prefix('|')?.strip_suffix('|')?;
    let mut cells = Vec::new();
    let mut start = 0;
    for (at, _) in row.match_indices('|') {
        if !row[..at].ends_with('\\') {
            cells.push(row[start..at].trim());
            start = at + 1;
        }
    }
    cells.push(row[start..].trim());
    cells.try_into().ok()
}
