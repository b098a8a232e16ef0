//! How fairly threads share a heap's lock, and the calls that take it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::library;

/// How long the threads contend.
const DURATION: Duration = Duration::from_millis(600);
/// Multiplications with the lock held, and as many without it: about a microsecond each.
const WORK: u32 = 700;

/// Threads take `HeapLock` again and again. Prints, for each number of threads, Jain's index of the
/// numbers of turns they got (1 when all got as many, 1/n when one got all), the least and the most
/// turns, and the longest wait.
pub fn measure() -> Value {
    println!("\nHeapLock under contention: a microsecond with it, a microsecond without");
    println!(
        "{:>8}{:>12}{:>10}{:>12}{:>12}{:>18}",
        "threads", "turns/s", "fairness", "least/s", "most/s", "longest wait ms"
    );
    let rows = [2, 4, 16].map(|threads| {
        let members = contend(threads);
        let seconds = DURATION.as_secs_f64();
        let turns: Vec<f64> = members
            .iter()
            .map(|member| member.turns as f64 / seconds)
            .collect();
        let total: f64 = turns.iter().sum();
        let squares: f64 = turns.iter().map(|turns| turns * turns).sum();
        let fairness = total * total / (squares * turns.len() as f64);
        let least = turns.iter().copied().fold(f64::INFINITY, f64::min);
        let most = turns.iter().copied().fold(0.0, f64::max);
        let longest = members.iter().map(|member| member.longest).max();
        let longest = longest.unwrap_or_default().as_secs_f64() * 1e3;
        println!(
            "{threads:>8}{total:>12.0}{fairness:>10.2}{least:>12.0}{most:>12.0}{longest:>18.2}"
        );
        json!({"threads": threads, "turns_per_s": total, "fairness": fairness, "least": least,
            "most": most, "longest_wait_ms": longest})
    });
    json!({"id": "lock-fairness", "rows": rows})
}

/// What a thread got.
#[derive(Default)]
struct Member {
    turns: u64,
    longest: Duration,
}

fn contend(threads: usize) -> Vec<Member> {
    let calls = library::open();
    // SAFETY: no caller memory or structure is involved.
    let heap = unsafe { (calls.heap_create)(0, 0, 0) };
    assert_ne!(heap, 0, "no heap");
    let is_over = Arc::new(AtomicBool::new(false));
    let members: Vec<_> = (0..threads)
        .map(|_| {
            let is_over = is_over.clone();
            thread::spawn(move || {
                let mut member = Member::default();
                // Relaxed: nothing is published with it.
                while !is_over.load(Ordering::Relaxed) {
                    let before = Instant::now();
                    // SAFETY: the heap lives until all threads have ended.
                    assert_ne!(unsafe { (calls.lock)(heap) }, 0);
                    member.longest = member.longest.max(before.elapsed());
                    work();
                    // SAFETY: this thread holds the lock.
                    assert_ne!(unsafe { (calls.unlock)(heap) }, 0);
                    member.turns += 1;
                    work();
                }
                member
            })
        })
        .collect();
    thread::sleep(DURATION);
    is_over.store(true, Ordering::Relaxed);
    let members = members
        .into_iter()
        .map(|member| member.join().expect("a thread that ends"));
    let members = members.collect();
    // SAFETY: nobody uses the heap any more.
    unsafe { (calls.destroy)(heap) };
    members
}

fn work() {
    let mut value = 1_u64;
    for _ in 0..WORK {
        value = std::hint::black_box(value.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    }
}
