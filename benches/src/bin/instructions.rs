//! How many instructions the hot paths take, counted by callgrind.
//!
//! `instructions` counts and compares with `benches/instructions.txt`: more than 3 % more is a
//! failure. `instructions --write` writes that file. Counts do not depend on how busy the machine
//! is, but on compiler and architecture, which the file names. `instructions --annotate OPERATION`
//! keeps callgrind's profile for `callgrind_annotate`.

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    counted::main()
}

#[cfg(not(unix))]
fn main() {
    println!("valgrind runs on Unix only");
}

#[cfg(unix)]
mod counted {
    use std::env;
    use std::fs;
    use std::hint::black_box;
    use std::path::{Path, PathBuf};
    use std::process::{Command, ExitCode};

    use rtl_heap_benches::contestants::{Allocator, Malloc, NtHeap};
    use rtl_heap_benches::library::{self, Calls, NO_SERIALIZE};

    /// Growth up to this part of a count is let pass.
    const TOLERANCE: f64 = 0.03;
    /// An operation is repeated this often in the short and in the long run; the difference is
    /// free of what starting the program costs.
    const REPETITIONS: (u64, u64) = (1_000, 3_000);

    type Operation = fn(&Calls, u64);

    const OPERATIONS: &[(&str, Operation)] = &[
        ("two calls of an empty function", |_, count| {
            pairs(&Nothing, count);
        }),
        ("alloc+free 64 B, no_serialize", |calls, count| {
            pairs(&NtHeap::create(calls, NO_SERIALIZE), count);
        }),
        ("alloc+free 64 B, serialised", |calls, count| {
            pairs(&NtHeap::create(calls, 0), count);
        }),
        ("alloc+free 64 B, libc", |_, count| {
            pairs(&Malloc(library::libc_calls()), count);
        }),
        ("alloc two, free two, 64 B, no_serialize", |calls, count| {
            merging(&NtHeap::create(calls, NO_SERIALIZE), count);
        }),
        ("size, no_serialize", |calls, count| {
            sizes(&NtHeap::create(calls, NO_SERIALIZE), count);
        }),
        ("size, serialised", |calls, count| {
            sizes(&NtHeap::create(calls, 0), count);
        }),
        ("size, libc", |_, count| {
            sizes(&Malloc(library::libc_calls()), count);
        }),
        ("create+destroy, no_serialize", |calls, count| {
            for _ in 0..count {
                drop(black_box(NtHeap::create(calls, NO_SERIALIZE)));
            }
        }),
        ("create+destroy, serialised", |calls, count| {
            for _ in 0..count {
                drop(black_box(NtHeap::create(calls, 0)));
            }
        }),
    ];

    /// Does nothing, to show what the loop itself costs.
    struct Nothing;

    impl Allocator for Nothing {
        #[inline(never)]
        fn allocate(&self, _size: usize) -> *mut u8 {
            black_box(std::ptr::null_mut())
        }
        #[inline(never)]
        unsafe fn reallocate(&self, block: *mut u8, _size: usize) -> *mut u8 {
            black_box(block)
        }
        #[inline(never)]
        unsafe fn free(&self, block: *mut u8) {
            black_box(block);
        }
        #[inline(never)]
        unsafe fn size(&self, _block: *mut u8) -> usize {
            black_box(0)
        }
    }

    fn pairs(allocator: &impl Allocator, count: u64) {
        for _ in 0..count {
            let block = black_box(allocator.allocate(64));
            // SAFETY: (1) it is ours.
            unsafe { allocator.free(block) };
        }
    }

    /// Two neighbours live and die, so that the second free merges both ways.
    fn merging(allocator: &impl Allocator, count: u64) {
        for _ in 0..count {
            let blocks = [(); 2].map(|()| black_box(allocator.allocate(64)));
            for block in blocks {
                // SAFETY: (1) it is ours.
                unsafe { allocator.free(block) };
            }
        }
    }

    fn sizes(allocator: &impl Allocator, count: u64) {
        let block = allocator.allocate(64);
        for _ in 0..count {
            // SAFETY: (1) it is ours.
            black_box(unsafe { allocator.size(block) });
        }
        // SAFETY: (1) it is ours.
        unsafe { allocator.free(block) };
    }

