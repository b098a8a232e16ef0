//! The back end against the C library, and creation against bare system calls.
//!
//! `cargo bench -p rtl-heap-benches --bench backend`; an argument runs the sections whose names
//! contain it.

#[cfg(unix)]
fn main() {
    measured::main();
}

#[cfg(not(unix))]
fn main() {
    println!("the back end is compared with the C library on Unix only");
}

#[cfg(unix)]
mod measured {
    use std::env;
    use std::hint::black_box;
    use std::ptr;

    use rtl_heap_benches::contestants::{Allocator, Libc, Live, NtHeap};
    use rtl_heap_benches::library::{self, Calls, NO_SERIALIZE, VmInfo};
    use rtl_heap_benches::report::{Report, Target};
    use rtl_heap_benches::rounds::{self, Outcome, Work};

    const ROUNDS: usize = 9;
    /// Bytes of live blocks per contestant, at most.
    const LIVE_BYTES: usize = 512 << 20;
    const SIZES: [usize; 8] = [16, 64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 512 << 10];
    const COUNTS: [usize; 5] = [100, 1_000, 10_000, 100_000, 1_000_000];
    const HEAPS: [&str; 3] = ["no_serialize", "serialised", "libc"];
    /// A pair of 64 bytes on a heap that is not serialised, against the C library's.
    const PAIR_64: f64 = 2.0;
    /// The slowest number of live blocks against the fastest.
    const FLATNESS: f64 = 1.3;
    /// Create and destroy, against one mapping made and unmade.
    const CREATION: f64 = 2.5;

    type Section = fn(&Calls, &mut Report);

    pub fn main() {
        let wanted: Vec<String> = env::args()
            .skip(1)
            .filter(|a| !a.starts_with('-'))
            .collect();
        let calls = library::open();
        let mut report = Report::new();
        let sections: [(&str, Section); 6] = [
            ("create", creation),
            ("pairs", pairs),
            ("replace", replacement),
            ("batch", batches),
            ("large", large),
            ("realloc", growth),
        ];
        for (name, section) in sections {
            if wanted.is_empty() || wanted.iter().any(|wanted| name.contains(wanted.as_str())) {
                section(&calls, &mut report);
            }
        }
        report.finish("bench-backend");
    }

    /// The same loop on each contestant, each with its own live blocks.
    fn compare(
        calls: &Calls,
        (size, live): (usize, usize),
        run: impl Fn(&mut dyn Blocks, u64) + Copy,
    ) -> Outcome {
        let mut own = Live::new(NtHeap::unserialized(calls), size, live);
        let mut serialized = Live::new(NtHeap::create(calls, 0), size, live);
        let mut libc = Live::new(Libc(library::libc_calls()), size, live);
        let works: &mut [Work<'_>] = &mut [
            Box::new(|count| run(&mut own, count)),
            Box::new(|count| run(&mut serialized, count)),
            Box::new(|count| run(&mut libc, count)),
        ];
        rounds::run(ROUNDS, works)
    }

    /// `Live<A>` for any `A`, so that one closure drives all contestants; the loops are inside.
    trait Blocks {
        fn pairs(&mut self, size: usize, count: u64);
        fn touched_pairs(&mut self, size: usize, count: u64);
        fn replace(&mut self, size: usize, count: u64);
        fn batch(&mut self, size: usize, count: u64);
        fn sizes(&mut self, count: u64);
        fn growth_by_half(&mut self, count: u64);
        fn growth_by_16(&mut self, count: u64);
    }

    impl<A: Allocator> Blocks for Live<A> {
        fn pairs(&mut self, size: usize, count: u64) {
            Live::pairs(self, size, count);
        }
        fn touched_pairs(&mut self, size: usize, count: u64) {
            Live::touched_pairs(self, size, count);
        }
        fn replace(&mut self, size: usize, count: u64) {
            Live::replace(self, size, count);
        }
        fn batch(&mut self, size: usize, count: u64) {
            Live::batch(self, size, count);
        }
        fn sizes(&mut self, count: u64) {
            Live::sizes(self, count);
        }
        fn growth_by_half(&mut self, count: u64) {
            Live::growth(self, 16, 1 << 20, |size| size + size / 2, count);
        }
        fn growth_by_16(&mut self, count: u64) {
            Live::growth(self, 16, 4 << 10, |size| size + 16, count);
        }
    }

