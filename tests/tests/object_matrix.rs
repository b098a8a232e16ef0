//! Local and Global objects: the whole matrix of reallocation, start by size by flags, with what
//! becomes of the handle, the data's place, its contents and its size. One test runs at a time, so
//! that what lies behind an object is what the test put there.

use rtl_heap_tests::abi::mem::*;
use rtl_heap_tests::abi::*;
use rtl_heap_tests::frontend;
use rtl_heap_tests::heap::TestHeap;
use rtl_heap_tests::last_error::observe;
use rtl_heap_tests::objects::{BEYOND_THE_WALL, entry, is_moveable, with_a_walled_object};
use rtl_heap_tests::serial;

const SMALL: usize = 12;
const BIG: usize = 0x2_0000;

/// Bits that were something once: NOCOMPACT, NODISCARD, NOT_BANKED, NOTIFY.
const OBSOLETE: u32 = 0x10 | 0x20 | 0x1000 | 0x4000;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Start {
    Fixed,
    Locked,
    Unlocked,
}

/// What a reallocation comes to. Sizes are those the object has afterwards.
#[derive(Clone, Copy, Debug)]
enum Outcome {
    /// NULL; nothing changed. The last error.
    Refused(u32),
    /// The same handle, the data where it was.
    Stays(usize),
    /// Another fixed object.
    NewPointer(usize),
    /// The same handle, the data elsewhere.
    DataMoves(usize),
    /// A moveable object with these flags and the data elsewhere.
    Converted(usize),
    /// The same handle without data.
    Discarded,
    /// Nothing changed but that the object is discardable.
    Marked,
}

use Outcome::*;

/// The flags of the columns: none, MODIFY, MOVEABLE, both, MOVEABLE and DISCARDABLE, all three, and
/// the last two with the obsolete bits.
fn columns(family: Family) -> [u32; 8] {
    let discardable = MOVEABLE | family.discardable;
    [
        0,
        MODIFY,
        MOVEABLE,
        MOVEABLE | MODIFY,
        discardable,
        discardable | MODIFY,
        discardable | OBSOLETE,
        discardable | MODIFY | OBSOLETE,
    ]
}

fn fill(data: *mut u8, size: usize) {
    for n in 0..size {
        // SAFETY: the object's data has `size` bytes.
        unsafe { data.add(n).write((n * 7 + 1) as u8) };
    }
}

fn assert_contents(data: *const u8, size: usize) {
    for n in 0..size {
        // SAFETY: the object's data has at least `size` bytes.
        assert_eq!(unsafe { data.add(n).read() }, (n * 7 + 1) as u8, "byte {n}");
    }
}

fn data(handle: HANDLE) -> *mut u8 {
    if is_moveable(handle) {
        entry(handle).pointer.cast()
    } else {
        handle.cast()
    }
}

/// Reallocates and checks all there is to see; returns the handle to free.
#[track_caller]
fn assert_outcome(
    family: Family,
    handle: HANDLE,
    size: usize,
    flags: u32,
    outcome: Outcome,
) -> HANDLE {
    let moveable = is_moveable(handle);
    let start = (family.size)(handle);
    let place = data(handle);
    let entry_flags = moveable.then(|| entry(handle).flags);
    fill(place, start);
    let (result, last) = observe(|| (family.realloc)(handle, size, flags));
    let case = format!(
        "{:?} {start:#x} -> {size:#x}, {flags:#x}",
        family.discardable
    );
    let result = match outcome {
        Refused(error) => {
            assert!(result.is_null(), "{case}");
            if cfg!(not(all(feature = "oracle", windows))) {
                assert_eq!(last, error, "{case}");
            }
            handle
        }
        _ => {
            assert!(!result.is_null(), "{case}: {last}");
            result
        }
    };
    let (same_handle, same_place, expected, expected_flags) = match outcome {
        Refused(_) => (true, true, start, entry_flags),
        Stays(size) => (true, true, size, entry_flags),
        NewPointer(size) => (false, false, size, None),
        DataMoves(size) => (true, false, size, entry_flags),
        Converted(flags) => (false, false, start, Some(flags)),
        Discarded => (true, false, 0, entry_flags.map(|flags| flags | 8)),
        Marked => (true, true, start, entry_flags.map(|flags| flags | 4)),
    };
    assert_eq!(result == handle, same_handle, "{case}");
    assert_eq!(data(result) == place, same_place, "{case}");
    assert_eq!((family.size)(result), expected, "{case}");
    let flags_now = is_moveable(result).then(|| entry(result).flags);
    assert_eq!(flags_now, expected_flags, "{case}");
    assert_contents(data(result), start.min(expected));
    result
}