    pub fn main() -> ExitCode {
        let arguments: Vec<String> = env::args().skip(1).collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        match arguments[..] {
            ["drive", name, count] => {
                let calls = library::open();
                operation(name)(&calls, count.parse().expect("a count"));
                ExitCode::SUCCESS
            }
            ["--annotate", name] => {
                let profile = env::temp_dir().join("rtl-heap.callgrind");
                count(name, REPETITIONS.1, &profile);
                println!("callgrind_annotate --auto=yes {}", profile.display());
                ExitCode::SUCCESS
            }
            ["--write"] => {
                let counts = measure();
                fs::write(file(), table(&counts)).expect("the package's folder is writable");
                ExitCode::SUCCESS
            }
            [] => compare(&measure()),
            _ => {
                eprintln!("usage: instructions [--write | --annotate OPERATION]");
                ExitCode::from(2)
            }
        }
    }

    fn operation(name: &str) -> Operation {
        let found = OPERATIONS.iter().find(|(known, _)| *known == name);
        found.unwrap_or_else(|| panic!("no operation {name:?}")).1
    }

    fn measure() -> Vec<(&'static str, f64)> {
        let nowhere = Path::new("/dev/null");
        let measured = OPERATIONS.iter().map(|(name, _)| {
            let (short, long) = REPETITIONS;
            let difference = count(name, long, nowhere) - count(name, short, nowhere);
            let each = difference as f64 / (long - short) as f64;
            println!("{}", line(name, each));
            (*name, each)
        });
        measured.collect()
    }

    /// Instructions of a run of this program that repeats one operation.
    fn count(name: &str, repetitions: u64, profile: &Path) -> i64 {
        let program = env::current_exe().expect("a program has a path");
        let output = Command::new("valgrind")
            .arg("--tool=callgrind")
            .arg(format!("--callgrind-out-file={}", profile.display()))
            .arg(program)
            .args(["drive", name, &repetitions.to_string()])
            .output()
            .expect("valgrind is installed");
        let text = String::from_utf8_lossy(&output.stderr);
        let collected = text
            .lines()
            .find_map(|line| line.split_once("Collected : "));
        let (_, collected) = collected.unwrap_or_else(|| panic!("valgrind failed:\n{text}"));
        collected.trim().parse().expect("a count")
    }

    fn line(name: &str, each: f64) -> String {
        format!("{name:42}{each:10.1}")
    }

    fn table(counts: &[(&str, f64)]) -> String {
        let mut text = format!(
            "# Instructions of one operation, through the C ABI, counted by callgrind.\n\
             # Written by `cargo run --release -p rtl-heap-benches --bin instructions -- --write`\n\
             # on {} with {}.\n",
            env::consts::ARCH,
            compiler(),
        );
        for (name, each) in counts {
            text += &line(name, *each);
            text.push('\n');
        }
        text
    }

    fn compiler() -> String {
        let output = Command::new("rustc").arg("--version").output();
        let version = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        // "rustc 1.95.0 (hash date)": the number says enough.
        let words = version.unwrap_or_default();
        words
            .split_whitespace()
            .take(2)
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn file() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("instructions.txt")
    }

    fn compare(counts: &[(&str, f64)]) -> ExitCode {
        let known = fs::read_to_string(file()).expect("instructions.txt: write it first");
        let before = |name: &str| -> Option<f64> {
            let line = known.lines().find(|line| line.starts_with(name))?;
            line[name.len()..].trim().parse().ok()
        };
        let mut verdict = ExitCode::SUCCESS;
        for (name, each) in counts.iter().filter(|(name, _)| !name.ends_with("libc")) {
            match before(name) {
                None => println!("{name}: not in instructions.txt"),
                Some(before) if *each > before * (1.0 + TOLERANCE) => {
                    println!("{name}: {each:.1} instructions, were {before:.1}");
                    verdict = ExitCode::FAILURE;
                }
                Some(_) => {}
            }
        }
        verdict
    }
}