    fn cells() -> impl Iterator<Item = (usize, usize)> {
        let all = SIZES
            .into_iter()
            .flat_map(|size| COUNTS.map(|count| (size, count)));
        all.filter(|(size, count)| size * count <= LIVE_BYTES)
    }

    fn name(size: usize, live: usize) -> String {
        format!("{} x {live} live", bytes(size))
    }

    fn bytes(size: usize) -> String {
        match size {
            1_024..1_048_576 => format!("{} KiB", size >> 10),
            1_048_576.. => format!("{} MiB", size >> 20),
            _ => format!("{size} B"),
        }
    }

    fn pairs(calls: &Calls, report: &mut Report) {
        report.heading("alloc and free of one block, others live", &HEAPS);
        for (size, live) in cells() {
            let outcome = compare(calls, (size, live), |blocks, count| {
                blocks.pairs(size, count)
            });
            let target = (size == 64).then_some(Target {
                contestant: 0,
                at_most: PAIR_64,
            });
            report.row("pairs", &name(size, live), &outcome, target);
        }
        flatness(calls, report);
        report.heading("size of a random live block", &HEAPS);
        for live in [100, 10_000] {
            let outcome = compare(calls, (64, live), |blocks, count| blocks.sizes(count));
            report.row("size", &name(64, live), &outcome, None);
        }
    }

