//! The library against the system's own heap, in one process (see the package's `differential`).
#![cfg(all(windows, not(feature = "oracle")))]

use std::env;

use rtl_heap_tests::differential::run;

/// How many operations; the gate `differential` asks for a million.
const OPERATIONS: &str = "RTL_HEAP_DIFFERENTIAL_OPERATIONS";
/// Another seed makes another stream.
const SEED: &str = "RTL_HEAP_DIFFERENTIAL_SEED";

fn number(variable: &str, default: u64) -> u64 {
    env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

#[test]
fn the_system_s_heap_answers_as_ours_does() {
    let operations = number(OPERATIONS, 20_000);
    let comparison = run(number(SEED, 29), operations as usize);
    println!(
        "{operations} operations, {} answers compared",
        comparison.compared
    );
    for (known, count) in comparison.explained() {
        println!(
            "explained, {count} times: {}, {}: {}",
            known.operation, known.what, known.reason
        );
    }
    let unexplained = comparison.unexplained();
    assert!(
        unexplained.is_empty(),
        "not explained:\n{}",
        unexplained.join("\n")
    );
    assert!(
        comparison.compared >= operations,
        "an operation compares something"
    );
}
