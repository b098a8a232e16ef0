//! No call of the platform, the first in a thread included, asks Rust's allocator for memory: a
//! heap that is that allocator would call itself.

#![cfg(feature = "os")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst};

use rtl_platform::os::OS_VM;
use rtl_platform::thread::ThreadBlock;
use rtl_platform::vm::{Protection, Vm, Window};
use rtl_platform::{errno, fork, process, random, stack, thread, wait};

/// Counts what the watched thread allocates.
struct Counting;

static WATCHED: AtomicUsize = AtomicUsize::new(0);
static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is the system allocator's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let watched = WATCHED.load(SeqCst);
        if watched != 0 && watched == thread::id() {
            ALLOCATIONS.fetch_add(1, SeqCst);
        }
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

static EXITS: AtomicUsize = AtomicUsize::new(0);

unsafe fn exit(_: NonNull<ThreadBlock>) {
    EXITS.fetch_add(1, SeqCst);
}

extern "C" fn hook() {}

fn every_call() {
    let _ = thread::block();
    // SAFETY: the routine is fit to run at this thread's end.
    unsafe { thread::arm(exit) };
    assert!(!thread::is_exiting());
    let _ = random::u64();
    let word = AtomicU32::new(0);
    wait::wait(&word, 1);
    wait::wake_all(&word);
    wait::wake_one(&word);
    wait::pause();
    let _ = stack::capture(&mut [0; 16]);
    errno::set(errno::get());
    let _ = process::has_exceptions();
    let window = Window {
        low: 1 << 31,
        high: usize::MAX,
        top_down: true,
    };
    for window in [None, Some(window)] {
        let base = OS_VM
            .reserve_and_commit(0x10_0000, 0x1000, Protection::ReadWrite, window)
            .expect("1 MiB");
        OS_VM
            .query(base.as_ptr().addr())
            .expect("an account of the address space");
        // SAFETY: the test's own reservation, of which it uses nothing.
        unsafe { OS_VM.commit(base, 0x10_0000, Protection::ReadWrite) }.expect("1 MiB");
        // SAFETY: as above.
        unsafe { OS_VM.protect(base, 0x1000, Protection::ReadOnly) }.expect("a page");
        // SAFETY: as above; the range is committed and writable.
        unsafe { OS_VM.decommit(base.add(0x1_0000), 0x1_0000) }.expect("pages given back");
        // SAFETY: the whole reservation.
        unsafe { OS_VM.release(base, 0x10_0000) }.expect("a reservation given back");
    }
}

#[test]
fn no_call_allocates() {
    // The C library may allocate to remember fork hooks, so they are set before.
    assert!(fork::at_fork(hook, hook, hook));
    std::thread::spawn(|| {
        WATCHED.store(thread::id(), SeqCst);
        every_call();
        every_call();
        let allocations = ALLOCATIONS.load(SeqCst);
        // The count counts: an allocation now is seen.
        drop(std::hint::black_box(Box::new(1)));
        assert_eq!(ALLOCATIONS.load(SeqCst), allocations + 1);
        WATCHED.store(0, SeqCst);
        assert_eq!(allocations, 0);
    })
    .join()
    .expect("no panic");
    assert_eq!(EXITS.load(SeqCst), 1);
}
