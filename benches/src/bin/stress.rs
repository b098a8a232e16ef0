//! Programs that do little but allocate, each the shape of a published one: written from the
//! descriptions in papers, for `programs` to run on one allocator after the other.
//!
//! `stress larson|xmalloc|cache-thrash|fragmentation`. They call `malloc` as any C program would,
//! so that a preloaded library serves them.

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    shapes::main()
}

#[cfg(not(unix))]
fn main() {
    println!("preloading is a thing of Unix");
}

#[cfg(unix)]
mod shapes {
    use std::env;
    use std::process::ExitCode;
    use std::sync::mpsc::sync_channel;
    use std::thread;

    use rtl_heap_benches::random::Random;

    /// Blocks of the C library, or of what was preloaded in its place. Addresses, so that threads
    /// can hand them on.
    fn allocate(size: usize) -> usize {
        // SAFETY: any size is allowed.
        let block = unsafe { libc::malloc(size) };
        assert!(!block.is_null(), "no memory");
        // SAFETY: the block is ours and has `size` bytes, at least one of them.
        unsafe { block.cast::<u8>().write_volatile(size as u8) };
        block as usize
    }

    /// Frees what [`allocate`] returned.
    fn free(block: usize) {
        // SAFETY: every caller owns the block it frees and frees it once.
        unsafe { libc::free(block as *mut libc::c_void) };
    }

    pub fn main() -> ExitCode {
        match env::args().nth(1).as_deref() {
            Some("larson") => larson(),
            Some("xmalloc") => xmalloc(),
            Some("cache-thrash") => cache_thrash(),
            Some("fragmentation") => fragmentation(),
            _ => {
                eprintln!("usage: stress larson|xmalloc|cache-thrash|fragmentation");
                return ExitCode::from(2);
            }
        }
        ExitCode::SUCCESS
    }

    /// A server, after Larson and Krishnan ("Memory allocation for long-running server
    /// applications", 1998): each thread replaces random blocks of its own, then ends and leaves its
    /// blocks to a successor, so that blocks are freed by other threads than those that made them.
    fn larson() {
        const THREADS: u64 = 8;
        const GENERATIONS: u64 = 10;
        const BLOCKS: usize = 1_000;
        const REPLACEMENTS: usize = 400_000;
        let size = |random: &mut Random| 10 + random.below(491);

        fn generation(
            mut blocks: Vec<usize>,
            seed: u64,
            size: fn(&mut Random) -> usize,
        ) -> Vec<usize> {
            let mut random = Random::new(seed);
            for _ in 0..REPLACEMENTS {
                let slot = random.below(BLOCKS);
                free(blocks[slot]);
                blocks[slot] = allocate(size(&mut random));
            }
            blocks
        }
        let servers: Vec<_> = (0..THREADS)
            .map(|server| {
                let mut random = Random::new(server);
                let mut blocks: Vec<_> = (0..BLOCKS).map(|_| allocate(size(&mut random))).collect();
                thread::spawn(move || {
                    for number in 0..GENERATIONS {
                        let seed = server * GENERATIONS + number;
                        let successor = thread::spawn(move || generation(blocks, seed, size));
                        blocks = successor.join().expect("a generation ends");
                    }
                    blocks.into_iter().for_each(free);
                })
            })
            .collect();
        for server in servers {
            server.join().expect("a server ends");
        }
    }

    /// Producers and consumers, after Lever and Boreham ("malloc() performance in a multithreaded
    /// Linux environment", 2000): some threads only allocate, others only free.
    fn xmalloc() {
        const PAIRS: u64 = 2;
        const BATCHES: u64 = 60_000;
        const BATCH: usize = 120;
        const SIZES: [usize; 8] = [16, 32, 64, 96, 128, 256, 512, 1024];
        let pairs: Vec<_> = (0..PAIRS)
            .flat_map(|pair| {
                let (give, take) = sync_channel::<[usize; BATCH]>(16);
                let producer = thread::spawn(move || {
                    let mut random = Random::new(pair);
                    for _ in 0..BATCHES {
                        let batch =
                            std::array::from_fn(|_| allocate(SIZES[random.below(SIZES.len())]));
                        if give.send(batch).is_err() {
                            return;
                        }
                    }
                });
                let consumer = thread::spawn(move || take.into_iter().flatten().for_each(free));
                [producer, consumer]
            })
            .collect();
        for thread in pairs {
            thread.join().expect("a thread ends");
        }
    }

    /// Two threads with tiny blocks that they write to again and again, after the benchmarks of
    /// Hoard (Berger, McKinley, Blumofe, Wilson, 2000): slow where an allocator puts blocks of
    /// different threads into one cache line, also after one thread freed what another had made.
    fn cache_thrash() {
        const ROUNDS: usize = 1_000_000;
        const WRITES: usize = 100;
        let passed: Vec<usize> = (0..2).map(|_| allocate(8)).collect();
        let threads: Vec<_> = passed
            .into_iter()
            .map(|from_another| {
                thread::spawn(move || {
                    free(from_another);
                    for _ in 0..ROUNDS {
                        let block = allocate(8);
                        for _ in 0..WRITES {
                            let at = block as *mut u64;
                            // SAFETY: the block is ours and has 8 bytes.
                            unsafe { at.write_volatile(at.read_volatile() + 1) };
                        }
                        free(block);
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("a thread ends");
        }
    }

    /// Holes that the next request does not fit, after Robson's worst case ("Worst case fragmentation
    /// of first fit and best fit storage allocation strategies", 1977): fill, free most and pin the
    /// rest, then ask for more than a hole holds.
    fn fragmentation() {
        const BYTES: usize = 24 << 20;
        const PINNED: usize = 16;
        let mut random = Random::new(1);
        let mut pinned = Vec::new();
        let mut size = 16;
        while size <= 64 << 10 {
            for _ in 0..3 {
                let mut blocks: Vec<usize> = (0..BYTES / size)
                    .map(|_| {
                        let block = allocate(size);
                        // SAFETY: the block is ours and has `size` bytes.
                        unsafe { (block as *mut u8).write_bytes(1, size) };
                        block
                    })
                    .collect();
                random.shuffle(&mut blocks);
                let stay = blocks.split_off(blocks.len() - blocks.len() / PINNED);
                pinned.extend(stay);
                blocks.into_iter().for_each(free);
            }
            // Half of what is pinned goes as well, by chance.
            random.shuffle(&mut pinned);
            pinned
                .split_off(pinned.len() / 2)
                .into_iter()
                .for_each(free);
            size = size * 7 / 4;
        }
        pinned.into_iter().for_each(free);
    }
}
