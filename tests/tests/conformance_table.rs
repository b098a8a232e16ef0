//! The table of conformance lines against the tests: nothing is missing, nothing is unknown, and
//! how much holds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rtl_heap_tests::lines::{Kind, Line, Target, exceptions, lines};

const TOTAL: usize = 329;

fn tested() -> BTreeMap<u16, BTreeSet<String>> {
    rtl_heap_tests::lines::tested(Path::new("tests"))
}

fn ids() -> BTreeSet<u16> {
    lines().iter().map(|line| line.id).collect()
}

#[test]
fn the_table_is_whole() {
    let lines = lines();
    assert_eq!(lines.len(), TOTAL);
    assert_eq!(ids().len(), TOTAL, "an id stands twice");
    for line in &lines {
        assert!(
            line.tag.split('/').all(|tag| "VTIDP".contains(tag)),
            "C{:03}: {}",
            line.id,
            line.tag
        );
        assert!(!line.statement.is_empty());
    }
}

#[test]
fn every_test_is_of_a_known_line() {
    let ids = ids();
    for (id, names) in tested() {
        assert!(ids.contains(&id), "{names:?}");
        assert_eq!(
            names.len(),
            1,
            "C{id:03} has two tests of its own: {names:?}"
        );
    }
}

#[test]
fn every_exception_is_of_known_lines_and_has_a_reason() {
    let ids = ids();
    for exception in exceptions() {
        let (first, last) = exception.ids;
        assert!(
            ids.contains(&first) && ids.contains(&last) && first <= last,
            "{exception:?}"
        );
        assert!(!exception.reason.is_empty(), "{exception:?}");
    }
}

/// What is to be said of a line on this target.
enum State {
    Tested,
    Excepted,
    Later,
    Forgotten,
}

fn state(line: &Line, is_tested: bool) -> State {
    let here = Target::here(cfg!(all(feature = "oracle", windows)));
    let kinds: Vec<Kind> = exceptions()
        .into_iter()
        .filter(|exception| exception.applies_to(&here) && exception.names(line.id))
        .map(|exception| exception.kind)
        .collect();
    if kinds.contains(&Kind::Excepted) {
        State::Excepted
    } else if is_tested {
        State::Tested
    } else if kinds.contains(&Kind::Later) {
        State::Later
    } else {
        State::Forgotten
    }
}

#[test]
fn every_line_has_a_test_or_a_reason() {
    let tested = tested();
    let (mut passes, mut strict, mut excepted, mut later) = (0, 0, 0, 0);
    let mut forgotten = Vec::new();
    for line in lines() {
        match state(&line, tested.contains_key(&line.id)) {
            State::Tested => {
                passes += 1;
                strict += usize::from(line.is_strict());
            }
            State::Excepted => excepted += 1,
            State::Later => later += 1,
            State::Forgotten => forgotten.push(line),
        }
    }
    println!(
        "{passes} of {TOTAL} lines tested ({strict} strict), {excepted} excepted, {later} later"
    );
    assert!(
        forgotten.is_empty(),
        "neither test nor reason: {forgotten:#?}"
    );
}

#[test]
fn nothing_is_later_that_has_a_test() {
    let tested = tested();
    for exception in exceptions()
        .into_iter()
        .filter(|exception| exception.kind == Kind::Later)
    {
        let done: Vec<_> = tested.range(exception.ids.0..=exception.ids.1).collect();
        assert!(done.is_empty(), "{exception:?} is out of date: {done:?}");
    }
}