    /// One heap against itself with more and more live blocks. The contestants are the numbers, so
    /// that the machine's mood cannot pass for growth.
    fn flatness(calls: &Calls, report: &mut Report) {
        let names = COUNTS.map(|count| format!("{count} live"));
        let names: Vec<&str> = names.iter().rev().map(String::as_str).collect();
        report.heading("alloc and free of 64 B by number of live blocks", &names);
        for (name, flags) in [("no_serialize", NO_SERIALIZE), ("serialised", 0)] {
            let mut heaps: Vec<_> = COUNTS
                .iter()
                .rev()
                .map(|live| Live::new(NtHeap::create(calls, flags), 64, *live))
                .collect();
            let mut works: Vec<Work<'_>> = heaps
                .iter_mut()
                .map(|heap| -> Work<'_> { Box::new(|count| heap.pairs(64, count)) })
                .collect();
            let outcome = rounds::run(ROUNDS, &mut works);
            report.row("flatness", name, &outcome, None);
            let least = outcome.ratio.iter().copied().fold(f64::INFINITY, f64::min);
            let most = outcome.ratio.iter().copied().fold(0.0, f64::max);
            let text = format!("{name}, slowest number to fastest");
            let target = (flags == NO_SERIALIZE).then_some(FLATNESS);
            report.figure("flatness", &text, most / least, target);
        }
    }

    fn replacement(calls: &Calls, report: &mut Report) {
        report.heading("a random live block freed, another allocated", &HEAPS);
        for (size, live) in cells() {
            let outcome = compare(calls, (size, live), |blocks, count| {
                blocks.replace(size, count);
            });
            report.row("replace", &name(size, live), &outcome, None);
        }
    }

    fn batches(calls: &Calls, report: &mut Report) {
        report.heading(
            "1,000 allocated, then freed in a scattered order, a block",
            &HEAPS,
        );
        for size in [16, 64, 256, 1 << 10] {
            let outcome = compare(calls, (size, 100), |blocks, count| {
                blocks.batch(size, count)
            });
            report.row("batch", &bytes(size), &outcome, None);
        }
    }

    fn large(calls: &Calls, report: &mut Report) {
        report.heading("large block, untouched and touched once a page", &HEAPS);
        for size in [1 << 20, 2 << 20, 16 << 20] {
            let outcome = compare(calls, (size, 2), |blocks, count| blocks.pairs(size, count));
            report.row(
                "large",
                &format!("{} untouched", bytes(size)),
                &outcome,
                None,
            );
            let outcome = compare(calls, (size, 2), |blocks, count| {
                blocks.touched_pairs(size, count);
            });
            report.row("large", &format!("{} touched", bytes(size)), &outcome, None);
        }
        report.heading(
            "large block against a mapping made and unmade",
            &["no_serialize", "mmap+munmap"],
        );
        for size in [1 << 20, 16 << 20] {
            let mut own = Live::new(NtHeap::unserialized(calls), size, 2);
            let works: &mut [Work<'_>] = &mut [
                Box::new(|count| own.pairs(size, count)),
                Box::new(|count| map_and_unmap(size, count, false)),
            ];
            let outcome = rounds::run(ROUNDS, works);
            report.row("large", &bytes(size), &outcome, None);
        }
    }

    fn growth(calls: &Calls, report: &mut Report) {
        report.heading("a block that grows, the whole growth", &HEAPS);
        let outcome = compare(calls, (64, 100), |blocks, count| {
            blocks.growth_by_half(count);
        });
        report.row("realloc", "by half, 16 B to 1 MiB", &outcome, None);
        let outcome = compare(calls, (64, 100), |blocks, count| blocks.growth_by_16(count));
        report.row("realloc", "by 16 B, 16 B to 4 KiB", &outcome, None);
    }

    fn creation(calls: &Calls, report: &mut Report) {
        type Create = fn(&Calls) -> NtHeap;
        let kinds: [(&str, Create); 3] = [
            ("HeapCreate(0, 0, 0)", |calls| NtHeap::create(calls, 0)),
            ("HeapCreate(1, 0, 0)", |calls| {
                NtHeap::create(calls, NO_SERIALIZE)
            }),
            ("RtlCreateHeap(2, 0, ...)", |calls| {
                NtHeap::create_documented(calls, 0)
            }),
        ];
        let names = ["create+destroy", "map, touch, unmap", "mmap+munmap"];
        report.heading("an empty heap against a mapping of its size", &names);
        for (name, create) in kinds {
            let mut info = VmInfo::default();
            let probe = create(calls);
            // SAFETY: `info` is ours.
            assert_ne!(unsafe { (calls.vm_query)(probe.handle(), &mut info) }, 0);
            drop(probe);
            let works: &mut [Work<'_>] = &mut [
                Box::new(|count| (0..count).for_each(|_| drop(black_box(create(calls))))),
                Box::new(|count| map_and_unmap(info.size, count, true)),
                Box::new(|count| map_and_unmap(info.size, count, false)),
            ];
            let outcome = rounds::run(ROUNDS, works);
            let target = Target {
                contestant: 0,
                at_most: CREATION,
            };
            let row = format!("{name} {} KiB", info.size >> 10);
            report.row("create", &row, &outcome, Some(target));
        }
        // Heaps that are used a little, among others that live.
        report.heading(
            "heaps created, used for 10 blocks of 64 B, destroyed",
            &["serialised", "libc, 10 blocks"],
        );
        let libc = Libc(library::libc_calls());
        let works: &mut [Work<'_>] = &mut [
            Box::new(|count| {
                for _ in 0..count {
                    let heap = NtHeap::create(calls, 0);
                    for _ in 0..10 {
                        black_box(heap.allocate(64));
                    }
                }
            }),
            Box::new(|count| {
                for _ in 0..count {
                    let mut blocks = [ptr::null_mut(); 10];
                    blocks.fill_with(|| libc.allocate(64));
                    for block in blocks {
                        // SAFETY: (1) it is ours.
                        unsafe { libc.free(block) };
                    }
                }
            }),
        ];
        let outcome = rounds::run(ROUNDS, works);
        report.row("create", "create, 10 blocks, destroy", &outcome, None);
    }

    /// A private mapping that could be used, made and unmade; with `touch` its first page is
    /// written to, as any heap's must be.
    fn map_and_unmap(size: usize, count: u64, touch: bool) {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANON;
        for _ in 0..count {
            // SAFETY: fresh memory, used and given back here.
            unsafe {
                let at = libc::mmap(ptr::null_mut(), size, protection, flags, -1, 0);
                assert_ne!(at, libc::MAP_FAILED);
                if touch {
                    at.cast::<u8>().write_volatile(1);
                }
                libc::munmap(black_box(at), size);
            }
        }
    }
}
