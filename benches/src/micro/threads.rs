//! The measured loops of several threads. The threads live as long as the contestant's work does,
//! wait between the stretches, and each reads its own CPU clock around what is measured, so that
//! waiting for one another is not counted.

use std::any::Any;
use std::hint;
use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use super::loops::{allocate_and_write, pairs};
use crate::clock::thread_ns;
use crate::contestants::Allocator;

/// Threads that do a job each time they are told.
pub struct Crew {
    orders: Vec<Sender<u64>>,
    reports: Receiver<u64>,
    members: Vec<JoinHandle<()>>,
    /// What the jobs use. A heap that goes before its threads do is too much for some.
    _kept: Arc<dyn Any>,
}

/// What a thread of a crew does: given the number of operations, returns nanoseconds.
pub type Job = Box<dyn FnMut(u64) -> u64 + Send>;

impl Crew {
    /// A thread per job. The threads end before `kept` goes.
    pub fn new(jobs: Vec<Job>, kept: Arc<dyn Any>) -> Crew {
        let (report, reports) = channel();
        let mut orders = Vec::new();
        let mut members = Vec::new();
        // Spread over the processors: two threads that take turns on one do not meet.
        let processors = thread::available_parallelism().map_or(1, usize::from);
        for (number, mut job) in jobs.into_iter().enumerate() {
            let (order, inbox) = channel();
            let report = report.clone();
            orders.push(order);
            members.push(thread::spawn(move || {
                affinity::stay_on(number % processors);
                for count in inbox {
                    if report.send(job(count)).is_err() {
                        return;
                    }
                }
            }));
        }
        Crew {
            orders,
            reports,
            members,
            _kept: kept,
        }
    }

    /// Every member does `count` operations; the sum of their nanoseconds.
    pub fn run(&self, count: u64) -> u64 {
        for order in &self.orders {
            order.send(count).expect("a member waits for orders");
        }
        let reports = self.orders.iter().map(|_| self.reports.recv());
        reports.map(|ns| ns.expect("a member reports")).sum()
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.orders.clear();
        for member in self.members.drain(..) {
            // A member that panicked has said so.
            let _ = member.join();
        }
    }
}

/// Each of `threads` threads runs pairs of `size` bytes on the same allocator. An operation is a
/// pair by each thread, its time the threads' mean.
pub fn shared_pairs<A: Allocator>(
    allocator: A,
    threads: usize,
    size: usize,
) -> impl FnMut(u64) -> u64 {
    const LIVE: usize = 100;
    let allocator = Arc::new(allocator);
    let start = Arc::new(Barrier::new(threads));
    let jobs = (0..threads).map(|_| -> Job {
        let (allocator, start) = (allocator.clone(), start.clone());
        // Other blocks of each thread's, as in the rows of one thread: with none, an allocator may
        // give its only page back at every turn.
        let mut live = Vec::new();
        Box::new(move |count| {
            live.resize_with(LIVE, || allocator.allocate(size) as usize);
            start.wait();
            let before = thread_ns();
            pairs(&*allocator, size, count);
            thread_ns() - before
        })
    });
    let crew = Crew::new(jobs.collect(), allocator);
    move |count| {
        let start = Instant::now();
        let ns = crew.run(count);
        if threads == 2 {
            together::note(ns, start.elapsed() * 2);
        }
        ns / threads as u64
    }
}

/// How much of the time two threads that were to run at once did run.
pub mod together {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    static RAN_NS: AtomicU64 = AtomicU64::new(0);
    static COULD_NS: AtomicU64 = AtomicU64::new(0);

    pub(super) fn note(ran_ns: u64, could: Duration) {
        // Relaxed: sums, read when all is over.
        RAN_NS.fetch_add(ran_ns, Ordering::Relaxed);
        COULD_NS.fetch_add(could.as_nanos() as u64, Ordering::Relaxed);
    }

    /// In parts of one; `None` if there were no such threads.
    pub fn part() -> Option<f64> {
        let could = COULD_NS.load(Ordering::Relaxed);
        (could > 0).then(|| RAN_NS.load(Ordering::Relaxed) as f64 / could as f64)
    }
}

