//! The gates, one file each, and which of them continuous integration runs.

mod apple;
mod arm64;
mod asan;
mod clippy;
mod clippy_elsewhere;
mod conformance;
mod differential;
mod fmt;
mod fuzz;
pub mod instructions;
mod lin32;
mod loom;
mod mingw;
mod miri;
mod model;
mod oracle;
mod package;
mod programs;
mod setup;
mod test;
mod tidy;
mod tsan;
mod valgrind;
mod win32;
mod win64;
mod workflow_lint;

use anyhow::{Context, Result};

use crate::gate::Gate;

/// Every gate, in the order in which `ci` runs them: the quick ones first.
const ALL: &[Gate] = &[
    setup::GATE,
    fmt::GATE,
    tidy::GATE,
    workflow_lint::GATE,
    clippy::GATE,
    test::GATE,
    conformance::GATE,
    model::GATE,
    package::GATE,
    programs::GATE,
    instructions::GATE,
    loom::GATE,
    fuzz::GATE,
    asan::GATE,
    lin32::GATE,
    win64::GATE,
    mingw::GATE,
    oracle::GATE,
    differential::GATE,
    win32::GATE,
    arm64::GATE,
    arm64::GATE_16K,
    apple::GATE,
    clippy_elsewhere::GATE,
    tsan::GATE,
    valgrind::GATE,
    miri::GATE,
];

/// Gates that `ci` leaves out: the native tests, which `.ci/run` has just run by the README's own
/// command; and what takes longer than a change should wait for on two cores, to be run before a
/// release (`cargo xtask asan win32 arm64-16k apple clippy-elsewhere tsan valgrind miri`).
const NOT_IN_CI: &[&str] = &[
    "apple",
    "arm64",
    "arm64-16k",
    "asan",
    "clippy-elsewhere",
    "miri",
    "test",
    "tsan",
    "valgrind",
    "win32",
];

/// The gate of this name.
pub fn named(name: &str) -> Result<Gate> {
    ALL.iter()
        .find(|gate| gate.name == name)
        .copied()
        .with_context(|| {
            let names: Vec<_> = ALL.iter().map(|gate| gate.name).collect();
            format!(
                "no gate is called `{name}`; there are: bench, ci, install, {}",
                names.join(", ")
            )
        })
}

/// What `cargo xtask ci` runs.
pub fn of_ci() -> Vec<Gate> {
    ALL.iter()
        .filter(|gate| !NOT_IN_CI.contains(&gate.name))
        .copied()
        .collect()
}

/// Prints each gate and what it proves.
pub fn print_list() {
    println!("cargo xtask NAME...   runs gates in the order given");
    println!(
        "cargo xtask ci        runs all of them but `{}`",
        NOT_IN_CI.join("`, `")
    );
    println!("cargo xtask install --prefix DIRECTORY   headers, libraries and rtlheap.pc");
    println!(
        "cargo xtask bench [--quick] [--part PART]... [--only ROW]... [--peer NAME]...   against peers\n\
         cargo xtask instructions --write   counts anew; --peer NAME   what a peer takes beside\n"
    );
    for gate in ALL {
        println!("{:<17} {}", gate.name, gate.proves);
    }
}
