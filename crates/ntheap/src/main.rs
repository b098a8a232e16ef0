//! `ntheap`: NT's heap, at work and on show.
//!
//! `ntheap run` puts `librtlheap_malloc` before an unmodified program; `ntheap tour` goes through
//! the documents of NT's heap creation, statement by statement.

#![deny(unsafe_code)]

mod run;
mod tour;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// NT's heap, at work under unmodified programs and on show.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a program on an NT heap, and say at the end what it asked of it.
    Run(run::Arguments),
    /// Create the heaps of NT's documents, one statement at a time, and see whether each holds.
    Tour(tour::Arguments),
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Tour(arguments) => tour::tour(&arguments),
    }
}
