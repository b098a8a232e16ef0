//! `ntheap run`: good programs keep what they say and how they end, bad ones are told why.

#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

fn ntheap() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ntheap"));
    command.arg("run");
    command
}

fn run(arguments: &[&str]) -> Output {
    ntheap().arg("--").args(arguments).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The output is one of a refusal, with this status, which names each of these.
#[track_caller]
fn assert_refused(output: &Output, status: i32, words: &[&str]) {
    let said = stderr(output);
    assert_eq!(output.status.code(), Some(status), "{said}");
    for word in words {
        assert!(said.contains(word), "no {word:?} in {said}");
    }
    assert!(output.stdout.is_empty());
}

/// A program compiled from `source`.
fn compiled(folder: &TempDir, source: &str, flags: &[&str]) -> PathBuf {
    let program = folder.path().join("program");
    let file = folder.path().join("program.c");
    fs::write(&file, source).unwrap();
    let cc = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let done = Command::new(cc)
        .arg("-o")
        .arg(&program)
        .arg(file)
        .args(flags)
        .status();
    assert!(done.expect("a C compiler named cc").success());
    program
}

fn script(folder: &TempDir, text: &str, mode: u32) -> PathBuf {
    let path = folder.path().join("script");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    path
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Takes 3 blocks of 1000 bytes and frees one. Only on our heap is the usable size exact.
const THREE_BLOCKS: &str = r#"
    #include <malloc.h>
    #include <stdio.h>
    #include <stdlib.h>
    #include <string.h>
    int main(int count, char **arguments) {
        void *volatile one = malloc(1001), *volatile two = malloc(1001);
        void *volatile three = malloc(70000000);
        memset(one, 1, 1001); memset(two, 1, 1001); memset(three, 1, 70000000);
        printf("%zu %s\n", malloc_usable_size(two), count > 1 ? arguments[1] : "");
        free(three);
        return count > 2 ? atoi(arguments[2]) : 0;
    }"#;

#[test]
fn the_programs_output_and_status_are_kept_and_a_summary_follows() {
    let folder = TempDir::new().unwrap();
    let program = compiled(&folder, THREE_BLOCKS, &[]);
    let output = run(&[text(&program), "--quiet", "7"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "1001 --quiet\n");
    assert_eq!(output.status.code(), Some(7));
    let summary = stderr(&output);
    for words in [
        "program on an NT heap",
        "heaps           1\n",
        "at exit",
        "to 1 KiB",
        "to 128 MiB",
    ] {
        assert!(summary.contains(words), "no {words:?} in {summary}");
    }
    let peak = summary
        .lines()
        .find(|line| line.contains("peak live"))
        .unwrap();
    let peak: String = peak
        .chars()
        .take_while(|c| *c != '(')
        .filter(char::is_ascii_digit)
        .collect();
    let peak: u64 = peak.parse().unwrap();
    assert!((70_002_002..71_000_000).contains(&peak), "{summary}");
}

#[test]
fn quiet_adds_nothing() {
    let output = ntheap()
        .args(["--quiet", "--", "sh", "-c", "exit 42"])
        .output()
        .unwrap();
    assert_eq!(
        (output.status.code(), stderr(&output).as_str()),
        (Some(42), "")
    );
}

#[test]
fn the_summary_is_the_programs_and_not_its_childrens() {
    let folder = TempDir::new().unwrap();
    let program = compiled(
        &folder,
        r#"
        #include <stdlib.h>
        #include <sys/wait.h>
        #include <unistd.h>
        int main(int count, char **arguments) {
            if (count > 1) {
                if (fork() == 0) { free(malloc(50000000)); exit(0); }
                wait(NULL);
                if (fork() == 0) { execl(arguments[0], arguments[0], NULL); _exit(1); }
                wait(NULL);
                return malloc(100) == NULL;
            }
            return malloc(50000000) == NULL;
        }"#,
        &[],
    );
    let summary = stderr(&run(&[text(&program), "parent"]));
    assert!(!summary.contains("to 64 MiB"), "{summary}");
    let alone = stderr(&run(&[text(&program)]));
    assert!(alone.contains("to 64 MiB"), "{alone}");
}

#[test]
fn a_program_that_execs_another_is_summed_up_as_that() {
    let folder = TempDir::new().unwrap();
    let program = compiled(&folder, THREE_BLOCKS, &[]);
    let output = run(&["sh", "-c", "exec \"$0\" x 3", text(&program)]);
    assert_eq!(output.status.code(), Some(3));
    assert!(
        stderr(&output).contains("to 128 MiB"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_program_that_leaves_without_exit_handlers_is_seen_all_the_same() {
    let folder = TempDir::new().unwrap();
    let program = compiled(
        &folder,
        r#"
        #include <stdlib.h>
        #include <unistd.h>
        int main(void) {
            for (int i = 0; i < 3000; i++) if (!malloc(200)) return 1;
            _exit(0);
        }"#,
        &[],
    );
    let summary = stderr(&run(&[text(&program)]));
    assert!(summary.contains("when last seen"), "{summary}");
    assert!(summary.contains("to 256 B"), "{summary}");
}

#[test]
fn death_by_signal_is_reported_as_such() {
    let output = run(&["sh", "-c", "kill -SEGV $$"]);
    assert_eq!(output.status.code(), Some(128 + 11));
    assert!(
        stderr(&output).contains("sh was killed by signal 11 (SIGSEGV)"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_write_behind_a_block_is_reported_with_its_place_in_the_program() {
    let folder = TempDir::new().unwrap();
    let program = compiled(
        &folder,
        r#"#include <stdlib.h>
        #include <string.h>
        static void use(const char *text)
        {
            char *copy = malloc(strlen(text));
            strcpy(copy, text);
            free(copy);
        }
        int main(int count, char **texts) { use(texts[count - 1]); }"#,
        // As distributions build: without frame pointers.
        &["-O2", "-fomit-frame-pointer", "-fno-builtin", "-w"],
    );
    let output = run(&[text(&program), "hello, heap"]);
    assert_eq!(output.status.code(), Some(128 + 6));
    let report = stderr(&output);
    assert!(report.contains("the bytes behind a block"), "{report}");
    let stack = report.lines().find(|line| line.contains("called from"));
    let stack = stack.unwrap_or_default();
    let name = program.file_name().unwrap().to_string_lossy();
    assert!(stack.contains("librtlheap_malloc.so+0x"), "{report}");
    assert!(stack.contains(&format!(" {name}+0x")), "{report}");
}

#[test]
fn a_library_that_was_preloaded_before_still_is() {
    let folder = TempDir::new().unwrap();
    let other = compiled(
        &folder,
        "#include <unistd.h>\n__attribute__((constructor)) static void hello(void)\
         { (void)!write(1, \"other\\n\", 6); }",
        &["-shared", "-fPIC"],
    );
    // It is preloaded into ntheap too, and says so there first.
    let output = ntheap()
        .env("LD_PRELOAD", &other)
        .args(["-q", "true"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "other\nother\n");
    assert_eq!(stderr(&output), "");
}

#[test]
fn scripts_run_by_their_interpreter() {
    let folder = TempDir::new().unwrap();
    let output = run(&[text(&script(
        &folder,
        "#!/bin/sh\necho \"in $0\"\nexit 5\n",
        0o755,
    ))]);
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("in "));
    assert_eq!(output.status.code(), Some(5));
}

#[test]
fn what_is_missing_is_not_found() {
    assert_refused(
        &run(&["no-such-program-anywhere"]),
        127,
        &["no-such-program-anywhere", "PATH"],
    );
    assert_refused(
        &run(&["/no/such/program"]),
        127,
        &["/no/such/program", "no such program"],
    );
    assert_refused(&run(&[""]), 127, &["no such program"]);
}

#[test]
fn what_is_not_executable_says_what_it_is() {
    let folder = TempDir::new().unwrap();
    assert_refused(&run(&["/"]), 126, &["directory"]);
    let plain = script(&folder, "echo hello\n", 0o644);
    assert_refused(&run(&[text(&plain)]), 126, &["not executable", "chmod +x"]);
    let unmarked = script(&folder, "echo hello\n", 0o755);
    assert_refused(
        &run(&[text(&unmarked)]),
        126,
        &["neither machine code nor a script", "#!/bin/sh"],
    );
    let orphan = script(&folder, "#!/no/such/interpreter\n", 0o755);
    assert_refused(
        &run(&[text(&orphan)]),
        126,
        &["/no/such/interpreter", "missing"],
    );
}

#[test]
fn a_static_program_is_refused() {
    let folder = TempDir::new().unwrap();
    let program = compiled(&folder, "int main(void) { return 0; }", &["-static"]);
    assert_refused(
        &run(&[text(&program)]),
        126,
        &["statically linked", "librtlheap.a"],
    );
    let wrapped = script(&folder, &format!("#!{}\n", text(&program)), 0o755);
    assert_refused(&run(&[text(&wrapped)]), 126, &["statically linked"]);
}

#[test]
fn a_shared_library_is_no_program() {
    let folder = TempDir::new().unwrap();
    let library = compiled(&folder, "int answer = 42;", &["-shared", "-fPIC"]);
    assert_refused(&run(&[text(&library)]), 126, &["is a shared library"]);
}

#[test]
fn a_program_for_another_machine_is_refused() {
    let folder = TempDir::new().unwrap();
    let program = compiled(&folder, "int main(void) { return 0; }", &[]);
    let mut bytes = fs::read(&program).unwrap();
    // e_machine: RISC-V, whatever this machine is (a RISC-V one is told of x86-64).
    let machine = if bytes[18] == 243 { 62 } else { 243 };
    bytes[18..20].copy_from_slice(&u16::to_le_bytes(machine));
    fs::write(&program, bytes).unwrap();
    assert_refused(
        &run(&[text(&program)]),
        126,
        &["is a program for", "--target"],
    );
}

#[test]
fn a_program_for_another_c_library_is_refused() {
    let folder = TempDir::new().unwrap();
    let program = compiled(
        &folder,
        "int main(void) { return 0; }",
        &["-Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1"],
    );
    assert_refused(&run(&[text(&program)]), 126, &["musl", "GNU C library"]);
}

#[test]
fn a_set_user_id_program_is_refused() {
    let folder = TempDir::new().unwrap();
    let program = compiled(&folder, "int main(void) { return 0; }", &[]);
    let nobody = 65534;
    if std::os::unix::fs::chown(&program, Some(nobody), Some(nobody)).is_err() {
        // Only root can give a file away; the system's own is for everybody else.
        let Some(own) = ["/usr/bin/su", "/bin/su"]
            .into_iter()
            .find(|path| Path::new(path).exists())
        else {
            return;
        };
        return assert_refused(&run(&[own]), 126, &["set-user-ID"]);
    }
    fs::set_permissions(&program, fs::Permissions::from_mode(0o4755)).unwrap();
    assert_refused(
        &run(&[text(&program)]),
        126,
        &["set-user-ID", "preloads nothing"],
    );
    fs::set_permissions(&program, fs::Permissions::from_mode(0o2755)).unwrap();
    assert_refused(&run(&[text(&program)]), 126, &["set-group-ID"]);
}

#[test]
fn a_library_that_is_none_is_refused() {
    let with = |library: &str| {
        ntheap()
            .args(["--library", library, "true"])
            .output()
            .unwrap()
    };
    assert_refused(&with("/no/such/library.so"), 125, &["/no/such/library.so"]);
    assert_refused(&with("/proc/self/exe"), 125, &["it is a program"]);
    assert_refused(&with("/etc/passwd"), 125, &["neither machine code"]);
}

#[test]
fn a_temporary_folder_whose_name_the_loader_would_split_is_refused() {
    let folder = TempDir::new().unwrap();
    let split = folder.path().join("with space");
    fs::create_dir(&split).unwrap();
    let output = ntheap().env("TMPDIR", &split).arg("true").output().unwrap();
    assert_refused(&output, 125, &["space", "TMPDIR"]);
    assert_eq!(fs::read_dir(&split).unwrap().count(), 0);
}