#[cfg(target_os = "linux")]
mod affinity {
    /// The calling thread runs on this processor only, and before all others if the user may ask
    /// for that: on a busy machine two threads hardly ever run at once, and do not meet. Wishes:
    /// where they are refused, the figures are noisier.
    pub fn stay_on(processor: usize) {
        // SAFETY: a set of bits, all zero.
        let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
        // SAFETY: there are fewer processors than bits, or nothing is set.
        unsafe { libc::CPU_SET(processor, &mut set) };
        // SAFETY: the set is ours, of this size; 0 is the calling thread.
        unsafe { libc::sched_setaffinity(0, size_of_val(&set), &set) };
        let first = libc::sched_param { sched_priority: 1 };
        // SAFETY: the parameters are ours; 0 is the calling thread.
        unsafe { libc::sched_setscheduler(0, libc::SCHED_RR, &first) };
    }
}

#[cfg(not(target_os = "linux"))]
mod affinity {
    /// Left to the system.
    pub fn stay_on(_processor: usize) {}
}

/// Threads in a ring: each allocates a batch of blocks and frees the batch that its neighbour
/// allocated in the turn before, so that every block is freed by another thread. An operation is a
/// block by each thread, its time the threads' mean.
pub fn exchange<A: Allocator>(allocator: A, threads: usize, size: usize) -> impl FnMut(u64) -> u64 {
    const BATCH: usize = 100;
    let allocator = Arc::new(allocator);
    let start = Arc::new(Barrier::new(threads));
    let desks: Arc<Vec<Mutex<Vec<usize>>>> =
        Arc::new((0..threads).map(|_| Mutex::default()).collect());
    let jobs = (0..threads).map(|own| -> Job {
        let (allocator, start, desks) = (allocator.clone(), start.clone(), desks.clone());
        let mut blocks: Vec<usize> = Vec::with_capacity(BATCH);
        Box::new(move |count| {
            start.wait();
            let mut ns = 0;
            for _ in 0..count.div_ceil(BATCH as u64) {
                let before = thread_ns();
                for block in blocks.drain(..) {
                    // SAFETY: (1) whoever allocated it has put it on a desk and let go of it.
                    unsafe { allocator.free(block as *mut u8) };
                }
                for _ in 0..BATCH {
                    blocks.push(allocate_and_write(&*allocator, size) as usize);
                }
                ns += thread_ns() - before;
                // The lock is not measured. What lay there was the neighbour's of some turn before.
                let mut desk = desks[(own + 1) % threads].lock().expect("nobody panics");
                desk.append(&mut blocks);
                drop(desk);
                let mut desk = desks[own].lock().expect("nobody panics");
                mem::swap(&mut blocks, &mut desk);
            }
            (ns as f64 * count as f64 / count.next_multiple_of(BATCH as u64) as f64) as u64
        })
    });
    let crew = Crew::new(jobs.collect(), allocator);
    move |count| crew.run(count) / threads as u64
}

/// Blocks on their way from the thread that allocates to the one that frees: a few batches, each
/// handed over whole.
struct Belt {
    blocks: Vec<AtomicPtr<u8>>,
    /// Batches put on the belt, and taken from it, ever.
    put: AtomicU64,
    taken: AtomicU64,
}

impl Belt {
    const BATCH: usize = 1_000;
    const BATCHES: u64 = 4;

    fn new() -> Belt {
        let places = Self::BATCH * Self::BATCHES as usize;
        Belt {
            blocks: (0..places)
                .map(|_| AtomicPtr::new(ptr::null_mut()))
                .collect(),
            put: AtomicU64::new(0),
            taken: AtomicU64::new(0),
        }
    }

    fn batch(&self, number: u64) -> &[AtomicPtr<u8>] {
        let first = (number % Self::BATCHES) as usize * Self::BATCH;
        &self.blocks[first..first + Self::BATCH]
    }

