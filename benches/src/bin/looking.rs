//! What it costs to look at a heap of many live blocks: walking it, and validating all of it, which
//! holds the heap's lock as long as it takes.
//!
//! `looking [--quick] [--only TEXT]...`. CPU time per live block, the best and the median of the
//! rounds: there is no peer that could take turns.

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    measured::main()
}

#[cfg(not(unix))]
fn main() {
    println!("the benches' library is for Unix");
}

#[cfg(unix)]
mod measured {
    use std::env;
    use std::process::ExitCode;

    use rtl_heap_benches::calls::{self, Calls, NO_SERIALIZE};
    use rtl_heap_benches::clock::thread_ns;
    use rtl_heap_benches::files;
    use rtl_heap_benches::library;
    use rtl_heap_benches::random::Random;
    use serde_json::json;

    /// No look may take longer, in nanoseconds a block.
    const AT_MOST: f64 = 60.0;
    const LIVE: usize = 1_000_000;

    /// What lives in the heap.
    struct Scene {
        id: &'static str,
        what: &'static str,
        flags: u32,
        /// Least and greatest size in bytes.
        sizes: (usize, usize),
        /// Of so many blocks one is freed again, in random order.
        freed_of: usize,
    }

    const SCENES: [Scene; 5] = [
        Scene {
            id: "front-64",
            what: "64 B in the front end",
            flags: 0,
            sizes: (64, 64),
            freed_of: 0,
        },
        Scene {
            id: "front-mixed",
            what: "16 B to 512 B in the front end, one of 3 freed",
            flags: 0,
            sizes: (16, 512),
            freed_of: 3,
        },
        Scene {
            id: "back-64",
            what: "64 B in segments",
            flags: NO_SERIALIZE,
            sizes: (64, 64),
            freed_of: 0,
        },
        Scene {
            id: "back-mixed",
            what: "16 B to 512 B in segments",
            flags: NO_SERIALIZE,
            sizes: (16, 512),
            freed_of: 0,
        },
        Scene {
            id: "back-holes",
            what: "16 B to 512 B in segments, one of 3 freed",
            flags: NO_SERIALIZE,
            sizes: (16, 512),
            freed_of: 3,
        },
    ];

    pub fn main() -> ExitCode {
        let arguments: Vec<String> = env::args().skip(1).collect();
        let rounds = if arguments.iter().any(|word| word == "--quick") {
            3
        } else {
            15
        };
        let after = |word: &str| {
            let pairs = arguments.windows(2).filter(move |pair| pair[0] == word);
            pairs.map(|pair| pair[1].clone()).collect::<Vec<_>>()
        };
        let only = after("--only");
        let calls = library::open();
        let mut rows = Vec::new();
        println!("{LIVE} live blocks, ns a block: best, median (at most {AT_MOST})");
        for scene in &SCENES {
            if only.is_empty() || only.iter().any(|text| scene.id.contains(text.as_str())) {
                rows.extend(measure(calls, scene, rounds));
            }
        }
        let met = rows.iter().all(|row| row["best"].as_f64() <= Some(AT_MOST));
        let text = serde_json::to_string_pretty(&rows).unwrap_or_default();
        files::write("looking.json", &text);
        if met {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    fn measure(calls: Calls, scene: &Scene, rounds: usize) -> Vec<serde_json::Value> {
        // SAFETY: the heap's blocks are used by nobody but this function.
        let heap = unsafe { (calls.heap_create)(scene.flags, 0, 0) };
        fill(calls, heap, scene);
        let validate = || {
            // SAFETY: a NULL pointer asks for the whole heap.
            let valid = unsafe { (calls.validate)(heap, 0, std::ptr::null()) };
            assert_eq!(valid, 1, "{}", scene.id);
        };
        let walk = || {
            let (mut entry, mut busy) = (calls::WalkEntry::default(), 0);
            // SAFETY: the entry is ours.
            while unsafe { (calls.walk)(heap, &mut entry) } != 0 {
                busy += usize::from(entry.is_busy());
            }
            assert_eq!(busy, LIVE, "{}", scene.id);
        };
        let rows = [
            row(scene, "validate", timed(rounds, validate)),
            row(scene, "walk", timed(rounds, walk)),
        ];
        // SAFETY: nobody uses the heap any more.
        unsafe { (calls.destroy)(heap) };
        rows.into()
    }

    fn fill(calls: Calls, heap: usize, scene: &Scene) {
        let mut random = Random::new(1);
        let (least, greatest) = scene.sizes;
        let mut allocate = || {
            let size = least + random.below(greatest - least + 1);
            // SAFETY: the heap is live.
            let block = unsafe { (calls.allocate)(heap, 0, size) };
            assert!(!block.is_null());
            block
        };
        let extra = LIVE.checked_div(scene.freed_of).unwrap_or(0);
        let mut blocks: Vec<_> = (0..LIVE + extra).map(|_| allocate()).collect();
        random.shuffle(&mut blocks);
        for block in &blocks[LIVE..] {
            // SAFETY: the block is live and nobody uses it.
            unsafe { (calls.free)(heap, 0, *block) };
        }
    }

    /// Nanoseconds of each round, sorted.
    fn timed(rounds: usize, look: impl Fn()) -> Vec<u64> {
        let mut times: Vec<u64> = (0..rounds)
            .map(|_| {
                let start = thread_ns();
                look();
                thread_ns() - start
            })
            .collect();
        times.sort_unstable();
        times
    }

    fn row(scene: &Scene, call: &str, times: Vec<u64>) -> serde_json::Value {
        let per_block = |time: u64| time as f64 / LIVE as f64;
        let (best, median) = (per_block(times[0]), per_block(times[times.len() / 2]));
        println!("{call:8}  {:50} {best:6.1} {median:6.1}", scene.what);
        json!({
            "id": format!("{call}-{}", scene.id),
            "what": scene.what,
            "best": best,
            "median": median,
            "at_most": AT_MOST,
        })
    }
}
