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

impl Exception {
    /// Whether it speaks of the target these tests are compiled for.
    pub fn applies_here(&self) -> bool {
        match self.target {
            "all" => true,
            "32-bit" => cfg!(target_pointer_width = "32"),
            "64-bit" => cfg!(target_pointer_width = "64"),
            "oracle" => cfg!(all(feature = "oracle", windows)),
            "no-oracle" => !cfg!(all(feature = "oracle", windows)),
            "unix" => cfg!(unix),
            system => system == std::env::consts::OS,
        }
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

/// The lines that have a test: every `fn cNNN_` in the sources of this package's tests.
///
/// # Panics
/// When the sources cannot be read.
pub fn tested() -> BTreeMap<u16, BTreeSet<String>> {
    let mut tested: BTreeMap<u16, BTreeSet<String>> = BTreeMap::new();
    for entry in fs::read_dir(Path::new("tests")).expect("tests run in their package") {
        let path = entry.expect("a directory entry").path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a source file is text");
        for name in text
            .lines()
            .filter_map(|line| line.trim_start().strip_prefix("fn c"))
        {
            let Some(id) = name.get(..4).and_then(|digits| digits.strip_suffix('_')) else {
                continue;
            };
            let Ok(id) = id.parse() else { continue };
            let name = name.split('(').next().unwrap_or(name);
            tested.entry(id).or_default().insert(format!("c{name}"));
        }
    }
    tested
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