/// One row for one family: an object of each column's own, reallocated and freed.
#[track_caller]
fn assert_row(family: Family, start: (Start, usize), to: usize, six: [Outcome; 6]) {
    let eight = six.into_iter().chain([six[4], six[5]]);
    for (flags, outcome) in columns(family).into_iter().zip(eight) {
        let run = |handle| {
            if start.0 == Start::Locked {
                assert!(!(family.lock)(handle).is_null());
            }
            assert_outcome(family, handle, to, flags, outcome)
        };
        match start {
            (Start::Fixed, size) => {
                let handle = run(family.new_object(FIXED, size));
                family.free_object(handle);
            }
            (_, SMALL) => with_a_walled_object(family, SMALL, |handle| {
                run(handle);
            }),
            (_, size) => {
                let handle = run(family.new_object(MOVEABLE, size));
                family.free_object(handle);
            }
        }
    }
}

const NO_MEMORY: Outcome = Refused(error::ERROR_NOT_ENOUGH_MEMORY);
const WRONG: Outcome = Refused(error::ERROR_INVALID_PARAMETER);

/// What a small fixed object's class needs to be served by the front end.
fn activate() {
    frontend::activate(&TestHeap::process(), SMALL);
}

#[test]
fn fixed_global_objects() {
    let _turn = serial::turn();
    activate();
    for to in [512, 10, 0] {
        let cells = [
            NO_MEMORY,
            Stays(SMALL),
            NewPointer(to),
            Converted(3),
            WRONG,
            Converted(7),
        ];
        assert_row(GLOBAL, (Start::Fixed, SMALL), to, cells);
    }
    for to in [BIG + 512, 10, 0] {
        let cells = [
            Stays(to),
            Stays(BIG),
            Stays(to),
            Converted(3),
            WRONG,
            Converted(7),
        ];
        assert_row(GLOBAL, (Start::Fixed, BIG), to, cells);
    }
}

#[test]
fn fixed_local_objects() {
    let _turn = serial::turn();
    activate();
    for to in [512, 10, 0] {
        let stays = Stays(SMALL);
        let cells = [NO_MEMORY, stays, NewPointer(to), stays, WRONG, stays];
        assert_row(LOCAL, (Start::Fixed, SMALL), to, cells);
    }
    for to in [BIG + 512, 10, 0] {
        let stays = Stays(BIG);
        let cells = [Stays(to), stays, Stays(to), stays, WRONG, stays];
        assert_row(LOCAL, (Start::Fixed, BIG), to, cells);
    }
}

#[test]
fn locked_objects() {
    let _turn = serial::turn();
    activate();
    for family in FAMILIES {
        let stays = Stays(SMALL);
        let moves = DataMoves(BEYOND_THE_WALL);
        let cells = [NO_MEMORY, stays, moves, stays, WRONG, Marked];
        assert_row(family, (Start::Locked, SMALL), BEYOND_THE_WALL, cells);
        for start in [SMALL, BIG] {
            let stays = Stays(start);
            let shrinks = [Stays(10), stays, Stays(10), stays, WRONG, Marked];
            assert_row(family, (Start::Locked, start), 10, shrinks);
            let refuses = [WRONG, stays, WRONG, stays, WRONG, Marked];
            assert_row(family, (Start::Locked, start), 0, refuses);
        }
        let (stays, grows) = (Stays(BIG), Stays(BIG + 512));
        let cells = [grows, stays, grows, stays, WRONG, Marked];
        assert_row(family, (Start::Locked, BIG), BIG + 512, cells);
    }
}

#[test]
fn unlocked_objects() {
    let _turn = serial::turn();
    activate();
    for family in FAMILIES {
        let stays = Stays(SMALL);
        let moves = DataMoves(BEYOND_THE_WALL);
        let cells = [moves, stays, moves, stays, WRONG, Marked];
        assert_row(family, (Start::Unlocked, SMALL), BEYOND_THE_WALL, cells);
        for start in [SMALL, BIG] {
            let stays = Stays(start);
            let shrinks = [Stays(10), stays, Stays(10), stays, WRONG, Marked];
            assert_row(family, (Start::Unlocked, start), 10, shrinks);
            let discards = [WRONG, stays, Discarded, stays, WRONG, Marked];
            assert_row(family, (Start::Unlocked, start), 0, discards);
        }
        let (stays, grows) = (Stays(BIG), Stays(BIG + 512));
        let cells = [grows, stays, grows, stays, WRONG, Marked];
        assert_row(family, (Start::Unlocked, BIG), BIG + 512, cells);
    }
}
