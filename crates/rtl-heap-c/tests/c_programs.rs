//! C and C++ programs built with the headers and the pkg-config file, linked with the static and
//! the dynamic library, and run. They check themselves; the programs lie in `tests/c`.
// A library watched by a sanitizer needs its runtime, which a C program has not; and the C compiler makes
// programs for this machine, not for an emulated one.
#![cfg(all(unix, not(any(asan, tsan, emulated))))]

use std::env;
use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

const SIGABRT: i32 = 6;

#[derive(Clone, Copy, PartialEq)]
enum Link {
    Dynamic,
    Static,
}

/// An installed library: `include`, `lib` and `lib/pkgconfig` in one folder, made once a run.
fn installation() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        let prefix = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("rtlheap-{}", names()));
        // What an earlier run left, or nothing.
        let _ = fs::remove_dir_all(&prefix);
        for folder in ["include/rtlheap", "lib/pkgconfig"] {
            fs::create_dir_all(prefix.join(folder)).expect("cargo's folder is writable");
        }
        for header in [
            "rtlheap.h",
            "heapapi.h",
            "rtlheap/memory.h",
            "rtlheap/types.h",
        ] {
            let to = prefix.join("include").join(header);
            fs::copy(package.join("include").join(header), to).expect("a header");
        }
        let built = env::current_exe().expect("a running program has a path");
        let built = built.parent().expect("which lies in a folder");
        let dynamic = format!("{DLL_PREFIX}rtlheap{DLL_SUFFIX}");
        for library in [dynamic.as_str(), "librtlheap.a"] {
            fs::copy(built.join(library), prefix.join("lib").join(library)).expect(library);
        }
        // The name the library is loaded by.
        let loaded = if DLL_SUFFIX == ".so" {
            "librtlheap.so.0"
        } else {
            "librtlheap.0.dylib"
        };
        symlink(dynamic, prefix.join("lib").join(loaded)).expect("a symbolic link");
        let template = fs::read_to_string(package.join("rtlheap.pc.in")).expect("the template");
        let filled = template
            .replace("@prefix@", prefix.to_str().expect("a path in UTF-8"))
            .replace("@libdir@", "${prefix}/lib")
            .replace("@version@", env!("CARGO_PKG_VERSION"))
            .replace("@libs_private@", "-lpthread -ldl -lm");
        assert!(
            !filled.contains('@'),
            "a placeholder nobody fills: {filled}"
        );
        fs::write(prefix.join("lib/pkgconfig/rtlheap.pc"), filled).expect("writable");
        prefix
    })
}

/// Which names this build of the library exports.
fn names() -> &'static str {
    if cfg!(feature = "nt-names") {
        "nt-names"
    } else {
        "prefixed"
    }
}

fn pkg_config(arguments: &[&str]) -> Vec<String> {
    let output = Command::new("pkg-config")
        .env("PKG_CONFIG_PATH", installation().join("lib/pkgconfig"))
        .args(arguments)
        .arg("rtlheap")
        .output()
        .expect("pkg-config is installed");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).expect("options in UTF-8");
    text.split_whitespace().map(str::to_owned).collect()
}

/// Builds `tests/c/<source>` with `options` of the compiler and runs it.
fn build_and_run(source: &str, link: Link, options: &[&str]) -> Output {
    let language = options.iter().any(|option| option.contains("c++"));
    let (variable, default) = if language {
        ("CXX", "c++")
    } else {
        ("CC", "cc")
    };
    let compiler = env::var(variable).unwrap_or_else(|_| default.to_owned());
    let label: String = options
        .concat()
        .chars()
        .filter(|c| c.is_alphanumeric())
        .collect();
    let kind = if link == Link::Static {
        "static"
    } else {
        "dynamic"
    };
    let program = installation().join(format!("{source}-{kind}-{label}"));
    let lib = installation().join("lib");

    let mut command = Command::new(&compiler);
    command
        .args(["-Wall", "-Wextra", "-Werror", "-g", "-o"])
        .arg(&program)
        .args(options);
    if cfg!(target_pointer_width = "32") {
        command.arg("-m32");
    }
    command.arg(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/c")
            .join(source),
    );
    // A language given for the source does not hold for the library.
    command.arg("-xnone").args(pkg_config(&["--cflags"]));
    match link {
        Link::Dynamic => {
            command.args(pkg_config(&["--libs"]));
            command.arg(format!("-Wl,-rpath,{}", lib.display()));
        }
        Link::Static => {
            command.arg(lib.join("librtlheap.a"));
            let system = pkg_config(&["--libs", "--static"]);
            command.args(system.iter().filter(|option| *option != "-lrtlheap"));
            command.arg("-lgcc_s");
        }
    }
    let built = command.output().expect("a C compiler is installed");
    assert!(
        built.status.success(),
        "{source}: {}",
        String::from_utf8_lossy(&built.stderr)
    );
    Command::new(&program)
        .output()
        .expect("what was just built")
}

