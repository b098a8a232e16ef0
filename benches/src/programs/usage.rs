//! What a program and those it started have used, as the system counts it.

use std::io;
use std::process::Child;

/// CPU time and memory of a process that has ended, with those it waited for.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// User and system time in seconds.
    pub cpu_s: f64,
    /// The most memory that one process of them had resident, in bytes.
    pub peak_bytes: f64,
}

/// Waits for `child` to end well.
///
/// # Errors
/// The system's, or that the child failed.
pub fn wait(child: Child) -> io::Result<Usage> {
    let mut status = 0;
    // SAFETY: a structure of numbers, all zero.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    let id = child.id() as libc::pid_t;
    // SAFETY: both places are ours, and nobody else waits for this child.
    let waited = unsafe { libc::wait4(id, &mut status, 0, &mut usage) };
    if waited != id {
        return Err(io::Error::last_os_error());
    }
    if status != 0 {
        return Err(io::Error::other(format!("ended with status {status:#x}")));
    }
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    let unit = if cfg!(target_vendor = "apple") {
        1.0
    } else {
        1024.0
    };
    Ok(Usage {
        cpu_s: seconds(usage.ru_utime) + seconds(usage.ru_stime),
        peak_bytes: usage.ru_maxrss as f64 * unit,
    })
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_program_that_fails_is_an_error() {
        let start = |code| {
            Command::new("sh")
                .args(["-c", code])
                .spawn()
                .expect("a shell")
        };
        assert!(wait(start("exit 3")).is_err());
        let usage = wait(start("exit 0")).expect("a shell ends well");
        assert!(usage.peak_bytes > 4096.0);
    }
}
