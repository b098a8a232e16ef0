//! The tour, as it is given to people and to programs.

use std::process::Command;

fn tour(arguments: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_ntheap"))
        .arg("tour")
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn every_statement_is_met() {
    let output = tour(&["--json"]);
    let rows: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = rows["rows"].as_array().unwrap();
    for row in rows {
        assert_eq!(row["met"], true, "{row:#}");
        let by_document = !row["document"].as_str().unwrap().contains("lines");
        let creates = row["call"].as_str().unwrap().contains("Create");
        assert!(creates || !by_document, "{row:#}");
    }
    let of = |document| {
        rows.iter()
            .filter(|row| row["document"].as_str().unwrap().contains(document))
            .count()
    };
    assert_eq!((of("reference"), of("tutorial")), (32, 10));
    let mut chapters: Vec<_> = rows
        .iter()
        .filter(|row| row["document"].as_str().unwrap().contains("lines"))
        .map(|row| row["section"].as_str().unwrap())
        .collect();
    chapters.dedup();
    let families = [
        "Walking a heap",
        "The low-fragmentation heap",
        "Local and Global memory",
        "Tags",
        "The debug heap",
    ];
    assert_eq!(chapters, families);
    assert_eq!(of("lines"), 26);
    assert!(output.status.success());
}

#[test]
fn people_see_statement_call_and_answer() {
    let output = tour(&[]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("\"64 pages are initially reserved"), "{text}");
    assert!(
        text.contains("> RtlCreateHeap(HEAP_GROWABLE, NULL, 0x0, 0x0, NULL, NULL)"),
        "{text}"
    );
    assert!(
        text.contains("met: 0x40000 bytes reserved (64 pages), 0x1000 committed (1)"),
        "{text}"
    );
    assert!(text.ends_with("68 of 68 statements met\n"), "{text}");
    assert!(
        text.lines().all(|line| line.chars().count() <= 100),
        "{text}"
    );
}
