//! How many instructions the hot paths take, counted by callgrind.
//!
//! `instructions` counts and compares with `benches/instructions.txt`: more than 3 % more is a
//! failure. `instructions --write` writes that file (`cargo xtask instructions --write` builds first). Counts do not depend on how busy the machine
//! is, but on compiler and architecture, which the file names. `instructions --annotate OPERATION`
//! keeps callgrind's profile for `callgrind_annotate`; `instructions --beside PEER` prints what one of
//! `RTLHEAP_PEERS` takes for the same.

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

    use rtl_heap_benches::micro::field;
    use rtl_heap_benches::micro::loops::{Order, Sizes, Steps};
    use rtl_heap_benches::micro::rows::{LIBC, OURS, OURS_MALLOC, OURS_UNSERIALIZED, Task};

    /// Who does an operation that is the loop alone.
    const NOBODY: &str = "nobody";

    /// Growth up to this part of a count is let pass.
    const TOLERANCE: f64 = 0.03;

    /// An operation, repeated in a short run and in one three times as long; the difference is free
    /// of what starting the program and warming up cost.
    struct Operation {
        name: &'static str,
        /// Who does it; [`NOBODY`], for the loop alone.
        who: &'static str,
        task: Task,
        short: u64,
    }

    const fn operation(name: &'static str, who: &'static str, task: Task) -> Operation {
        Operation {
            name,
            who,
            task,
            short: 1_000,
        }
    }

    const fn rare(mut operation: Operation) -> Operation {
        operation.short = 50;
        operation
    }

    /// Of a few thousand of these one decommit more or less is some per cent.
    const fn long(mut operation: Operation) -> Operation {
        operation.short = 20_000;
        operation
    }

    const fn pairs(size: usize) -> Task {
        Task::Pairs { size, live: 100 }
    }

    const fn growth(to: usize, steps: Steps) -> Task {
        Task::Growth { to, steps }
    }

    const LARGE: Task = Task::Pairs {
        size: 1 << 20,
        live: 2,
    };

    const LARGE_TOUCHED: Task = Task::TouchedPairs {
        size: 1 << 20,
        live: 2,
    };

    const CHURN: Task = Task::Churn {
        sizes: Sizes::Logarithmic(16, 32 << 10),
        live: 50_000,
    };

    const OPERATIONS: &[Operation] = &[
        Operation {
            name: "two calls of an empty function",
            who: NOBODY,
            task: pairs(64),
            short: 1_000,
        },
        operation("pair 64 B", OURS, pairs(64)),
        operation("pair 64 B, no_serialize", OURS_UNSERIALIZED, pairs(64)),
        operation("pair 64 B, malloc", OURS_MALLOC, pairs(64)),
        operation("pair 64 B, libc", LIBC, pairs(64)),
        operation("pair 1 KiB", OURS, pairs(1 << 10)),
        operation("pair 4 KiB", OURS, pairs(4 << 10)),
        operation("pair 64 KiB", OURS, pairs(64 << 10)),
        operation("pair 1 MiB", OURS, LARGE),
        rare(operation("pair 1 MiB, touched", OURS, LARGE_TOUCHED)),
        long(operation("churn, 16 B-32 KiB", OURS, CHURN)),
        operation(
            "1,000 of 64 B, random, a block",
            OURS,
            Task::Batches(Order::Random),
        ),
        operation("eight heaps in turn, pair", OURS, Task::InTurn { heaps: 8 }),
        operation("HeapSize", OURS, Task::Size),
        operation("HeapSize, no_serialize", OURS_UNSERIALIZED, Task::Size),
        operation("malloc_usable_size, libc", LIBC, Task::Size),
        operation("HeapValidate of a block", OURS, Task::Validate),
        rare(operation(
            "realloc +16 to 4 KiB",
            OURS,
            growth(4 << 10, Steps::Sixteen),
        )),
        rare(operation(
            "realloc x1.5 to 1 MiB",
            OURS,
            growth(1 << 20, Steps::Half),
        )),
        operation("create + destroy", OURS, Task::Create { blocks: 0 }),
        operation("create + 10 + destroy", OURS, Task::Create { blocks: 10 }),
        rare(operation(
            "create + 1,000 + destroy",
            OURS,
            Task::Create { blocks: 1_000 },
        )),
    ];

    /// Does nothing, to show what the loop itself costs.
    #[inline(never)]
    fn nothing(argument: usize) -> usize {
        black_box(argument)
    }

    pub fn main() -> ExitCode {
        let arguments: Vec<String> = env::args().skip(1).collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        match arguments[..] {
            ["drive", name, who, count] => drive(find(name), who, count.parse().expect("a count")),
            ["--annotate", name] => {
                let profile = env::temp_dir().join("rtl-heap.callgrind");
                let operation = find(name);
                count(operation, operation.who, operation.short * 3, &profile);
                println!("callgrind_annotate --auto=yes {}", profile.display());
                ExitCode::SUCCESS
            }
            ["--write"] => {
                let counts = measure();
                fs::write(file(), table(&counts)).expect("the package's folder is writable");
                ExitCode::SUCCESS
            }
            ["--beside", peer] => {
                beside(peer);
                ExitCode::SUCCESS
            }
            [] => compare(&measure()),
            _ => {
                eprintln!("usage: instructions [--write | --annotate OPERATION | --beside PEER]");
                ExitCode::from(2)
            }
        }
    }

    fn find(name: &str) -> &'static Operation {
        let found = OPERATIONS.iter().find(|operation| operation.name == name);
        found.unwrap_or_else(|| panic!("no operation {name:?}"))
    }

    /// What [`drive`] ends with where `who` has nothing that does the task.
    const CANNOT: u8 = 3;

    fn drive(operation: &Operation, who: &str, count: u64) -> ExitCode {
        if who == NOBODY {
            for _ in 0..count {
                nothing(nothing(64));
            }
            return ExitCode::SUCCESS;
        }
        let field = field::enter(&[who.to_owned()]);
        let contestant = field.iter().find(|contestant| contestant.name == who);
        match contestant.and_then(|contestant| contestant.work(operation.task)) {
            Some(mut work) => work(count),
            None => return ExitCode::from(CANNOT),
        };
        ExitCode::SUCCESS
    }

    fn measure() -> Vec<(&'static str, f64)> {
        let measured = OPERATIONS.iter().map(|operation| {
            let each = each(operation, operation.who);
            let each = each.expect("whoever is named is built and does the task");
            println!("{}", line(operation.name, each));
            (operation.name, each)
        });
        measured.collect()
    }

    /// Prints what a peer takes for our operations, beside what we do.
    fn beside(peer: &str) {
        println!("{:42}{:>10}{peer:>16}", "", "ours");
        for operation in OPERATIONS {
            if operation.who == OURS
                && let (Some(ours), Some(theirs)) = (each(operation, OURS), each(operation, peer))
            {
                println!("{}{theirs:16.1}", line(operation.name, ours));
            }
        }
    }

    /// Instructions of one operation; `None` if `who` cannot do it.
    fn each(operation: &Operation, who: &str) -> Option<f64> {
        let nowhere = Path::new("/dev/null");
        let (short, long) = (operation.short, operation.short * 3);
        let [less, more] = [short, long].map(|times| count(operation, who, times, nowhere));
        Some((more? - less?) as f64 / (long - short) as f64)
    }

    /// Instructions of a run of this program that repeats one operation; `None` if `who` cannot do it.
    fn count(operation: &Operation, who: &str, repetitions: u64, profile: &Path) -> Option<i64> {
        let program = env::current_exe().expect("a program has a path");
        let output = Command::new("valgrind")
            .arg("--tool=callgrind")
            .arg(format!("--callgrind-out-file={}", profile.display()))
            .arg(program)
            .args(["drive", operation.name, who, &repetitions.to_string()])
            .output()
            .expect("valgrind is installed");
        if output.status.code() == Some(CANNOT.into()) {
            return None;
        }
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "the program failed:\n{text}");
        let collected = text
            .lines()
            .find_map(|line| line.split_once("Collected : "));
        let (_, collected) = collected.unwrap_or_else(|| panic!("valgrind failed:\n{text}"));
        Some(collected.trim().parse().expect("a count"))
    }

    fn line(name: &str, each: f64) -> String {
        format!("{name:42}{each:10.1}")
    }

    fn table(counts: &[(&str, f64)]) -> String {
        let mut text = format!(
            "# Instructions of one operation, through the C ABI, counted by callgrind. The loop's are\n\
             # among them. Written by\n\
             # `cargo xtask instructions --write`\n\
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
        // A name may be the beginning of another one; what follows it must be a number.
        let before = |name: &str| -> Option<f64> {
            let rests = known.lines().filter_map(|line| line.strip_prefix(name));
            rests.filter_map(|rest| rest.trim().parse().ok()).next()
        };
        let mut verdict = ExitCode::SUCCESS;
        for (name, each) in counts.iter().filter(|(name, _)| !name.ends_with("libc")) {
            match before(name) {
                None => {
                    println!("{name}: not in instructions.txt; add it with --write");
                    verdict = ExitCode::FAILURE;
                }
                Some(before) if *each > before * (1.0 + TOLERANCE) => {
                    println!("{name}: {each:.1} instructions, were {before:.1}");
                    verdict = ExitCode::FAILURE;
                }
                Some(before) if *each < before * (1.0 - TOLERANCE) => {
                    println!(
                        "{name}: {each:.1} instructions, were {before:.1}: write the file anew"
                    );
                }
                Some(_) => {}
            }
        }
        verdict
    }
}
