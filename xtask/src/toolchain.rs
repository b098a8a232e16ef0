//! Every fact about compilers, targets, packages and tools that the gates rest on, in one place.
//!
//! Two Rust toolchains do the work. The machine's own (rustup's stable) builds and tests natively.
//! Anything that needs the standard library built from source (other targets, instrumented builds)
//! uses Debian's `rustc-web`, because `-Zbuild-std` wants library sources of exactly the compiler's
//! version and Debian ships both.

/// Variables that `cargo run` (through rustup) sets for xtask and that would steer the tools it
/// calls.
pub const SET_BY_CARGO_RUN: &[&str] = &["CARGO", "LD_LIBRARY_PATH", "RUSTUP_TOOLCHAIN"];

/// The machine the gates run on.
pub const HOST: &str = "x86_64-unknown-linux-gnu";

/// Windows on x86-64. The `win7` targets, because Wine 8 lacks what std's Windows 10 targets
/// import.
pub const WIN64: &str = "x86_64-win7-windows-gnu";
/// Windows on x86. Debian's mingw for i686 unwinds by DWARF, as rustc's target does.
pub const WIN32: &str = "i686-win7-windows-gnu";
/// Linux on x86.
pub const LIN32: &str = "i686-unknown-linux-gnu";
/// Linux on arm64.
pub const ARM64: &str = "aarch64-unknown-linux-gnu";
/// macOS.
pub const APPLE: &str = "aarch64-apple-darwin";

/// The crates that are meant to work on every target.
pub const PORTABLE_CRATES: &[&str] = &["rtl-platform", "rtl-heap", "rtl-heap-c", "rtl-heap-tests"];

/// Debian's compiler, and the tools that go with it; not whatever stands first in PATH.
pub const BUILD_STD_CARGO: &str = "/usr/bin/cargo";
/// See [`BUILD_STD_CARGO`].
pub const BUILD_STD_RUSTC: &str = "/usr/bin/rustc";
/// See [`BUILD_STD_CARGO`].
pub const BUILD_STD_RUSTDOC: &str = "/usr/bin/rustdoc";
/// See [`BUILD_STD_CARGO`]. Called by path: `cargo clippy` would find rustup's clippy first.
pub const BUILD_STD_CLIPPY: &str = "/usr/bin/cargo-clippy";

/// Debian packages, by what needs them. Debian's own cross compiler for arm64 is absent on purpose:
/// it conflicts with gcc-multilib, and apt resolves that by removing one of them; zig links arm64
/// and Apple instead.
pub const DEBIAN_PACKAGES: &[(&str, &[&str])] = &[
    (
        "std from source",
        &["cargo-web", "rust-web-clippy", "rust-web-src", "rustc-web"],
    ),
    (
        "Windows",
        &[
            "gcc-mingw-w64-i686",
            "gcc-mingw-w64-x86-64",
            "wine",
            "wine64",
        ],
    ),
    (
        "Windows on x86, in a root of its own",
        &["arch-test", "mmdebstrap"],
    ),
    ("Linux on x86", &["g++-12-multilib", "gcc-12-multilib"]),
    (
        "Linux on arm64",
        &["libc6-arm64-cross", "libgcc-s1-arm64-cross", "qemu-user"],
    ),
    ("memory errors", &["valgrind"]),
    ("installed package", &["g++", "gcc", "pkg-config"]),
    (
        "real programs",
        &["git", "libpython3.11-testsuite", "python3", "sqlite3"],
    ),
    ("peers to measure against", &["libjemalloc2"]),
    (
        "whole programs to measure",
        &["perl", "redis-server", "redis-tools", "ruby", "z3"],
    ),
    ("tools from PyPI", &["python3-venv"]),
];

/// Packages of the venv: linking by zig, and linting the workflows.
pub const PYPI_PACKAGES: &[&str] = &["cargo-zigbuild", "check-jsonschema", "ziglang", "zizmor"];

/// What the root for 32-bit Wine holds. It is a Debian of its own, because `dpkg --add-architecture
/// i386` would mix two architectures' indices, and one that lags behind breaks `apt-get update` for
/// both.
pub const WINE32_PACKAGES: &str = "wine32,wine";
/// The Debian release of that root.
pub const WINE32_SUITE: &str = "bookworm";

/// Wine without its debug output, without the offers to install a browser and a CLR, and without a
/// debugger that takes over a program that faults: some tests look at how such a program ends.
pub const WINE_ENVIRONMENT: &[(&str, &str)] = &[
    ("WINEDEBUG", "-all"),
    ("WINEDLLOVERRIDES", "mscoree,mshtml,winedbg.exe="),
    ("DISPLAY", ""),
];

/// Emulated and instrumented runs do fewer cases of each property.
pub const PROPTEST_CASES_ELSEWHERE: &str = "64";
/// valgrind is fifty times slower than the machine, miri more.
pub const PROPTEST_CASES_INTERPRETED: &str = "4";
/// The long run of the model: a case is 256 operations, so this is a million.
pub const PROPTEST_CASES_LONG: &str = "4000";

/// What a program that links the static library links besides: Rust's standard library asks for it.
pub const STATIC_LINK_LIBRARIES: &str = if cfg!(target_os = "macos") {
    "-liconv -lSystem -lc -lm"
} else {
    "-lgcc_s -lutil -lrt -lpthread -lm -ldl -lc"
};

/// Operations of the comparison with the system's own heap.
pub const DIFFERENTIAL_OPERATIONS: &str = "1000000";
/// How long each fuzz target runs.
pub const FUZZ_SECONDS: u32 = 20;
/// What makes stable Rust tell libFuzzer where a run went.
pub const FUZZ_RUSTFLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
     -Ccodegen-units=1 --cfg fuzzing";
/// Preemptions in an interleaving that loom looks at; the ordinary tests look at fewer.
pub const LOOM_PREEMPTIONS: &str = "5";
