//! Local and Global memory.

use super::super::calls::last_error;
use super::super::row::Tour;
use super::P;
use super::calls::{
    global_alloc, global_flags, global_free, global_handle, global_lock, global_realloc,
    global_size, global_unlock,
};

const FIXED: u32 = 0;
const MOVEABLE: u32 = 0x0002;
const MODIFY: u32 = 0x0080;
const DISCARDABLE: u32 = 0x0100;
const ERROR_SUCCESS: u32 = 0;
const ERROR_INVALID_HANDLE: u32 = 6;
const ERROR_DISCARDED: u32 = 157;
const ERROR_NOT_LOCKED: u32 = 158;

pub fn visit(tour: &mut Tour) {
    tour.section("Local and Global memory");
    handles(tour);
    locks(tour);
    sizes(tour);
    discarding(tour);
    conversion(tour);
}

fn handles(tour: &mut Tour) {
    let fixed = global_alloc(FIXED, 100);
    let moveable = global_alloc(MOVEABLE, 100);
    tour.row(
        "C376, C377: bit P tells a moveable object's handle from a fixed one, which is its pointer",
        "GlobalAlloc(GMEM_FIXED, 100), GlobalAlloc(GMEM_MOVEABLE, 100)",
        (
            format!("{fixed:#x}, {moveable:#x}"),
            fixed != 0 && fixed & P == 0 && moveable & (2 * P - 1) == P,
        ),
    );
    let pointer = global_lock(moveable);
    let found = global_handle(pointer);
    tour.row(
        "C381, C388: GlobalLock gives the data, which is not the handle; GlobalHandle leads back",
        "GlobalLock(object), GlobalHandle(pointer)",
        (
            format!("{pointer:#x}, {found:#x}"),
            pointer != 0 && pointer != moveable && found == moveable,
        ),
    );
    global_unlock(moveable);
    let freed = [global_free(fixed), global_free(moveable)];
    let again = global_free(moveable);
    let error = last_error();
    tour.row(
        "C431: a handle that is freed again comes back, with ERROR_INVALID_HANDLE",
        "GlobalFree of both, and of the moveable object once more",
        (
            format!("{freed:?}, then {again:#x} and error {error}"),
            freed == [0, 0] && again == moveable && error == ERROR_INVALID_HANDLE,
        ),
    );
}

fn locks(tour: &mut Tour) {
    let object = global_alloc(MOVEABLE, 10);
    global_lock(object);
    global_lock(object);
    let counts = [global_flags(object), {
        global_unlock(object);
        global_flags(object)
    }];
    let last = global_unlock(object);
    let none = global_unlock(object);
    tour.row(
        "C386: locks are counted; the last unlock says FALSE without an error, one too many with \
         ERROR_NOT_LOCKED",
        "2 x GlobalLock(object), GlobalFlags between 3 x GlobalUnlock(object)",
        (
            format!("{counts:?} locks, {last:?}, {none:?}"),
            counts == [2, 1] && last == (false, ERROR_SUCCESS) && none == (false, ERROR_NOT_LOCKED),
        ),
    );
    global_free(object);
}

fn sizes(tour: &mut Tour) {
    let (fixed, moveable) = (global_alloc(FIXED, 0), global_alloc(MOVEABLE, 0));
    let sizes = [global_size(fixed), global_size(moveable)];
    let locked = global_lock(moveable);
    let error = last_error();
    tour.row(
        "C391, C393: a fixed object of no bytes has one; a moveable one has none, and no data to lock",
        "GlobalSize(GlobalAlloc(GMEM_FIXED, 0)), the same with GMEM_MOVEABLE, GlobalLock of that",
        (
            format!("{sizes:?}; {locked:#x} and error {error}"),
            sizes == [1, 0] && locked == 0 && error == ERROR_DISCARDED,
        ),
    );
    global_free(fixed);
    global_free(moveable);
}

fn discarding(tour: &mut Tour) {
    let object = global_alloc(MOVEABLE | DISCARDABLE, 20);
    let discard = || global_realloc(object, 0, MOVEABLE);
    global_lock(object);
    let locked = discard();
    global_unlock(object);
    let unlocked = discard();
    let flags = global_flags(object);
    tour.row(
        "C385, C398: what is locked is not discarded; what is not, keeps its handle without data",
        "GlobalDiscard(object) while it is locked, and then, GlobalFlags(object)",
        (
            format!("{locked:#x}, {unlocked:#x}, flags {flags:#x}"),
            locked == 0 && unlocked == object && flags == 0x4100,
        ),
    );
    global_free(object);
}

fn conversion(tour: &mut Tour) {
    let fixed = global_alloc(FIXED, 100_000);
    let converted = global_realloc(fixed, 0, MODIFY | MOVEABLE);
    let size = global_size(converted);
    tour.row(
        "C395: GMEM_MODIFY with GMEM_MOVEABLE makes a fixed object a moveable one of its size",
        "GlobalReAlloc(GlobalAlloc(GMEM_FIXED, 100000), 0, GMEM_MODIFY | GMEM_MOVEABLE), GlobalSize",
        (
            format!("{converted:#x} with {size} bytes"),
            converted & (2 * P - 1) == P && size == 100_000,
        ),
    );
    global_free(converted);
}
