//! Threads on one serialised heap: nothing is lost, nothing is handed out twice (R1, R10).
#![cfg(not(all(feature = "oracle", windows)))]

use std::sync::{Barrier, Mutex};
use std::thread;

use proptest::prelude::*;
use rtl_heap::nt::{self, HeapHandle};
use rtl_heap::{HeapFlags, Status};
use rtl_heap_tests::model::contents::Contents;
use rtl_heap_tests::model::from_seed;
use rtl_heap_tests::model::shape::{Memory, Shape};
use rtl_heap_tests::model::subject::Subject;

const THREADS: usize = 4;
const STEPS: usize = if cfg!(tsan) { 2_000 } else { 20_000 };
/// Places where one thread leaves a block for whoever comes next.
const PLACES: usize = 64;

#[derive(Clone, Copy, Debug)]
struct Block {
    address: usize,
    size: usize,
    contents: Contents,
}

fn allocate(heap: HeapHandle, size: usize, number: usize) -> Block {
    let block = nt::allocate(heap, HeapFlags::empty(), size).expect("a block");
    let contents = Contents::numbered(number);
    // SAFETY: the block is ours and `size` long.
    unsafe { contents.write(block.as_ptr(), size) };
    Block {
        address: block.as_ptr() as usize,
        size,
        contents,
    }
}

fn check(heap: HeapHandle, block: Block) {
    let pointer = block.address as *const u8;
    assert_eq!(nt::size(heap, HeapFlags::empty(), pointer), Ok(block.size));
    // SAFETY: the block was left to us.
    assert!(unsafe { block.contents.stands_at(pointer, block.size) });
}

fn free(heap: HeapHandle, block: Block) -> Result<(), Status> {
    // SAFETY: the block was left to us, or is freed twice, which is to be refused.
    unsafe { nt::free(heap, HeapFlags::empty(), block.address as *mut u8) }
}

fn reallocate(heap: HeapHandle, block: Block, size: usize) -> Block {
    let flags = HeapFlags::empty();
    // SAFETY: the block was left to us.
    let moved = unsafe { nt::reallocate(heap, flags, block.address as *mut u8, size) };
    let moved = moved.expect("a block").as_ptr();
    // SAFETY: the block is ours and `size` long.
    unsafe {
        assert!(block.contents.stands_at(moved, block.size.min(size)));
        block.contents.write(moved, size);
    }
    Block {
        address: moved as usize,
        size,
        ..block
    }
}

/// One thread's life: it makes blocks of up to `largest` bytes, swaps them for those that others
/// left, checks and frees.
fn work(heap: HeapHandle, places: &[Mutex<Option<Block>>], thread: u8, largest: usize) {
    let sizes = prop_oneof![
        60 => 0..400usize,
        8 => 0..0x4000usize,
        1 => 0..largest,
    ];
    let plan = proptest::collection::vec((0..PLACES, sizes, 0..20u8), STEPS);
    for (number, (place, size, what)) in from_seed(&plan, thread).into_iter().enumerate() {
        let mine = allocate(heap, size, number * THREADS + usize::from(thread));
        let theirs = places[place]
            .lock()
            .expect("no thread failed")
            .replace(mine);
        let Some(theirs) = theirs else { continue };
        check(heap, theirs);
        let theirs = match what {
            0..4 => reallocate(heap, theirs, theirs.size / 2 + size / 2),
            _ => theirs,
        };
        if what == 19 {
            nt::compact(heap, HeapFlags::empty()).expect("a heap");
            assert!(nt::validate(heap, HeapFlags::empty(), None));
        }
        assert_eq!(free(heap, theirs), Ok(()));
    }
}

#[test]
fn blocks_wander_between_threads() {
    let fixed = Shape {
        memory: Memory::Committed(0x400_0000),
        growable: false,
        ..Shape::plain()
    };
    let mut eager = Shape::plain();
    eager.parameters.virtual_memory_threshold = 0x2000;
    eager.parameters.decommit_total_free_threshold = 1;
    for shape in [Shape::plain(), eager, fixed] {
        let subject = Subject::create(&shape, None).expect("a heap");
        let heap = subject.handle();
        let fresh = nt::accounting(heap).expect("a heap");
        let places: Vec<_> = (0..PLACES).map(|_| Mutex::new(None)).collect();
        let largest = if shape.growable { 0x14_0000 } else { 0x4_0000 };
        thread::scope(|scope| {
            let mut threads = Vec::new();
            for thread in 0..THREADS as u8 {
                let places = &places;
                threads.push(scope.spawn(move || work(heap, places, thread, largest)));
            }
            // The scope's own end does not wait for what a thread does at its end.
            threads
                .into_iter()
                .for_each(|thread| thread.join().expect("it did not fail"));
        });
        for place in places {
            if let Some(block) = place.into_inner().expect("no thread failed") {
                check(heap, block);
                assert_eq!(free(heap, block), Ok(()));
            }
        }
        nt::compact(heap, HeapFlags::empty()).expect("a heap");
        assert!(nt::validate(heap, HeapFlags::empty(), None));
        let after = nt::accounting(heap).expect("a heap");
        assert_eq!((after.live_blocks, after.live_bytes), (0, 0));
        assert_eq!(after.reserved, fresh.reserved);
        assert_eq!(after.committed, fresh.committed);
    }
}

#[test]
fn of_threads_that_free_a_block_exactly_one_succeeds() {
    const ROUNDS: usize = if cfg!(tsan) { 50 } else { 500 };
    const BLOCKS: usize = 40;
    let subject = Subject::create(&Shape::plain(), None).expect("a heap");
    let heap = subject.handle();
    let barrier = Barrier::new(THREADS);
    let round = Mutex::new(Vec::new());
    let freed: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (barrier, round) = (&barrier, &round);
                scope.spawn(move || {
                    let mut freed = 0;
                    for number in 0..ROUNDS {
                        if thread == 0 {
                            let sizes = (0..BLOCKS).map(|block| block * block * (number % 9 + 1));
                            let blocks = sizes.map(|size| allocate(heap, size, number));
                            *round.lock().expect("no thread failed") = blocks.collect();
                        }
                        barrier.wait();
                        let blocks: Vec<Block> = round.lock().expect("no thread failed").clone();
                        // Nobody allocates until all have tried to free every block.
                        barrier.wait();
                        freed += blocks
                            .iter()
                            .filter(|block| free(heap, **block).is_ok())
                            .count();
                        barrier.wait();
                    }
                    freed
                })
            })
            .collect();
        let counts = threads
            .into_iter()
            .map(|it| it.join().expect("no thread failed"));
        counts.sum()
    });
    assert_eq!(freed, ROUNDS * BLOCKS);
    assert!(nt::validate(heap, HeapFlags::empty(), None));
    assert_eq!(nt::accounting(heap).expect("a heap").live_blocks, 0);
}
