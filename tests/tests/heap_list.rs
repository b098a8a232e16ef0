//! The part of section 13.1 that looks at the process heap list. One test runs at a time.

use core::ffi::c_void;
use core::ptr::null_mut;

use rtl_heap_tests::abi::*;
use rtl_heap_tests::heap::*;
use rtl_heap_tests::serial;

fn count() -> usize {
    // SAFETY: no handle is stored.
    unsafe { GetProcessHeaps(0, null_mut()) as usize }
}

#[test]
fn c011_a_plain_process_has_few_heaps() {
    let _turn = serial::turn();
    GetProcessHeap();
    assert!((1..=6).contains(&count()), "{} heaps", count());
}

#[test]
fn c012_each_heap_adds_one() {
    let _turn = serial::turn();
    let before = count();
    let _first = TestHeap::new();
    assert_eq!(count(), before + 1);
    let _second = TestHeap::new();
    assert_eq!(count(), before + 2);
}

#[test]
fn c013_destroy_takes_one_away() {
    let _turn = serial::turn();
    let before = count();
    let heap = TestHeap::new();
    assert_eq!(count(), before + 1);
    heap.destroy();
    assert_eq!(count(), before);
}

#[test]
fn c014_the_process_heap_is_the_first() {
    let _turn = serial::turn();
    let _other = TestHeap::new();
    let mut heaps = [null_mut(); 8];
    // SAFETY: there is room for eight.
    let count = unsafe { GetProcessHeaps(8, heaps.as_mut_ptr()) };
    assert!(count >= 2);
    assert_eq!(heaps[0], GetProcessHeap());
}

#[test]
fn c015_a_new_heap_goes_to_the_end() {
    let _turn = serial::turn();
    GetProcessHeap();
    let before = process_heaps().len();
    let first = TestHeap::new();
    let second = TestHeap::new();
    assert_eq!(process_heaps()[before..], [first.handle(), second.handle()]);
}

#[test]
fn c016_a_short_array_is_filled_as_far_as_it_goes() {
    let _turn = serial::turn();
    let _other = TestHeap::new();
    let unchanged = 0x55 as HANDLE;
    let mut heaps = [unchanged; 2];
    // SAFETY: there is room for one.
    let total = unsafe { RtlGetProcessHeaps(1, heaps.as_mut_ptr()) };
    assert_eq!(total as usize, count());
    assert!(total >= 2);
    assert_eq!(heaps, [GetProcessHeap(), unchanged]);
}

#[test]
fn c017_no_array_gives_the_count() {
    let _turn = serial::turn();
    GetProcessHeap();
    // SAFETY: no handle is stored.
    let total = unsafe { RtlGetProcessHeaps(0, null_mut()) };
    assert!(total >= 1);
    assert_eq!(total as usize, process_heaps().len());
}

#[test]
fn c018_destroy_closes_the_gap() {
    let _turn = serial::turn();
    GetProcessHeap();
    let before = process_heaps().len();
    let first = TestHeap::new();
    let middle = TestHeap::new();
    let last = TestHeap::new();
    middle.destroy();
    assert_eq!(process_heaps()[before..], [first.handle(), last.handle()]);
}

/// What the routine of an enumeration saw, and when it stops.
struct Seen {
    heaps: Vec<HANDLE>,
    stop_after: usize,
}

const STOP: NTSTATUS = 0xC000_0123u32 as i32;

unsafe extern "system" fn see(heap: HANDLE, seen: *mut c_void) -> NTSTATUS {
    // SAFETY: the parameter is the test's own variable.
    let seen = unsafe { &mut *seen.cast::<Seen>() };
    seen.heaps.push(heap);
    if seen.heaps.len() == seen.stop_after {
        STOP
    } else {
        status::STATUS_SUCCESS
    }
}

fn enumerate(stop_after: usize) -> (NTSTATUS, Vec<HANDLE>) {
    let mut seen = Seen {
        heaps: Vec::new(),
        stop_after,
    };
    // SAFETY: the routine takes a pointer to `Seen`.
    let status = unsafe { RtlEnumProcessHeaps(see, (&raw mut seen).cast()) };
    (status, seen.heaps)
}

#[test]
fn enumeration_calls_the_routine_with_each_heap() {
    let _turn = serial::turn();
    let _heap = TestHeap::new();
    assert_eq!(
        enumerate(usize::MAX),
        (status::STATUS_SUCCESS, process_heaps())
    );
}

#[test]
fn enumeration_stops_at_a_failing_status() {
    let _turn = serial::turn();
    let _heap = TestHeap::new();
    assert_eq!(enumerate(1), (STOP, vec![GetProcessHeap()]));
}

#[test]
fn f18_a_short_array_is_never_written_past_its_end() {
    let _turn = serial::turn();
    let _heaps = [TestHeap::new(), TestHeap::new(), TestHeap::new()];
    let all = process_heaps();
    let unchanged = 0x77 as HANDLE;
    for room in 0..=all.len() + 1 {
        let mut heaps = vec![unchanged; all.len() + 2];
        // SAFETY: there is room for `room` and two more.
        let total = unsafe { GetProcessHeaps(room as u32, heaps.as_mut_ptr()) } as usize;
        assert_eq!(total, all.len());
        let stored = room.min(all.len());
        assert_eq!(heaps[..stored], all[..stored]);
        assert!(heaps[stored..].iter().all(|&heap| heap == unchanged));
    }
}

#[test]
fn direct_rtl_heaps_are_in_the_list() {
    let _turn = serial::turn();
    let heap = TestHeap::rtl(flags::HEAP_GROWABLE, 0, 0);
    assert_eq!(process_heaps().last(), Some(&heap.handle()));
}
