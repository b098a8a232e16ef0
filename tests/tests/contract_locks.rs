//! Reliability line R12: the order of locks is process list, then heap; a heap's lock is recursive,
//! and its misuse is reported and changes nothing.
#![cfg(not(all(feature = "oracle", windows)))]

use core::ffi::c_void;
use core::ptr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::thread;

use rtl_heap::heap_lock::{CallerLock, LockTable};
use rtl_heap::nt::{self, CreateRequest, HeapHandle};
use rtl_heap::{HeapFlags, Limits, Status};

const NONE: HeapFlags = HeapFlags::empty();

/// What a caller's lock saw.
#[derive(Default)]
struct Calls {
    enters: AtomicUsize,
    leaves: AtomicUsize,
}

impl Calls {
    fn now(&self) -> (usize, usize) {
        (self.enters.load(SeqCst), self.leaves.load(SeqCst))
    }
}

unsafe extern "C" fn enter(context: *mut c_void) {
    // SAFETY: the context is the test's `Calls`.
    unsafe { &*context.cast::<Calls>() }
        .enters
        .fetch_add(1, SeqCst);
}

unsafe extern "C" fn leave(context: *mut c_void) {
    // SAFETY: as in `enter`.
    unsafe { &*context.cast::<Calls>() }
        .leaves
        .fetch_add(1, SeqCst);
}

fn create(calls: Option<&Calls>) -> HeapHandle {
    let mut request = CreateRequest::new(Limits::WINDOWS);
    if let Some(calls) = calls {
        request.lock = CallerLock::Table(LockTable {
            enter,
            leave,
            context: ptr::from_ref(calls).cast_mut().cast(),
        });
    }
    // SAFETY: the caller's lock outlives the heap in every test.
    unsafe { nt::create_heap(&request) }.expect("a heap")
}

fn destroy(heap: HeapHandle) {
    // SAFETY: nobody uses the heap any more.
    assert_eq!(unsafe { nt::destroy_heap(heap) }, Ok(()));
}

#[test]
fn the_owner_enters_as_often_as_it_likes_and_leaves_as_often() {
    let calls = Calls::default();
    let heap = create(Some(&calls));
    let start = calls.now();
    for _ in 0..3 {
        assert_eq!(nt::lock(heap), Ok(()));
    }
    let block = nt::allocate(heap, NONE, 100).expect("a block").as_ptr();
    // SAFETY: the block is ours.
    assert_eq!(unsafe { nt::free(heap, NONE, block) }, Ok(()));
    assert!(nt::validate(heap, NONE, None));
    assert_eq!(
        calls.now(),
        (start.0 + 1, start.1),
        "one lock below, however deep"
    );
    for _ in 0..2 {
        assert_eq!(nt::unlock(heap), Ok(()));
        assert_eq!(calls.now(), (start.0 + 1, start.1), "given back too early");
    }
    assert_eq!(nt::unlock(heap), Ok(()));
    assert_eq!(calls.now(), (start.0 + 1, start.1 + 1));
    for _ in 0..2 {
        assert_eq!(nt::unlock(heap), Err(Status::RESOURCE_NOT_OWNED));
        assert_eq!(
            calls.now(),
            (start.0 + 1, start.1 + 1),
            "a refused unlock unlocked"
        );
    }
    let before = calls.now();
    let block = nt::allocate(heap, NONE, 100).expect("a block").as_ptr();
    assert_eq!(
        calls.now(),
        (before.0 + 1, before.1 + 1),
        "a call takes the lock once"
    );
    let unserialized = HeapFlags::NO_SERIALIZE;
    // SAFETY: the block is ours.
    assert_eq!(unsafe { nt::free(heap, unserialized, block) }, Ok(()));
    assert_eq!(
        calls.now(),
        (before.0 + 1, before.1 + 1),
        "not serialised, yet locked"
    );
    destroy(heap);
}

#[test]
fn nobody_unlocks_for_the_owner() {
    let heap = create(None);
    let unlocked = &AtomicUsize::new(0);
    assert_eq!(nt::lock(heap), Ok(()));
    thread::scope(|scope| {
        let other = scope.spawn(|| nt::unlock(heap));
        assert_eq!(
            other.join().expect("a thread"),
            Err(Status::RESOURCE_NOT_OWNED)
        );
        // Still ours: what another thread does to the heap happens after we say so.
        let (say, hear) = channel();
        let other = scope.spawn(move || {
            say.send(()).expect("a listener");
            let block = nt::allocate(heap, NONE, 1).expect("a block").as_ptr();
            (unlocked.load(SeqCst), block as usize)
        });
        hear.recv().expect("a speaker");
        for _ in 0..1000 {
            thread::yield_now();
        }
        unlocked.store(1, SeqCst);
        assert_eq!(nt::unlock(heap), Ok(()));
        let (was_unlocked, _) = other.join().expect("a thread");
        assert_eq!(was_unlocked, 1, "the lock was not held");
    });
    destroy(heap);
}

#[test]
fn a_held_heap_stops_no_other_heap_and_no_list() {
    // Were a heap's lock taken before the list's, or by those who only read the list, the other
    // thread would wait for ever.
    let held = create(None);
    assert_eq!(nt::lock(held), Ok(()));
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            for _ in 0..100 {
                let heap = create(None);
                let mut handles = [0; 64];
                let count = nt::process_heaps(&mut handles).min(handles.len());
                assert!(handles[..count].contains(&heap.0));
                assert!(handles[..count].contains(&held.0));
                let mut seen = 0;
                nt::for_each_process_heap(|_| {
                    seen += 1;
                    true
                });
                assert!(seen >= 2);
                destroy(heap);
            }
        });
        other.join().expect("a thread");
    });
    assert_eq!(nt::unlock(held), Ok(()));
    destroy(held);
}

#[test]
fn who_walks_the_list_may_use_the_heaps() {
    let heaps: Vec<_> = (0..4).map(|_| create(None)).collect();
    let heaps = &heaps;
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(move || {
                for _ in 0..200 {
                    nt::for_each_process_heap(|heap| {
                        if heaps.contains(&heap) {
                            assert_eq!(nt::lock(heap), Ok(()));
                            let block = nt::allocate(heap, NONE, 50).expect("a block").as_ptr();
                            // SAFETY: the block is ours.
                            assert_eq!(unsafe { nt::free(heap, NONE, block) }, Ok(()));
                            assert_eq!(nt::unlock(heap), Ok(()));
                        }
                        true
                    });
                }
            });
            scope.spawn(move || {
                for number in 0..200 {
                    let (heap, size) = (heaps[number % heaps.len()], 0x20_0000 + number);
                    let block = nt::allocate(heap, NONE, size).expect("a block").as_ptr();
                    // SAFETY: the block is ours.
                    assert_eq!(unsafe { nt::free(heap, NONE, block) }, Ok(()));
                    destroy(create(None));
                }
            });
        }
    });
    heaps.iter().copied().for_each(destroy);
}
