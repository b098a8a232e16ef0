//! Unix: a child with one more variable, signals that pass, and the child's own exit status.

use std::ffi::OsString;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::thread;

use rustix::fs::{Access, access};
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;

use super::{Ending, Job};
use crate::run::problem::Problem;

#[cfg(preload = "dyld")]
use super::dyld as loader;
#[cfg(preload = "elf")]
use super::elf as loader;

pub use loader::{LIBRARY_FILE, privilege};

/// Whether programs can be run on the heap here.
pub const SUPPORTED: bool = true;

/// Whether the system would execute the file for this user.
pub fn is_executable(path: &Path) -> bool {
    access(path, Access::EXEC_OK).is_ok()
}

/// Runs the program to its end.
///
/// # Errors
///
/// The system did not start it.
pub fn run(job: &Job<'_>) -> Result<Ending, Problem> {
    let mut command = Command::new(job.program);
    command.arg0(job.name).args(job.arguments);
    command.env(loader::VARIABLE, preloaded(job.library));
    command.env(job.invitation.0, &job.invitation.1);

    let mut signals = watched_signals().map_err(|error| Problem::System {
        doing: "watch for signals",
        error,
    })?;
    let mut child = command.spawn().map_err(|error| Problem::NotExecutable {
        path: job.program.to_owned(),
        because: format!("was refused by the system: {error}"),
    })?;
    let passing = signals.handle();
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let forwarder = thread::spawn(move || {
        for signal in signals.forever() {
            // What a terminal sends goes to its whole group, and so to the program already.
            if let (SIGTERM, Some(pid)) = (signal, pid) {
                // The program may have ended meanwhile, and then nothing is left to be told.
                let _ = kill_process(pid, Signal::TERM);
            }
        }
    });
    let status = child.wait();
    passing.close();
    // It has nothing to return, and cannot panic.
    let _ = forwarder.join();
    Ok(ending(status.map_err(|error| Problem::System {
        doing: "wait for the program",
        error,
    })?))
}

/// Those that would end ntheap before its program; but for what it was started to ignore, which
/// the program is to ignore too: a handler of ours would be reset to the default in it.
fn watched_signals() -> std::io::Result<Signals> {
    let ignored = ignored_signals();
    Signals::new(
        [SIGINT, SIGQUIT, SIGTERM]
            .iter()
            .filter(|signal| ignored >> (**signal - 1) & 1 == 0),
    )
}

/// A bit for each ignored signal, from the lowest; none where the system does not tell.
fn ignored_signals() -> u64 {
    std::fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| {
            let mask = status
                .lines()
                .find_map(|line| line.strip_prefix("SigIgn:"))?
                .trim();
            u64::from_str_radix(mask, 16).ok()
        })
        .unwrap_or(0)
}

/// Our library, and after it what was to be preloaded anyway.
fn preloaded(library: &Path) -> OsString {
    let mut value = library.as_os_str().to_owned();
    if let Some(others) = std::env::var_os(loader::VARIABLE).filter(|others| !others.is_empty()) {
        value.push(":");
        value.push(others);
    }
    value
}

fn ending(status: ExitStatus) -> Ending {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ending::Exited(u8::try_from(code).unwrap_or(u8::MAX)),
        (None, signal) => {
            let signal = signal.unwrap_or(0);
            Ending::Killed {
                signal,
                name: signal_hook::low_level::signal_name(signal),
            }
        }
    }
}
