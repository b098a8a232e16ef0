//! The malloc family as C, POSIX and the users of glibc know it, and its answer to misuse.

// A library watched by a sanitizer needs its runtime, which a C program has not; and the C compiler makes
// programs for this machine, not for an emulated one.
#![cfg(all(target_os = "linux", not(any(asan, tsan, emulated))))]

#[path = "../programs/malloc/mod.rs"]
mod programs;

use std::os::unix::process::ExitStatusExt;

use programs::{compile, describe, preloaded, succeed};

const NO_FLAGS: &[&str] = &[];
const SIGABRT: i32 = 6;

#[test]
fn every_call_does_what_c_says() {
    let program = compile("family", &["family.c"], NO_FLAGS);
    assert_eq!(succeed(&mut preloaded(&program)).trim(), "as C says");
}

/// Rows A1, A3, A7, A11, B1, B3, B7, B8, B10, B12, B13, B14, C11 and K3 of the misuse catalogue,
/// with termination on corruption as the library always has it.
#[test]
fn every_misuse_ends_the_process_with_a_report() {
    let program = compile("crimes", &["crimes.c"], NO_FLAGS);
    assert_eq!(succeed(preloaded(&program).arg("none")).trim(), "innocent");
    for crime in [
        "double_free",
        "double_free_across_threads",
        "double_free_of_large",
        "free_of_stack",
        "free_of_static",
        "free_inside",
        "free_misaligned",
        "free_of_mapping",
        "free_of_unmapped",
        "free_of_non_canonical",
        "realloc_of_stack",
        "realloc_of_freed",
        "size_of_static",
        "header_overwritten",
    ] {
        let output = preloaded(&program).arg(crime).output().unwrap();
        let report = String::from_utf8_lossy(&output.stderr);
        let end = describe(&output);
        assert_eq!(
            output.status.signal(),
            Some(SIGABRT),
            "{crime}: {end}\n{report}"
        );
        assert!(output.stdout.is_empty(), "{crime}: the misuse was survived");
        assert!(report.contains("heap"), "{crime}: no report but {report:?}");
    }
}
