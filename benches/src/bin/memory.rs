//! What the heap keeps resident: after a burst, for its own records, and for many threads on many
//! heaps.
//!
//! `memory [--only TEXT]... [--peer TEXT]...`. Every figure comes from a process of its own that
//! holds one contestant; `memory drive ROW CONTESTANT` is that process.

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    measured::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("resident memory is read from /proc");
}

#[cfg(target_os = "linux")]
mod measured {
    use std::env;
    use std::fs;
    use std::process::{Command, ExitCode};
    use std::ptr;
    use std::sync::{Arc, Barrier};
    use std::thread;

    use rtl_heap_benches::contestants::{Allocator, Heaps};
    use rtl_heap_benches::files;
    use rtl_heap_benches::micro::field::{self, AllocatorVisitor, HeapsVisitor};
    use rtl_heap_benches::micro::loops::Sizes;
    use rtl_heap_benches::micro::rows::OURS;
    use rtl_heap_benches::random::Random;
    use serde_json::json;

    const MIB: usize = 1 << 20;
    const GIB: usize = 1 << 30;

    /// What is done, and to what the bytes that are resident afterwards are compared.
    #[derive(Clone, Copy)]
    enum Scene {
        /// This many bytes of blocks come, all go in random order, the heap is compacted: bytes left.
        Burst(Sizes, usize),
        /// So many blocks are live.
        Overhead(Overhead),
        /// Threads and heaps, with a live block of 64 bytes for each pair: bytes in all, in parts of
        /// what is allowed.
        Pairs { threads: usize, heaps: usize },
    }

    struct Row {
        id: &'static str,
        what: &'static str,
        scene: Scene,
        at_most: Option<f64>,
        unit: &'static str,
    }

    const ROWS: &[Row] = &[
        Row {
            id: "burst-64",
            what: "burst of 1 GiB in 64 B, freed, compacted",
            scene: Scene::Burst(Sizes::Uniform(64, 64), GIB),
            at_most: Some(32.0),
            unit: "MiB",
        },
        Row {
            id: "burst-1k",
            what: "burst of 1 GiB in 8 B to 2 KiB, freed, compacted",
            scene: Scene::Burst(Sizes::Uniform(8, 2048), GIB),
            at_most: Some(32.0),
            unit: "MiB",
        },
        Row {
            id: "burst-mixed",
            what: "burst of 1 GiB in 16 B to 1 MiB, freed, compacted",
            scene: Scene::Burst(Sizes::Logarithmic(16, MIB), GIB),
            at_most: Some(32.0),
            unit: "MiB",
        },
        Row {
            id: "overhead-64",
            what: "4,000,000 live of 64 B: memory beyond the blocks",
            scene: Scene::Overhead(Overhead {
                sizes: EXACT,
                count: LIVE,
                of_block: asked_for,
            }),
            at_most: None,
            unit: "%",
        },
        Row {
            id: "metadata-64",
            what: "the same: memory beyond 80 B a block, NT's header with it",
            scene: Scene::Overhead(Overhead {
                sizes: EXACT,
                count: LIVE,
                of_block: in_nt,
            }),
            at_most: Some(2.0),
            unit: "%",
        },
        Row {
            id: "overhead-mixed",
            what: "4,000,000 live of 1 to 127 B: memory beyond the blocks",
            scene: Scene::Overhead(Overhead {
                sizes: MIXED,
                count: LIVE,
                of_block: asked_for,
            }),
            at_most: None,
            unit: "%",
        },
        Row {
            id: "metadata-mixed",
            what: "the same: memory beyond NT's blocks, headers and rounding with them",
            scene: Scene::Overhead(Overhead {
                sizes: MIXED,
                count: LIVE,
                of_block: in_nt,
            }),
            at_most: None,
            unit: "%",
        },
        Row {
            id: "pairs",
            what: "1,000 threads x 100 heaps, a live 64 B each: of 4x + 4 KiB a pair",
            scene: Scene::Pairs {
                threads: 1_000,
                heaps: 100,
            },
            at_most: Some(100.0),
            unit: "%",
        },
    ];

