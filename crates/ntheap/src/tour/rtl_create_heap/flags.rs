//! The part on `Flags`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::{fixed, of, sizes};
use crate::tour::calls::{
    GENERATE_EXCEPTIONS, GROWABLE, NO_SERIALIZE, RtlCreateHeap, raised_by, shown,
};
use crate::tour::row::Tour;

const STATUS_NO_MEMORY: u32 = 0xC000_0017;

/// Goes through the part.
pub fn flags(tour: &mut Tour) {
    tour.section("Flags");
    let call = RtlCreateHeap {
        flags: GENERATE_EXCEPTIONS,
        ..fixed(0x1_0000)
    };
    let heap = call.call();
    let (block, code) = raised_by(|| of(&heap, |heap| heap.allocate(0x2_0000)));
    tour.row(
        "HEAP_GENERATE_EXCEPTIONS: \"indicate a heap failure by raising an exception, such as \
         STATUS_NO_MEMORY, instead of returning NULL\"",
        format!("{call}, RtlAllocateHeap(heap, 0, 0x20000)"),
        (
            format!("exception {code:#010x} was raised"),
            block == Some(None) && code == STATUS_NO_MEMORY,
        ),
    );

    let call = sizes(0x1_0000, 0);
    let heap = call.call();
    let count = of(&heap, |heap| heap.exhaust(0x1_0000, 64).len()).unwrap_or(0);
    tour.row(
        "HEAP_GROWABLE: \"the heap is growable\"",
        format!("{call}, 64 x RtlAllocateHeap(heap, 0, 0x10000)"),
        (format!("{count} blocks of 0x10000 bytes"), count == 64),
    );

    let call = fixed(0x1_0000);
    let heap = call.call();
    let count = of(&heap, |heap| heap.exhaust(0x1000, 64).len());
    tour.row(
        "\"Must be specified if HeapBase is NULL\" [taken as: without it the heap cannot grow, as \
         HeapCreate has it for a maximum size]",
        format!("{call}, RtlAllocateHeap(heap, 0, 0x1000) until NULL"),
        (
            format!(
                "{}, {} blocks of 0x1000 bytes",
                shown(&heap),
                count.unwrap_or(0)
            ),
            count.is_some_and(|count| (1..16).contains(&count)),
        ),
    );

    serialization(tour);
}

fn serialization(tour: &mut Tour) {
    let call = RtlCreateHeap {
        flags: GROWABLE | NO_SERIALIZE,
        ..RtlCreateHeap::default()
    };
    let unlocked = call.call().map(|heap| {
        let locked = heap.lock();
        // Another thread could not allocate now if there were a lock.
        let allocated = thread::scope(|scope| {
            scope
                .spawn(|| heap.allocate(64).is_some())
                .join()
                .unwrap_or(false)
        });
        locked && allocated
    });
    tour.row(
        "HEAP_NO_SERIALIZE: \"mutual exclusion will not be used when the heap functions allocate \
         and free memory from this heap\"",
        format!("{call}, RtlLockHeap(heap), RtlAllocateHeap(heap, 0, 64) in another thread"),
        (
            if unlocked == Some(true) {
                "the other thread had its block"
            } else {
                "no block"
            },
            unlocked == Some(true),
        ),
    );

    let call = sizes(0, 0);
    let waited = call.call().map(|heap| {
        let had = AtomicBool::new(false);
        let locked = heap.lock();
        thread::scope(|scope| {
            let other = scope.spawn(|| {
                let block = heap.allocate(64);
                had.store(true, Ordering::SeqCst);
                block.is_some()
            });
            for _ in 0..1000 {
                thread::yield_now();
            }
            let early = had.load(Ordering::SeqCst);
            let unlocked = heap.unlock();
            locked && unlocked && !early && other.join().unwrap_or(false)
        })
    });
    tour.row(
        "\"The default, when HEAP_NO_SERIALIZE is not specified, is to serialize access\"",
        format!("{call}, RtlLockHeap(heap), RtlAllocateHeap(heap, 0, 64) in another thread"),
        (
            if waited == Some(true) {
                "the other thread had its block after RtlUnlockHeap, not before"
            } else {
                "the other thread did not wait"
            },
            waited == Some(true),
        ),
    );

    let call = sizes(0, 0);
    let sound = call.call().map(|heap| {
        let work = || {
            (1..5000).all(|size| {
                heap.allocate(size)
                    .is_some_and(|block| heap.size(block) == size && heap.free(block))
            })
        };
        thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
            threads
                .into_iter()
                .all(|thread| thread.join().unwrap_or(false))
        })
    });
    tour.row(
        "\"Serialization of heap access allows two or more threads to simultaneously allocate and \
         free memory from the same heap\"",
        format!("{call}, 4 threads x 4999 x (RtlAllocateHeap, RtlSizeHeap, RtlFreeHeap)"),
        (
            if sound == Some(true) {
                "every block had its size and was freed"
            } else {
                "damage"
            },
            sound == Some(true),
        ),
    );
}
