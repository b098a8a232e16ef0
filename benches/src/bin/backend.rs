//! The back end, by heaps that nobody serialises, against the C library; and creation against a bare
//! mapping.
//!
//! `backend [--quick] [--only TEXT]...`. A block comes and goes among 10^2 to 10^6 live ones of its
//! size; a heap is created and destroyed, once with each default size. Medians of the rounds' ratios.

#[cfg(unix)]
fn main() {
    measured::main();
}

#[cfg(not(unix))]
fn main() {
    println!("the back end is compared with the C library and with `mmap`");
}

#[cfg(unix)]
mod measured {
    use std::env;
    use std::hint::black_box;
    use std::ptr;

    use rtl_heap_benches::calls::NO_SERIALIZE;
    use rtl_heap_benches::contestants::{Allocator, Heaps, Malloc, NtHeaps};
    use rtl_heap_benches::micro::loops::{Live, creations};
    use rtl_heap_benches::rounds::{self, Outcome, Plan, Work, timed};
    use rtl_heap_benches::{files, library};
    use serde_json::{Value, json};

    const SIZES: [usize; 8] = [16, 64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 512 << 10];
    const COUNTS: [usize; 5] = [100, 1_000, 10_000, 100_000, 1_000_000];
    /// Bytes of live blocks per contestant, at most.
    const LIVE_BYTES: usize = 512 << 20;
    /// A pair of 64 bytes on a heap that is not serialised, against the C library's.
    const PAIR_64: f64 = 2.0;
    /// The slowest number of live blocks against the fastest.
    const FLATNESS: f64 = 1.3;
    /// Create and destroy, against one mapping made and unmade.
    const CREATION: f64 = 2.5;

    struct Run {
        plan: Plan,
        only: Vec<String>,
        rows: Vec<Value>,
    }

    impl Run {
        fn wants(&self, id: &str) -> bool {
            self.only.is_empty() || self.only.iter().any(|text| id.contains(text.as_str()))
        }

        fn row(&mut self, what: &str, outcome: &Outcome, yardstick: usize, at_most: Option<f64>) {
            let (ratio, spread) = outcome.ratio(0, yardstick);
            let ns = [outcome.ns[0], outcome.ns[yardstick]];
            let verdict = match at_most {
                None => String::new(),
                Some(most) if ratio <= most => format!("at most {most}: met"),
                Some(most) => format!("at most {most}: MISSED"),
            };
            println!(
                "{what:<44} {:>10.1} {:>10.1} {ratio:>8.2} {spread:>6.2}  {verdict}",
                ns[0], ns[1]
            );
            self.rows
                .push(json!({ "what": what, "ns": ns, "ratio": ratio, "spread": spread }));
        }
    }

    pub fn main() {
        let arguments: Vec<String> = env::args().skip(1).collect();
        let quick = arguments.iter().any(|word| word == "--quick");
        let pairs = arguments.windows(2).filter(|pair| pair[0] == "--only");
        let mut run = Run {
            plan: Plan {
                rounds: if quick { 5 } else { 15 },
                stretch_ns: 1_000_000,
            },
            only: pairs.map(|pair| pair[1].clone()).collect(),
            rows: Vec::new(),
        };
        println!("ns: ours, theirs; the ratio, and how far its quartiles lie apart");
        all_pairs(&mut run);
        if run.wants("flat") {
            flatness(&mut run);
        }
        if run.wants("create") {
            creation(&mut run);
        }
        println!("load average {}", files::load());
        let text = serde_json::to_string_pretty(&run.rows).unwrap_or_default();
        files::write("backend.json", &text);
    }

    fn heaps(flags: u32) -> NtHeaps {
        NtHeaps {
            calls: library::open(),
            flags,
            limit: 0,
        }
    }

    fn pair_work<A: Allocator>(allocator: A, size: usize, live: usize) -> Work {
        let mut blocks = Live::new(allocator, size, live);
        timed(move |count| blocks.pairs(size, count))
    }

    fn all_pairs(run: &mut Run) {
        for size in SIZES {
            for live in COUNTS.into_iter().filter(|live| live * size <= LIVE_BYTES) {
                if !run.wants(&format!("pair-{size}-{live}")) {
                    continue;
                }
                let works: &mut [Work] = &mut [
                    pair_work(heaps(NO_SERIALIZE).create(), size, live),
                    pair_work(Malloc(library::libc_calls()), size, live),
                ];
                let outcome = rounds::run(run.plan, works);
                let what = format!("pair of {size} B among {live}, to glibc");
                let target = (size == 64 && live == 100).then_some(PAIR_64);
                run.row(&what, &outcome, 1, target);
            }
        }
    }

    /// The numbers of live blocks take turns with each other.
    fn flatness(run: &mut Run) {
        let mut works: Vec<Work> = COUNTS
            .map(|live| pair_work(heaps(NO_SERIALIZE).create(), 64, live))
            .into();
        let outcome = rounds::run(run.plan, &mut works);
        let order = |a: &usize, b: &usize| outcome.ns[*a].total_cmp(&outcome.ns[*b]);
        let slowest = (0..COUNTS.len()).max_by(order).unwrap_or(0);
        let fastest = (0..COUNTS.len()).min_by(order).unwrap_or(0);
        let ratio = outcome.ratio(slowest, fastest).0;
        let verdict = if ratio <= FLATNESS { "met" } else { "MISSED" };
        println!(
            "pair of 64 B, slowest to fastest of 10^2 to 10^6 live: {ratio:.2}, at most {FLATNESS}: {verdict}"
        );
        run.rows.push(json!({ "what": "flatness", "ratio": ratio }));
    }

    fn creation(run: &mut Run) {
        let documented = library::rtl_create_documented();
        let calls = library::open();
        let rtl = move |count| {
            for _ in 0..count {
                let heap = documented();
                // SAFETY: the heap is ours and empty.
                unsafe { (calls.destroy)(heap) };
            }
        };
        let rows: [(&str, usize, Work); 3] = [
            ("HeapCreate(0, 0, 0)", 64 << 10, creation_work(0)),
            (
                "HeapCreate(NO_SERIALIZE, 0, 0)",
                64 << 10,
                creation_work(NO_SERIALIZE),
            ),
            ("RtlCreateHeap, 256 KiB", 256 << 10, timed(rtl)),
        ];
        for (what, bytes, work) in rows {
            let works: &mut [Work] = &mut [work, timed(move |count| mappings(bytes, count))];
            let outcome = rounds::run(run.plan, works);
            let what = format!("{what} and destroy, to mmap and munmap");
            run.row(&what, &outcome, 1, Some(CREATION));
        }
    }

    fn creation_work(flags: u32) -> Work {
        let heaps = heaps(flags);
        timed(move |count| creations(&heaps, 0, count))
    }

    /// A mapping that can be read and written is made and unmade, untouched.
    fn mappings(bytes: usize, count: u64) {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        for _ in 0..count {
            // SAFETY: a new mapping, unmade at once.
            unsafe {
                let mapping = libc::mmap(ptr::null_mut(), bytes, access, kind, -1, 0);
                assert_ne!(mapping, libc::MAP_FAILED);
                libc::munmap(black_box(mapping), bytes);
            }
        }
    }
}
