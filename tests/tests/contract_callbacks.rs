//! Reliability line R11: with its lock held the library calls nobody but the commit routine, whose
//! calls back are refused; it reports misuse with no lock held, and never uses the program's
//! allocator.
#![cfg(not(all(feature = "oracle", windows)))]

use core::cell::Cell;
use core::ffi::c_void;
use core::ptr::{NonNull, null_mut};
use std::alloc::{GlobalAlloc, Layout, System};

use rtl_heap::failure::HeapFailure;
use rtl_heap::heap_lock::{CallerLock, LockTable};
use rtl_heap::nt::{self, CreateRequest, HeapHandle};
use rtl_heap::{
    CommitRoutine, HeapFlags, HeapParameters, Limits, PAGE, Status, caller_memory, hooks,
};

const NONE: HeapFlags = HeapFlags::empty();

thread_local! {
    /// Calls of the program's allocator by this thread.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, counted.
struct Counted;

// SAFETY: every call is the system allocator's.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promises.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static COUNTED: Counted = Counted;

#[test]
fn no_call_uses_the_program_s_allocator() {
    let before = ALLOCATIONS.get();
    drop(std::hint::black_box(Box::new(1)));
    assert_eq!(
        ALLOCATIONS.get() - before,
        2,
        "the allocator is not counted"
    );

    let before = ALLOCATIONS.get();
    let mut blocks = [null_mut::<u8>(); 200];
    for limits in [Limits::WINDOWS, Limits::DOCUMENTED] {
        // SAFETY: no caller memory, lock or routine is involved.
        let heap = unsafe { nt::create_heap(&CreateRequest::new(limits)) }.expect("a heap");
        for (number, block) in blocks.iter_mut().enumerate() {
            let size = number * number * 40;
            *block = nt::allocate(heap, HeapFlags::ZERO_MEMORY, size)
                .expect("a block")
                .as_ptr();
        }
        for (number, block) in blocks.iter_mut().enumerate() {
            // SAFETY: the block is ours.
            let moved = unsafe { nt::reallocate(heap, NONE, *block, 3000 * (number % 9)) };
            *block = moved.expect("a block").as_ptr();
        }
        assert!(nt::validate(heap, NONE, None));
        for block in blocks {
            // SAFETY: the block is ours, then not any more, which is refused.
            unsafe {
                assert_eq!(nt::free(heap, NONE, block), Ok(()));
                assert!(nt::free(heap, NONE, block).is_err());
            }
        }
        nt::compact(heap, NONE).expect("a heap");
        let mut handles = [0; 8];
        assert!(nt::process_heaps(&mut handles) >= 2);
        // SAFETY: nobody uses the heap any more.
        assert_eq!(unsafe { nt::destroy_heap(heap) }, Ok(()));
    }
    assert_eq!(
        ALLOCATIONS.get(),
        before,
        "a call used the program's allocator"
    );
}

thread_local! {
    /// How deep this thread has taken the caller's lock.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
    /// How deep it was taken at each report on this thread, summed, and the number of reports.
    static REPORTS: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

unsafe extern "C" fn enter(_context: *mut c_void) {
    DEPTH.set(DEPTH.get() + 1);
}

unsafe extern "C" fn leave(_context: *mut c_void) {
    DEPTH.set(DEPTH.get() - 1);
}

fn look_at_the_lock(_failure: &HeapFailure) {
    let (held, reports) = REPORTS.get();
    REPORTS.set((held + DEPTH.get(), reports + 1));
}

#[test]
fn reports_are_made_with_no_lock_held() {
    let mut request = CreateRequest::new(Limits::WINDOWS);
    request.lock = CallerLock::Table(LockTable {
        enter,
        leave,
        context: null_mut(),
    });
    // SAFETY: the lock's functions live for ever.
    let heap = unsafe { nt::create_heap(&request) }.expect("a heap");
    hooks::set_failure_handler(Some(look_at_the_lock));
    let block = nt::allocate(heap, NONE, 100).expect("a block").as_ptr();
    nt::lock(heap).expect("a heap");
    assert_eq!(DEPTH.get(), 1, "the caller's lock is not used");
    nt::unlock(heap).expect("a heap");
    let inside = block.wrapping_add(16);
    // SAFETY: what is no block is refused; the block is ours, once.
    unsafe {
        assert!(nt::free(heap, NONE, inside).is_err());
        assert!(nt::reallocate(heap, NONE, inside, 1).is_err());
        assert!(nt::size(heap, NONE, inside).is_err());
        assert_eq!(nt::free(heap, NONE, block), Ok(()));
        assert!(nt::free(heap, NONE, block).is_err());
    }
    assert_eq!(REPORTS.get(), (0, 4), "depth and number of reports");
    assert_eq!(DEPTH.get(), 0);
    // SAFETY: nobody uses the heap any more.
    assert_eq!(unsafe { nt::destroy_heap(heap) }, Ok(()));
}

/// What the commit routine does before it commits.
#[derive(Clone, Copy)]
struct Plan {
    heap: HeapHandle,
    block: *mut u8,
    calls: usize,
}

thread_local! {
    static PLAN: Cell<Option<Plan>> = const { Cell::new(None) };
}

unsafe extern "system-unwind" fn call_back(
    _base: *mut c_void,
    address: *mut *mut c_void,
    size: *mut usize,
) -> i32 {
    if let Some(mut plan) = PLAN.take() {
        let Plan { heap, block, .. } = plan;
        // What changes the heap is refused while it is half-way.
        for size in [1, 100, 0x4000, 0x20_0000] {
            assert_eq!(nt::allocate(heap, NONE, size), Err(Status::NO_MEMORY));
        }
        // SAFETY: the block is the test's; nothing happens to it.
        unsafe {
            assert!(nt::reallocate(heap, NONE, block, 10).is_err());
            assert!(nt::reallocate(heap, NONE, block, 0x4000).is_err());
            assert!(nt::free(heap, NONE, block).is_err());
        }
        // What only looks may answer.
        let _ = nt::size(heap, NONE, block);
        assert_eq!(nt::lock(heap), Ok(()));
        assert_eq!(nt::unlock(heap), Ok(()));
        plan.calls += 1;
        PLAN.set(Some(plan));
    }
    // SAFETY: the heap passes two variables of its own.
    unsafe { caller_memory::commit(*address as usize, *size) }.map_or_else(|error| error.0, |()| 0)
}

#[test]
fn calls_back_by_the_commit_routine_are_refused() {
    const SIZE: usize = 0x10_0000;
    let memory = caller_memory::reserve(SIZE).expect("memory");
    // SAFETY: the reservation is ours.
    unsafe { caller_memory::commit(memory.as_ptr() as usize, PAGE) }.expect("memory");
    let routine: CommitRoutine = call_back;
    let mut request = CreateRequest::new(Limits::WINDOWS);
    request.flags = NONE;
    request.base = NonNull::new(memory.as_ptr());
    request.parameters = HeapParameters {
        initial_commit: PAGE,
        initial_reserve: SIZE,
        commit_routine: Some(routine),
        ..HeapParameters::default()
    };
    // SAFETY: the memory is the heap's alone, the routine lives for ever.
    let heap = unsafe { nt::create_heap(&request) }.expect("a heap");
    let block = nt::allocate(heap, NONE, 200).expect("a block").as_ptr();
    PLAN.set(Some(Plan {
        heap,
        block,
        calls: 0,
    }));
    let mut sizes = (0..).map(|number| number * 0x700);
    while nt::allocate(heap, NONE, sizes.next().expect("sizes")).is_ok() {
        assert!(nt::validate(heap, NONE, None));
    }
    let calls = PLAN.take().map_or(0, |plan| plan.calls);
    assert!(calls > 5, "the routine was called {calls} times");
    assert_eq!(nt::size(heap, NONE, block), Ok(200));
    // SAFETY: the block is ours; nobody uses the heap after it.
    unsafe {
        assert_eq!(nt::free(heap, NONE, block), Ok(()));
        assert_eq!(nt::destroy_heap(heap), Ok(()));
        assert_eq!(caller_memory::release(memory.as_ptr() as usize), Ok(()));
    }
}
