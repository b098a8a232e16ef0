//! What the heap costs.
//!
//! `cargo xtask bench` builds the peers and runs all of it:
//!
//! - `micro`: one operation at a time, against every peer;
//!   `wine_rows` runs the same loops on Windows' heap, under Wine;
//! - `memory`: what stays resident;
//! - `scaling`: the same operation with more live blocks, threads or heaps, and how fairly a heap's
//!   lock is shared;
//! - `looking`: walking and validating many live blocks;
//! - `programs`: whole programs by preloading, some of them the `stress` shapes;
//! - `instructions`: the instructions of the hot paths under callgrind, compared with
//!   `instructions.txt`.
//!
//! Everything goes through the C ABI of the shared library, opened at run time, as a C program's
//! calls would. Times are CPU times of the measuring threads, and contestants take turns within a
//! round, so that a busy machine disturbs all of them alike: what counts is the median of the
//! rounds' ratios, never a time by itself.

// The loops are also compiled for Windows, to run on Windows' own heap under Wine.

pub mod calls;
pub mod clock;
pub mod contestants;
pub mod micro;
pub mod random;
pub mod rounds;
pub mod width;

#[cfg(windows)]
pub mod kernel32;

#[cfg(unix)]
pub mod fairness;
#[cfg(unix)]
pub mod files;
#[cfg(unix)]
pub mod growth;
#[cfg(unix)]
pub mod library;
#[cfg(unix)]
pub mod plot;
#[cfg(unix)]
pub mod programs;
