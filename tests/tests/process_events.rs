//! The heap under what happens to processes: no address space, fork, short threads, first and last
//! calls, loading and unloading. Lines R5 to R8 and R13 of the reliability contract, rows J4 and
//! J12 of the misuse catalogue.

// A library watched by a sanitizer needs its runtime, which a C program has not; and the C compiler makes
// programs for this machine, not for an emulated one.
#![cfg(all(target_os = "linux", not(any(asan, tsan, emulated))))]

#[path = "../programs/malloc/mod.rs"]
mod programs;

use std::process::Command;

use programs::{beside_test, compile, library, preloaded, succeed};

const NO_FLAGS: &[&str] = &[];

/// R5, I7. The levels span a heap's first segment to more than the machine has.
#[test]
fn nine_levels_of_address_space_are_used_up_and_had_again() {
    const MIB: u64 = 1 << 10;
    let levels_kib = [24, 48, 96, 192, 384, 768, 1536, 3072, 12288].map(|level| level * MIB);
    let program = compile("limited", &["limited.c"], NO_FLAGS);
    // A limit that a 32-bit program cannot reach limits nothing.
    let reachable = if cfg!(target_pointer_width = "32") {
        2048 * MIB
    } else {
        u64::MAX
    };
    for level in levels_kib.into_iter().filter(|level| *level <= reachable) {
        let mut command = Command::new("sh");
        command.args(["-c", r#"ulimit -v "$1"; LD_PRELOAD="$2" exec "$3""#, "sh"]);
        command.arg(level.to_string()).arg(library()).arg(&program);
        let got: u64 = succeed(&mut command).trim().parse().unwrap();
        // The program, its libraries and the heap's own records have to live there too.
        let level = level << 10;
        assert!(
            got < level,
            "{got} bytes out of {level}: the limit was not in force"
        );
        assert!(got > level / 4, "only {got} bytes out of {level}");
    }
}

/// R6.
#[test]
fn at_start_at_most_a_mebibyte_is_reserved() {
    let program = compile("reserved", &["reserved.c"], NO_FLAGS);
    let measure = |command: &mut Command| succeed(command).trim().parse::<i64>().unwrap();
    let without = measure(&mut Command::new(&program));
    let with = measure(&mut preloaded(&program));
    assert!(with > without, "the library was not there");
    assert!(
        with - without <= 1 << 20,
        "{} bytes more than without",
        with - without
    );
}

/// R7, J1, J2.
#[test]
fn a_thousand_forks_under_four_busy_threads() {
    let program = compile("forks", &["forks.c"], NO_FLAGS);
    assert_eq!(succeed(&mut preloaded(&program)).trim(), "1000");
}

/// R7 for the heaps of the C interface.
#[test]
fn forks_while_private_heaps_and_the_process_heap_are_busy() {
    let program = compile("heap_forks", &["heap_forks.c"], &c_interface());
    assert_eq!(succeed(&mut Command::new(&program)).trim(), "300");
}

/// R8, J9, J10, J11.
#[test]
fn eight_thousand_threads_leave_nothing_behind() {
    let program = compile("threads", &["threads.c"], NO_FLAGS);
    let pages = succeed(&mut preloaded(&program));
    let (quarter, end) = pages.trim().split_once(' ').unwrap();
    let (quarter, end): (u64, u64) = (quarter.parse().unwrap(), end.parse().unwrap());
    assert!(
        end * 10 <= quarter * 11,
        "{quarter} pages after a quarter, {end} at the end"
    );
}

/// R13, J12, K1.
#[test]
fn first_calls_before_main_and_last_calls_after_exit() {
    let shared = ["-shared", "-fPIC"];
    let linked = compile("libearly.so", &["early_library.c"], &shared);
    let opened = compile("libopened.so", &["early_library.c"], &shared);
    let program = compile(
        "early",
        &["early.c"],
        &["-Wl,--no-as-needed".as_ref(), linked.as_os_str()],
    );
    let stages = succeed(preloaded(&program).arg(&opened));
    assert_eq!(
        stages.lines().collect::<Vec<_>>(),
        [
            "preinit",
            "library constructor",
            "constructor",
            "main",
            "library constructor",
            "atexit",
            "destructor",
            "library destructor",
            "library destructor",
        ]
    );
}

/// R13, J13, J14.
#[test]
fn the_library_stays_when_it_is_let_go() {
    let program = compile("reload", &["reload.c"], NO_FLAGS);
    assert_eq!(
        succeed(Command::new(&program).arg(library())).trim(),
        "still there"
    );
}

/// J4.
#[test]
fn a_held_heap_lock_is_held_in_the_child_too() {
    let program = compile("held_lock", &["held_lock.c"], &c_interface());
    assert_eq!(succeed(&mut Command::new(&program)).trim(), "held");
}

/// R7, J4: a heap's lock that one thread alone has taken so far, and another is about to.
#[test]
fn forks_while_a_second_thread_waits_for_the_first_ones_lock() {
    let program = compile("waited_lock", &["waited_lock.c"], &c_interface());
    assert_eq!(succeed(&mut Command::new(&program)).trim(), "40");
}

/// What compiles a program against the C interface.
fn c_interface() -> [String; 3] {
    let include =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/rtl-heap-c/include");
    [
        format!("-I{}", include.display()),
        beside_test("librtlheap.a").display().to_string(),
        "-lm".to_owned(),
    ]
}
