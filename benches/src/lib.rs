//! What the heap costs.
//!
//! - `cargo bench -p rtl-heap-benches` compares the back end with the C library's allocator and
//!   with bare system calls, prints the table and writes it as JSON below `target/`.
//! - `cargo run --release -p rtl-heap-benches --bin instructions` counts the instructions of the
//!   hot paths under callgrind and compares them with `instructions.txt`.
//!
//! Everything goes through the C ABI of the shared library, opened at run time, as a C program's
//! calls would. Times are CPU times of the measuring thread, and contestants take turns within a
//! round, so that a busy machine disturbs all of them alike: what counts is the median of the
//! rounds' ratios, never a time by itself.

#![cfg(unix)]

pub mod clock;
pub mod contestants;
pub mod library;
pub mod random;
pub mod report;
pub mod rounds;