fn passes(source: &str, link: Link, options: &[&str]) {
    let output = build_and_run(source, link, options);
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{source} {options:?}: {:?}\n{text}{errors}",
        output.status
    );
    assert!(text.ends_with("passed\n"), "{source} {options:?}: {text}");
}

/// Without NT names in the library a program asks the headers to map them.
fn naming() -> &'static str {
    if cfg!(feature = "nt-names") {
        "-DRTLHEAP_STATIC"
    } else {
        "-DRTLHEAP_PREFIXED"
    }
}

#[test]
fn a_windows_program_in_c_needs_no_change() {
    passes(
        "heapapi.c",
        Link::Dynamic,
        &["-std=c99", "-pedantic", naming()],
    );
    passes("heapapi.c", Link::Static, &["-std=c11", naming()]);
}

#[test]
#[cfg_attr(target_pointer_width = "32", ignore = "needs a C++ library for 32-bit")]
fn the_same_program_is_one_in_cpp() {
    passes(
        "heapapi.c",
        Link::Dynamic,
        &["-xc++", "-std=c++11", "-pedantic", naming()],
    );
    passes(
        "heapapi.c",
        Link::Dynamic,
        &["-xc++", "-std=c++20", naming()],
    );
}

#[test]
fn the_whole_header_works_with_the_dynamic_library() {
    passes(
        "rtlheap.c",
        Link::Dynamic,
        &["-std=c99", "-pedantic", naming()],
    );
}

#[test]
fn the_whole_header_works_with_the_static_library() {
    passes("rtlheap.c", Link::Static, &["-std=c11", naming()]);
}

#[test]
fn a_program_with_local_and_global_memory_needs_no_change() {
    for options in [
        &["-std=c99", "-pedantic", naming()][..],
        &["-xc++", "-std=c++11", "-pedantic", naming()],
        &["-std=c99", "-DRTLHEAP_PREFIXED"],
    ] {
        passes("memory.c", Link::Dynamic, options);
    }
    passes("memory.c", Link::Static, &["-std=c11", naming()]);
}

#[test]
fn prefixed_names_are_always_there() {
    passes(
        "rtlheap.c",
        Link::Dynamic,
        &["-std=c99", "-DRTLHEAP_PREFIXED"],
    );
    passes(
        "heapapi.c",
        Link::Static,
        &["-std=c99", "-DRTLHEAP_PREFIXED"],
    );
}

#[test]
fn a_program_with_nt_names_of_its_own_links_with_the_dynamic_library() {
    passes("own_names.c", Link::Dynamic, &["-std=c99"]);
}

#[cfg(not(feature = "nt-names"))]
#[test]
fn a_program_with_nt_names_of_its_own_links_with_the_static_library() {
    passes("own_names.c", Link::Static, &["-std=c99"]);
}

#[test]
fn memory_comes_from_the_operations_of_the_program() {
    passes("vm_operations.c", Link::Dynamic, &["-std=gnu99", naming()]);
}

#[test]
fn the_library_stays_when_it_is_closed() {
    let library = installation()
        .join("lib")
        .join(format!("{DLL_PREFIX}rtlheap{DLL_SUFFIX}"));
    let define = format!("-DLIBRARY=\"{}\"", library.display());
    // Linked with none of its names used; what it calls, it finds with dlsym.
    passes(
        "unload.c",
        Link::Dynamic,
        &["-std=gnu99", "-pthread", "-Wl,--as-needed", &define],
    );
}

#[test]
#[cfg_attr(target_pointer_width = "32", ignore = "needs a C++ library for 32-bit")]
fn an_exception_of_cpp_passes_through_the_library() {
    passes(
        "raise.cpp",
        Link::Dynamic,
        &["-xc++", "-std=c++11", naming()],
    );
    passes(
        "raise.cpp",
        Link::Static,
        &["-xc++", "-std=c++17", naming()],
    );
}

#[test]
fn an_exception_nobody_raises_ends_the_process_with_a_report() {
    let output = build_and_run("abort.c", Link::Dynamic, &[naming()]);
    assert_eq!(output.status.signal(), Some(SIGABRT), "{output:?}");
    let report = String::from_utf8_lossy(&output.stderr);
    assert!(report.contains("HEAP_GENERATE_EXCEPTIONS"), "{report}");
    assert!(report.contains("rtlheap_set_raise_routine"), "{report}");
}

#[test]
fn with_termination_on_a_double_free_is_the_end() {
    let output = build_and_run("termination.c", Link::Dynamic, &[naming()]);
    assert_eq!(output.status.signal(), Some(SIGABRT), "{output:?}");
    let report = String::from_utf8_lossy(&output.stderr);
    assert!(report.contains("handler: kind"), "{report}");
}
