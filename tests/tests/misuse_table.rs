//! The catalogue of misuse against the tests: each row of groups A to H has a test named by its
//! number, or a reason.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const REASONS: &str = include_str!("../conformance/misuse.md");
/// How many rows each group has.
const GROUPS: [(char, u32); 8] = [
    ('A', 18),
    ('B', 22),
    ('C', 14),
    ('D', 15),
    ('E', 14),
    ('F', 19),
    ('G', 16),
    ('H', 16),
];

fn rows() -> BTreeSet<String> {
    let group = |(letter, count)| (1..=count).map(move |number| format!("{letter}{number}"));
    GROUPS.into_iter().flat_map(group).collect()
}

/// The rows that tests of this package are named by. `fn c012_` is a conformance line's: those have
/// three digits.
fn tested() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(Path::new("tests")).expect("tests run in their package") {
        let path = entry.expect("a directory entry").path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a source file is text");
        for line in text.lines() {
            let Some(name) = line.trim_start().strip_prefix("fn ") else {
                continue;
            };
            let Some((row, _)) = name.split_once('_') else {
                continue;
            };
            let digits = row.get(1..).unwrap_or_default();
            if (1..=2).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) {
                found.insert(row.to_uppercase());
            }
        }
    }
    found
}

fn reasons() -> BTreeSet<String> {
    let rows = REASONS.lines().filter_map(|line| line.strip_prefix("| "));
    let first_cells = rows.filter_map(|row| Some(row.split_once(" |")?.0.to_owned()));
    first_cells.filter(|cell| cell != "row").collect()
}

#[test]
fn every_row_has_a_test_or_a_reason() {
    let (tested, reasons) = (tested(), reasons());
    let forgotten: Vec<_> = rows()
        .into_iter()
        .filter(|row| !tested.contains(row) && !reasons.contains(row))
        .collect();
    assert_eq!(forgotten, Vec::<String>::new());
}

#[test]
fn no_reason_is_out_of_date_or_for_a_row_that_is_none() {
    let (tested, rows) = (tested(), rows());
    for row in reasons() {
        assert!(rows.contains(&row), "{row} is no row");
        assert!(!tested.contains(&row), "{row} has a test");
    }
}
