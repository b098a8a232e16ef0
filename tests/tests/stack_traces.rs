//! Who allocated a block: `FLG_USER_STACK_TRACE_DB` (10.1), the classes `HeapStackDatabase` and
//! `HeapSetDebuggingInformation` (9), and the library's own question. What a trace holds depends on
//! the system; that it is the same for the same caller does not.
#![cfg(not(all(feature = "oracle", windows)))]

use core::ffi::c_void;
use std::ptr::{null, null_mut};

use rtl_heap_tests::abi::own::*;
use rtl_heap_tests::abi::*;
use rtl_heap_tests::child;
use rtl_heap_tests::debug::{flags_of, with_flags};
use rtl_heap_tests::heap::*;
use rtl_heap_tests::last_error::{PRESET, observe};

const TRACES: &str = "ust";
const STACK_DATABASE: u32 = 5;
const SET_DEBUGGING_INFORMATION: u32 = 0x8000_0002;

/// `RTL_HEAP_STACK_CONTROL`.
#[repr(C)]
struct Control {
    version: u16,
    flags: u16,
    process: HANDLE,
}

/// `RTL_HEAP_STACK_QUERY`.
#[repr(C)]
struct Query {
    version: u32,
    process: HANDLE,
    routine: Option<unsafe extern "system" fn(*const BlockStack, u32, *mut c_void) -> NTSTATUS>,
    context: *mut c_void,
    level: u8,
    flags: u8,
}

/// `rtlheap_block_stack`.
#[repr(C)]
struct BlockStack {
    address: *mut c_void,
    size: usize,
    count: u32,
    frames: *const *mut c_void,
}

/// `HEAP_DEBUGGING_INFORMATION`.
#[repr(C)]
struct Debugging {
    interceptor: usize,
    value: u16,
    options: u32,
    depth: u32,
    smallest: usize,
    largest: usize,
    leaks: usize,
}

impl Debugging {
    fn depth(depth: u32) -> Self {
        Debugging {
            interceptor: 0,
            value: 0,
            options: 0,
            depth,
            smallest: 0,
            largest: 0,
            leaks: 0,
        }
    }
}

/// Tells a heap, and says whether it took it, and the error if not.
fn tell<T>(heap: &TestHeap, class: u32, what: &mut T) -> Result<(), u32> {
    let at = (&raw mut *what).cast();
    let (taken, error) = observe(|| {
        // SAFETY: the value is as long as the call is told.
        unsafe { HeapSetInformation(heap.handle(), class, at, size_of::<T>()) }
    });
    if taken == TRUE { Ok(()) } else { Err(error) }
}

fn switch(heap: &TestHeap, flags: u16) -> Result<(), u32> {
    let mut control = Control {
        version: 1,
        flags,
        process: null_mut(),
    };
    tell(heap, STACK_DATABASE, &mut control)
}

/// The trace of a block, at most 64 frames.
fn trace(heap: &TestHeap, pointer: *const c_void) -> Vec<usize> {
    let mut frames = [null_mut(); 64];
    // SAFETY: the array has as much room as the call is told.
    let count = unsafe { rtlheap_block_trace(heap.handle(), 0, pointer, 64, frames.as_mut_ptr()) };
    frames[..count as usize]
        .iter()
        .map(|at| at.addr())
        .collect()
}

#[inline(never)]
fn allocated_here(heap: &TestHeap, count: usize) -> Vec<*mut c_void> {
    (0..count)
        .map(|_| HeapAlloc(heap.handle(), 0, 100))
        .collect()
}

/// The system tells who calls, here: always on Windows and ARM64, elsewhere as frame pointers go.
fn are_callers_known() -> bool {
    let heap = TestHeap::process();
    let known = !trace(&heap, allocated_here(&heap, 1)[0]).is_empty();
    assert!(known || !cfg!(any(windows, target_arch = "aarch64")));
    known
}

#[test]
fn the_flag_is_the_heaps() {
    with_flags("the_flag_is_the_heaps", TRACES, || {
        assert_eq!(flags_of(&TestHeap::process()), (0x0800_0002, 0x0800_0000));
    });
}

