//! Tests whose process is to end: the test runs itself again in a child process.

use std::env;
use std::ffi::OsString;
use std::process::{Command, ExitStatus};

/// Set in the child.
const CHILD: &str = "RTL_HEAP_TEST_CHILD";
/// A command that runs the test binary where the machine cannot do so itself, such as an emulator.
const RUNNER: &str = "RTL_HEAP_TEST_RUNNER";
/// The child's exit code after its body returned.
const SURVIVED: i32 = 77;

unsafe extern "C" {
    /// The C library's, which calls what is registered for the end of the process. Rust's own does
    /// not on Windows.
    safe fn exit(code: i32) -> !;
}

/// How a child ended.
#[derive(Debug)]
pub struct Ending {
    status: ExitStatus,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Ending {
    /// Whether the body ran to its end.
    pub fn survived(&self) -> bool {
        self.status.code() == Some(SURVIVED)
    }

    /// Whether the process was ended on purpose for corruption: aborted, or with a status of that
    /// meaning.
    pub fn was_terminated(&self) -> bool {
        system::was_terminated(self.status)
    }

    /// Whether the process died of touching memory it may not touch.
    pub fn was_access_violation(&self) -> bool {
        system::was_access_violation(self.status)
    }
}

/// Runs `body` in a child process and says how that ended. `test` is the calling test's name.
///
/// # Panics
/// When the child does not run `body` at all.
pub fn run(test: &str, body: impl FnOnce()) -> Ending {
    run_with(test, &[], body)
}

/// As [`run`], with more in the child's environment.
pub fn run_with(test: &str, environment: &[(&str, &str)], body: impl FnOnce()) -> Ending {
    if env::var_os(CHILD).is_some() {
        body();
        exit(SURVIVED);
    }
    let binary = env::current_exe().expect("the test knows its own path");
    let mut words: Vec<OsString> = env::var(RUNNER)
        .map(|runner| runner.split_whitespace().map(OsString::from).collect())
        .unwrap_or_default();
    words.push(binary.into());
    let output = Command::new(&words[0])
        .args(&words[1..])
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .envs(environment.iter().copied())
        .output()
        .expect("the child starts");
    let ending = Ending {
        status: output.status,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    };
    assert_ne!(ending.status.code(), Some(0), "no test is named {test}");
    assert_ne!(
        ending.status.code(),
        Some(101),
        "the child's body panicked:\n{}",
        ending.stderr
    );
    ending
}

/// Asserts that `body` ends its process for corruption.
#[track_caller]
pub fn assert_terminates(test: &str, body: impl FnOnce()) -> Ending {
    let ending = run(test, body);
    assert!(ending.was_terminated(), "not terminated: {ending:?}");
    ending
}

#[cfg(unix)]
mod system {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    const SIGABRT: i32 = 6;
    const SIGSEGV: i32 = 11;
    const SIGBUS: i32 = if cfg!(target_vendor = "apple") { 10 } else { 7 };

    pub(super) fn was_terminated(status: ExitStatus) -> bool {
        status.signal() == Some(SIGABRT)
    }

    pub(super) fn was_access_violation(status: ExitStatus) -> bool {
        matches!(status.signal(), Some(SIGSEGV | SIGBUS))
    }
}

#[cfg(windows)]
mod system {
    use std::process::ExitStatus;

    const STATUS_ACCESS_VIOLATION: i32 = 0xC000_0005u32 as i32;
    const STATUS_HEAP_CORRUPTION: i32 = 0xC000_0374u32 as i32;
    const STATUS_STACK_BUFFER_OVERRUN: i32 = 0xC000_0409u32 as i32;

    pub(super) fn was_terminated(status: ExitStatus) -> bool {
        // The last one is what every fast-fail reports, whatever its reason.
        matches!(
            status.code(),
            Some(STATUS_HEAP_CORRUPTION | STATUS_STACK_BUFFER_OVERRUN)
        )
    }

    pub(super) fn was_access_violation(status: ExitStatus) -> bool {
        status.code() == Some(STATUS_ACCESS_VIOLATION)
    }
}
