//! The project's gates. Every check is one subcommand: `cargo xtask NAME`.
//!
//! A gate runs alone, says what it proves before it starts, and ends in a line of the summary: ok,
//! FAILED, or skipped with the reason. Continuous integration calls nothing else. `cargo xtask`
//! alone lists the gates.
//!
//! The crate reads in this order: [`gate`] (what a gate is), [`gates`] (the list), [`toolchain`]
//! (every fact about compilers, targets and packages), then the gate you care about, one file each.

#![forbid(unsafe_code)]

mod bench;
mod build_std;
mod conformance;
mod exceptions;
mod gate;
mod gates;
mod install;
mod libraries;
mod summary;
mod toolchain;
mod wine;
mod wine32;
mod workspace;

use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::workspace::Workspace;

mod flags {
    //! The command line.
    use std::path::PathBuf;

    xflags::xflags! {
        /// Run the project's gates; without a name, list them.
        cmd xtask {
            /// Gates to run, in this order.
            repeated gates: String
            /// Only this crate, in the gates that test the portable crates one by one.
            repeated -p, --package package: String
            /// Where `install` puts headers, libraries and rtlheap.pc.
            optional --prefix prefix: PathBuf
            /// `instructions`: write the table anew, in place of comparing with it.
            optional --write
            /// `bench`: only this part: micro, backend, scaling, memory, looking, programs.
            repeated --part part: String
            /// `bench`: fewer and shorter rounds, for a first idea.
            optional --quick
            /// `bench`: only rows whose ids contain this.
            repeated --only row: String
            /// `bench`: only peers whose names contain this. `instructions`: print what the peer of this name takes.
            repeated --peer name: String
        }
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Runs what the command line asks for; false when a gate failed.
fn run() -> Result<bool> {
    let flags = flags::Xtask::from_env_or_exit();
    let workspace = Workspace::open(flags.package)?;
    match flags.gates.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => {
            gates::print_list();
            Ok(true)
        }
        ["install"] => {
            let prefix = flags.prefix.context("install needs --prefix DIRECTORY")?;
            install::into_prefix(&workspace, &prefix)?;
            Ok(true)
        }
        ["bench"] => {
            let wishes = bench::Wishes {
                parts: flags.part,
                quick: flags.quick,
                only: flags.only,
                peers: flags.peer,
            };
            bench::run(&workspace, &wishes)?;
            Ok(true)
        }
        ["instructions"] if flags.write => {
            gates::instructions::write(&workspace)?;
            Ok(true)
        }
        ["instructions"] if !flags.peer.is_empty() => {
            bench::instructions_beside(&workspace, &flags.peer)?;
            Ok(true)
        }
        ["ci"] => Ok(summary::run_all(&workspace, &gates::of_ci())),
        ref names => {
            let chosen = names
                .iter()
                .map(|name| gates::named(name))
                .collect::<Result<Vec<_>>>()?;
            Ok(summary::run_all(&workspace, &chosen))
        }
    }
}