#[test]
fn blocks_of_one_caller_have_one_trace() {
    with_flags("blocks_of_one_caller_have_one_trace", TRACES, || {
        let heap = TestHeap::process();
        let blocks = allocated_here(&heap, 300);
        let first = trace(&heap, blocks[0]);
        assert_eq!(first.is_empty(), !are_callers_known());
        for block in &blocks {
            assert_eq!(trace(&heap, *block), first);
        }
        // Of those that are left, it stays.
        for block in blocks.iter().step_by(2) {
            assert_eq!(HeapFree(heap.handle(), 0, *block), TRUE);
        }
        for block in blocks.iter().skip(1).step_by(2) {
            assert_eq!(trace(&heap, *block), first);
        }
    });
}

#[test]
fn what_is_no_block_has_no_trace() {
    with_flags("what_is_no_block_has_no_trace", TRACES, || {
        let heap = TestHeap::process();
        let block = allocated_here(&heap, 1)[0];
        let ask = |heap: HANDLE, block| {
            // SAFETY: nothing is stored.
            observe(|| unsafe { rtlheap_block_trace(heap, 0, block, 0, null_mut()) })
        };
        let (count, error) = ask(heap.handle(), block.cast_const());
        assert_eq!(error, PRESET);
        assert_eq!(count != 0, are_callers_known());
        assert_eq!(HeapFree(heap.handle(), 0, block), TRUE);
        let (count, error) = ask(heap.handle(), block.cast_const());
        assert_eq!((count, error), (0, error::ERROR_INVALID_PARAMETER));
        let (count, error) = ask(null_mut(), null());
        assert_eq!((count, error), (0, error::ERROR_INVALID_HANDLE));
    });
}

#[test]
fn a_heap_that_does_not_record_has_no_traces() {
    let heap = TestHeap::new();
    for _ in 0..40 {
        assert_eq!(trace(&heap, heap.alloc(0, 24).pointer()), []);
    }
    assert_eq!(switch(&heap, 1), Err(error::ERROR_GEN_FAILURE));
}

#[test]
fn a_trace_moves_with_its_block() {
    with_flags("a_trace_moves_with_its_block", TRACES, || {
        let heap = TestHeap::process();
        let known = are_callers_known();
        let mut block = heap.alloc(0, 100);
        let old = block.pointer();
        let _fence = heap.alloc(0, 1);
        assert!(!heap.resize(0, &mut block, 5000));
        assert_eq!(!trace(&heap, block.pointer()).is_empty(), known);
        // A block that comes to lie where it was has a trace of its own.
        assert_eq!(switch(&heap, 2), Ok(()));
        let mut again = Vec::new();
        while again.last() != Some(&old) && again.len() < 100 {
            again.push(heap.alloc(0, 100).pointer());
        }
        for block in again {
            assert_eq!(trace(&heap, block), []);
        }
    });
}

#[test]
fn recording_is_switched_off_and_on() {
    with_flags("recording_is_switched_off_and_on", TRACES, || {
        let heap = TestHeap::new();
        let known = are_callers_known();
        let recorded = |heap: &TestHeap| !trace(heap, heap.alloc(0, 10).pointer()).is_empty();
        assert_eq!(recorded(&heap), known);
        assert_eq!(switch(&heap, 2), Ok(()));
        assert!(!recorded(&heap));
        assert_eq!(switch(&heap, 1), Ok(()));
        assert_eq!(recorded(&heap), known);
        assert_eq!(switch(&heap, 3), Err(error::ERROR_INVALID_PARAMETER));
    });
}

#[test]
fn depth_and_sizes_can_be_chosen() {
    with_flags("depth_and_sizes_can_be_chosen", TRACES, || {
        let heap = TestHeap::process();
        let known = are_callers_known();
        let class = SET_DEBUGGING_INFORMATION;
        assert_eq!(tell(&heap, class, &mut Debugging::depth(1)), Ok(()));
        let one = trace(&heap, heap.alloc(0, 10).pointer());
        assert_eq!(one.len(), usize::from(known));
        let mut some = Debugging {
            smallest: 100,
            largest: 200,
            ..Debugging::depth(0)
        };
        assert_eq!(tell(&heap, class, &mut some), Ok(()));
        for (size, traced) in [(99, false), (100, true), (200, true), (201, false)] {
            let found = trace(&heap, heap.alloc(0, size).pointer());
            assert_eq!(found.len(), usize::from(known && traced), "size {size}");
        }
        let refusals = [
            (Debugging::depth(33), error::ERROR_INVALID_PARAMETER),
            (
                Debugging {
                    options: 4,
                    ..Debugging::depth(1)
                },
                error::ERROR_INVALID_PARAMETER,
            ),
            (
                Debugging {
                    interceptor: 1,
                    ..Debugging::depth(1)
                },
                error::ERROR_INVALID_FUNCTION,
            ),
        ];
        for (mut refused, error) in refusals {
            assert_eq!(tell(&heap, class, &mut refused), Err(error));
        }
    });
}

