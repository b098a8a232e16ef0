//! `ntheap run`: an unmodified program on an NT heap.

mod image;
mod launch;
mod library;
mod problem;
mod program;
mod summary;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use launch::Ending;
use library::Library;
use problem::Problem;
use summary::Page;

/// What to run, and how.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit status: the program's own; 128 + N when signal N killed it; 125 when ntheap itself failed; \
126 when the program cannot be run on this heap; 127 when there is no such program.")]
pub struct Arguments {
    /// The library to preload instead of the one built into ntheap.
    #[arg(long, value_name = "FILE")]
    library: Option<PathBuf>,

    /// Print no summary.
    #[arg(long, short)]
    quiet: bool,

    /// The program, searched in PATH as a shell would, and its arguments.
    #[arg(trailing_var_arg = true, required = true, value_name = "PROGRAM")]
    command: Vec<OsString>,
}

/// Runs the program, prints the summary, and answers with the program's exit status.
pub fn run(arguments: &Arguments) -> ExitCode {
    match attempt(arguments) {
        Ok(status) => ExitCode::from(status),
        Err(problem) => {
            eprintln!("ntheap: {problem}");
            ExitCode::from(problem.exit_status())
        }
    }
}

fn attempt(arguments: &Arguments) -> Result<u8, Problem> {
    let [name, rest @ ..] = arguments.command.as_slice() else {
        return Err(Problem::NotFound {
            name: OsString::new(),
        });
    };
    if !launch::SUPPORTED {
        return Err(Problem::NoPreload);
    }
    let program = program::find(name)?;
    let library = Library::locate(arguments.library.as_deref())?;
    program::check(&program, &library)?;

    let page = Page::create()?;
    let ending = launch::run(&launch::Job {
        program: &program,
        name,
        arguments: rest,
        library: library.path(),
        invitation: page.invitation(),
    })?;

    let shown = display_name(name);
    if let Ending::Killed { signal, name } = &ending {
        let name = name.map(|name| format!(" ({name})")).unwrap_or_default();
        eprintln!("ntheap: {shown} was killed by signal {signal}{name}");
    }
    if !arguments.quiet {
        match page.read() {
            Some(summary) => eprint!("{}", summary.render(&shown)),
            None => eprintln!(
                "ntheap: no summary: {shown} made no request of the heap. Did the loader refuse \
                 the library, or did the program clear its environment and start itself anew?"
            ),
        }
    }
    Ok(ending.status())
}

/// The last part of the program's path.
fn display_name(name: &OsString) -> String {
    let path = Path::new(name);
    path.file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}