    pub fn main() -> ExitCode {
        let arguments: Vec<String> = env::args().skip(1).collect();
        if let [mode, row, contestant] = &arguments[..]
            && mode == "drive"
        {
            drive(row, contestant);
            return ExitCode::SUCCESS;
        }
        let (mut only, mut peers) = (Vec::new(), Vec::new());
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            match (argument.as_str(), &mut arguments) {
                ("--quick", _) => {}
                ("--only", rest) => only.extend(rest.next()),
                ("--peer", rest) => peers.extend(rest.next()),
                _ => {
                    eprintln!("usage: memory [--only ROW]... [--peer NAME]...");
                    return ExitCode::from(2);
                }
            }
        }
        compare(&only, &peers);
        ExitCode::SUCCESS
    }

    fn compare(only: &[String], peers: &[String]) {
        let names: Vec<String> = field::enter(peers)
            .iter()
            .map(|contestant| contestant.name.clone())
            .collect();
        let mut rows = Vec::new();
        for row in ROWS {
            if !field::is_among(only, row.id) {
                continue;
            }
            let verdict = |value: f64| match row.at_most {
                Some(at_most) if value <= at_most => format!("met (at most {at_most})"),
                Some(at_most) => format!("MISSED (at most {at_most})"),
                None => String::new(),
            };
            println!("{}, in {}:", row.what, row.unit);
            let mut values = Vec::new();
            for name in &names {
                let Some(value) = in_a_process(row.id, name) else {
                    continue;
                };
                let verdict = if name == OURS {
                    verdict(value)
                } else {
                    String::new()
                };
                println!("    {name:16}{value:>10.1}  {verdict}");
                values.push(json!({"name": name, "value": value}));
            }
            rows.push(
                json!({"id": row.id, "what": row.what, "unit": row.unit, "at_most": row.at_most,
                "contestants": values}),
            );
        }
        files::write("memory.json", &json!({ "rows": rows }).to_string());
    }

    /// The figure of one contestant; `None` if it cannot do this.
    fn in_a_process(row: &str, contestant: &str) -> Option<f64> {
        let program = env::current_exe().expect("a program has a path");
        let output = Command::new(program)
            .args(["drive", row, contestant])
            .output()
            .expect("this program can be started");
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            println!(
                "    {contestant:16}failed: {} {}",
                output.status,
                errors.trim()
            );
        }
        text.trim().parse().ok()
    }

    fn drive(id: &str, name: &str) {
        let row = ROWS.iter().find(|row| row.id == id).expect("a row's id");
        let field = field::enter(&[name.to_owned()]);
        let contestant = field
            .iter()
            .find(|contestant| contestant.name == name)
            .expect("a contestant's name");
        let value = match row.scene {
            Scene::Burst(sizes, bytes) => contestant
                .with_allocator(Burst(sizes, bytes))
                .map(|left| left / MIB as f64),
            Scene::Overhead(overhead) => contestant.with_allocator(overhead),
            Scene::Pairs { threads, heaps } if contestant.is_for_every_thread() => contestant
                .with_heaps(Pairs { threads, heaps })
                .map(|part| part * 100.0),
            Scene::Pairs { .. } => None,
        };
        if let Some(value) = value {
            println!("{value}");
        }
    }

    /// Bytes that this process has in memory.
    fn resident() -> f64 {
        let text = fs::read_to_string("/proc/self/smaps_rollup").expect("Linux 4.14 or newer");
        let line = text.lines().find_map(|line| line.strip_prefix("Rss:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        kib.expect("a line in kB") * 1024.0
    }

    struct Burst(Sizes, usize);

    impl AllocatorVisitor for Burst {
        type Answer = f64;

        fn visit<A: Allocator>(self, allocator: A) -> f64 {
            let sizes = self.0.draw();
            let mean = sizes.iter().sum::<usize>() / sizes.len();
            // Written to, so that it is resident before and after.
            let mut blocks = vec![ptr::dangling_mut::<u8>(); self.1 / mean];
            let before = resident();
            for (block, size) in blocks.iter_mut().zip(sizes.iter().cycle()) {
                *block = filled(&allocator, *size);
            }
            Random::new(3).shuffle(&mut blocks);
            for block in &blocks {
                // SAFETY: (1) it is ours.
                unsafe { allocator.free(*block) };
            }
            allocator.compact();
            (resident() - before).max(0.0)
        }
    }

    /// What is resident beyond so much for each block, in per cent of the bytes asked for.
    #[derive(Clone, Copy)]
    struct Overhead {
        sizes: Sizes,
        count: usize,
        of_block: fn(usize) -> usize,
    }

    const LIVE: usize = 4_000_000;
    const EXACT: Sizes = Sizes::Uniform(64, 64);
    const MIXED: Sizes = Sizes::Uniform(1, 127);

    fn asked_for(size: usize) -> usize {
        size
    }

    /// Bytes of NT's block: eight of a header with the data, in granules of sixteen, two at least.
    fn in_nt(size: usize) -> usize {
        (size + 8).next_multiple_of(16).max(32)
    }

    impl AllocatorVisitor for Overhead {
        type Answer = f64;

        fn visit<A: Allocator>(self, allocator: A) -> f64 {
            let sizes = self.sizes.draw();
            without_large_pages();
            let before = resident();
            let (mut bytes, mut accounted) = (0, 0);
            for size in sizes.iter().cycle().take(self.count) {
                filled(&allocator, *size);
                bytes += size;
                accounted += (self.of_block)(*size);
            }
            let grown = resident() - before;
            (grown - accounted as f64) / bytes as f64 * 100.0
        }
    }

    /// From now on the process gets no memory in large pages: what the last of them holds behind the last
    /// block is no record of anybody's.
    fn without_large_pages() {
        // SAFETY: changes how memory is provided, and nothing that can be seen of it.
        let result = unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, 1, 0, 0, 0) };
        assert_eq!(result, 0, "Linux 3.15 or newer");
    }

    /// A block with something in every byte.
    fn filled<A: Allocator>(allocator: &A, size: usize) -> *mut u8 {
        let block = allocator.allocate(size);
        assert!(!block.is_null(), "no memory");
        // SAFETY: the block is ours and has this many bytes.
        unsafe { block.write_bytes(0xA5, size) };
        block
    }

    struct Pairs {
        threads: usize,
        heaps: usize,
    }

    impl HeapsVisitor for Pairs {
        type Answer = f64;

        fn visit<H: Heaps>(self, heaps: H) -> f64 {
            let all: Arc<Vec<H::Heap>> =
                Arc::new((0..self.heaps).map(|_| heaps.create()).collect());
            let stage = Arc::new(Barrier::new(self.threads + 1));
            let threads: Vec<_> = (0..self.threads)
                .map(|_| {
                    let (all, stage) = (all.clone(), stage.clone());
                    let work = move || {
                        stage.wait(); // everybody is there: the stacks are resident
                        stage.wait();
                        for heap in &*all {
                            filled(heap, 64);
                        }
                        stage.wait();
                        stage.wait(); // until it has been measured
                    };
                    let builder = thread::Builder::new().stack_size(64 << 10);
                    builder.spawn(work).expect("a thread")
                })
                .collect();
            stage.wait();
            let before = resident();
            stage.wait();
            stage.wait();
            let grown = resident() - before;
            stage.wait();
            for thread in threads {
                thread.join().expect("a thread that ends");
            }
            let pairs = (self.threads * self.heaps) as f64;
            let allowed = pairs * (4.0 * 64.0 + 4096.0);
            grown / allowed
        }
    }
}