#[test]
fn a_query_names_the_blocks_with_their_traces() {
    with_flags("a_query_names_the_blocks_with_their_traces", TRACES, || {
        let known = are_callers_known();
        let heap = TestHeap::new();
        let mut blocks = allocated_here(&heap, 5);
        blocks.push(HeapAlloc(heap.handle(), 0, 0x20_0000));
        let mut found: Vec<(usize, usize, Vec<usize>)> = Vec::new();
        let mut query = Query {
            version: 2,
            process: null_mut(),
            routine: Some(collect),
            context: (&raw mut found).cast(),
            level: 0,
            flags: 0,
        };
        let ask = |query: &mut Query| {
            let at = (&raw mut *query).cast();
            let size = size_of::<Query>();
            // SAFETY: the question is as long as the call is told, its routine may be called.
            let asked =
                unsafe { HeapQueryInformation(heap.handle(), STACK_DATABASE, at, size, None) };
            (asked, GetLastError())
        };
        assert_eq!(ask(&mut query).0, TRUE);
        let expected = if known { blocks.len() } else { 0 };
        assert_eq!(found.len(), expected);
        for (address, size, frames) in &found {
            let block = std::ptr::with_exposed_provenance_mut::<c_void>(*address);
            assert!(blocks.contains(&block));
            assert_eq!(heap.size_of(block), *size);
            assert_eq!(&trace(&heap, block), frames);
        }
        query.version = 1;
        assert_eq!(ask(&mut query), (FALSE, error::ERROR_INVALID_PARAMETER));
        query.version = 2;
        query.routine = None;
        assert_eq!(ask(&mut query), (FALSE, error::ERROR_INVALID_PARAMETER));
        if known {
            query.routine = Some(refuse);
            assert_eq!(ask(&mut query), (FALSE, error::ERROR_NOT_ENOUGH_MEMORY));
        }
    });
}

unsafe extern "system" fn collect(
    told: *const BlockStack,
    size: u32,
    context: *mut c_void,
) -> NTSTATUS {
    assert_eq!(size as usize, size_of::<BlockStack>());
    // SAFETY: the library passes what the query says, and the query's context.
    let (told, found) = unsafe {
        (
            &*told,
            &mut *context.cast::<Vec<(usize, usize, Vec<usize>)>>(),
        )
    };
    // SAFETY: as many frames lie there.
    let frames = unsafe { std::slice::from_raw_parts(told.frames, told.count as usize) };
    let frames = frames.iter().map(|at| at.addr()).collect();
    found.push((told.address.addr(), told.size, frames));
    0
}

unsafe extern "system" fn refuse(_: *const BlockStack, _: u32, _: *mut c_void) -> NTSTATUS {
    0xC000_0017_u32 as NTSTATUS
}

#[test]
fn a_report_tells_who_allocated_the_block() {
    let test = "a_report_tells_who_allocated_the_block";
    let ending = child::run_with(test, &[("RTLHEAP_GLOBAL_FLAG", "ust,htc")], || {
        let heap = TestHeap::process();
        let block = allocated_here(&heap, 1)[0];
        println!("trace of {:?}", trace(&heap, block).first());
        if trace(&heap, block).is_empty() {
            eprintln!("the block was allocated from nobody knows where");
        }
        rtlheap_enable_termination_on_corruption();
        // SAFETY: the bytes behind the data are the block's.
        unsafe { block.cast::<u8>().add(100).write_volatile(1) };
        HeapFree(heap.handle(), 0, block);
    });
    assert!(ending.was_terminated(), "{ending:?}");
    assert!(
        ending.stderr.contains("the block was allocated from"),
        "{ending:?}"
    );
}