    /// Waits until `ready` says so.
    fn wait(ready: impl Fn() -> bool) {
        while !ready() {
            thread::yield_now();
        }
    }

    fn produce<A: Allocator>(&self, allocator: &A, size: usize, batches: u64) -> u64 {
        let mut ns = 0;
        for _ in 0..batches {
            // Pairs with the release in `consume`; `put` is this thread's own.
            let number = self.put.load(Ordering::Relaxed);
            Self::wait(|| number - self.taken.load(Ordering::Acquire) < Self::BATCHES);
            let before = thread_ns();
            for place in self.batch(number) {
                // Relaxed: the batch is published as a whole.
                place.store(allocate_and_write(allocator, size), Ordering::Relaxed);
            }
            ns += thread_ns() - before;
            self.put.store(number + 1, Ordering::Release);
        }
        ns
    }

    fn consume<A: Allocator>(&self, allocator: &A, batches: u64) -> u64 {
        let mut ns = 0;
        for _ in 0..batches {
            // Pairs with the release in `produce`; `taken` is this thread's own.
            let number = self.taken.load(Ordering::Relaxed);
            Self::wait(|| self.put.load(Ordering::Acquire) > number);
            let before = thread_ns();
            for place in self.batch(number) {
                let block = place.load(Ordering::Relaxed);
                // SAFETY: a consumer reads what it was sent; the producer wrote a word and has
                // let go of the block.
                hint::black_box(unsafe { block.cast::<u64>().read() });
                // SAFETY: (1) it is ours now.
                unsafe { allocator.free(block) };
            }
            ns += thread_ns() - before;
            self.taken.store(number + 1, Ordering::Release);
        }
        ns
    }
}

/// One thread allocates and writes to blocks of `size` bytes, another reads and frees them. An
/// operation is a block, its time that of both threads; counts are rounded up to whole batches.
pub fn producer_consumer<A: Allocator>(allocator: A, size: usize) -> impl FnMut(u64) -> u64 {
    let allocator = Arc::new(allocator);
    let belt = Arc::new(Belt::new());
    let there = Arc::new(Barrier::new(2));
    let (giver, taker) = (allocator.clone(), allocator.clone());
    let (from, to) = (belt.clone(), belt);
    let (first, second) = (there.clone(), there);
    let jobs: Vec<Job> = vec![
        Box::new(move |batches| {
            first.wait();
            from.produce(&*giver, size, batches)
        }),
        Box::new(move |batches| {
            second.wait();
            to.consume(&*taker, batches)
        }),
    ];
    let crew = Crew::new(jobs, allocator);
    move |count| {
        let batches = count.div_ceil(Belt::BATCH as u64);
        // The caller divides by `count`.
        let ns = crew.run(batches) as f64;
        (ns * count as f64 / (batches * Belt::BATCH as u64) as f64) as u64
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicI64;

    use super::*;

    /// Counts blocks, which are words of Rust's own allocator.
    struct Counting(&'static AtomicI64);

    impl Allocator for Counting {
        fn allocate(&self, _size: usize) -> *mut u8 {
            self.0.fetch_add(1, Ordering::SeqCst);
            Box::into_raw(Box::new(0_u64)).cast()
        }
        unsafe fn reallocate(&self, block: *mut u8, _size: usize) -> *mut u8 {
            block
        }
        unsafe fn free(&self, block: *mut u8) {
            // SAFETY: it was a box of this type, and the caller has let go of it.
            drop(unsafe { Box::from_raw(block.cast::<u64>()) });
            self.0.fetch_add(-1, Ordering::SeqCst);
        }
        unsafe fn size(&self, _block: *mut u8) -> usize {
            8
        }
    }

    #[test]
    fn every_block_that_is_produced_is_consumed() {
        static LIVE: AtomicI64 = AtomicI64::new(0);
        let mut run = producer_consumer(Counting(&LIVE), 64);
        for count in [1, 999, 20_000] {
            run(count);
            assert_eq!(LIVE.load(Ordering::SeqCst), 0);
        }
    }
}
