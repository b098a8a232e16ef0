//! Local and Global objects as the handle table shows them.

use core::ffi::c_void;

use crate::abi::mem::MOVEABLE;
use crate::abi::*;
use crate::heap::P;

/// An entry of the handle table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Used 1, moveable 2, discardable 4, discarded 8, lock count from bit 16, DDESHARE 0x8000; of
    /// a free entry the next free one.
    pub flags: usize,
    /// The data, or NULL.
    pub pointer: *mut c_void,
}

/// Whether a handle stands in the table, rather than being the data's address.
pub fn is_moveable(handle: HANDLE) -> bool {
    handle as usize & (2 * P - 1) == P
}

/// The entry of a moveable object's handle.
#[track_caller]
pub fn entry(handle: HANDLE) -> Entry {
    assert!(is_moveable(handle), "{handle:?}");
    let pointer = handle.cast::<*mut c_void>();
    // SAFETY: a handle of this form is the address of the second of two words in the handle table.
    unsafe {
        Entry {
            flags: pointer.cast::<usize>().sub(1).read(),
            pointer: pointer.read(),
        }
    }
}

impl Family {
    /// Allocates, which must succeed.
    #[track_caller]
    pub fn new_object(&self, flags: u32, size: usize) -> HANDLE {
        let handle = (self.alloc)(flags, size);
        assert!(
            !handle.is_null(),
            "{flags:#x} {size:#x}: {}",
            GetLastError()
        );
        handle
    }

    /// Frees, which must succeed.
    #[track_caller]
    pub fn free_object(&self, handle: HANDLE) {
        assert!((self.free)(handle).is_null());
    }
}

/// Bytes an object with a wall cannot grow to in place.
pub const BEYOND_THE_WALL: usize = 512;

/// Makes a moveable object of a small size with another one where it would grow to
/// [`BEYOND_THE_WALL`].
#[track_caller]
pub fn with_a_walled_object(family: Family, size: usize, check: impl FnOnce(HANDLE)) {
    let handles: Vec<HANDLE> = (0..32).map(|_| family.new_object(MOVEABLE, size)).collect();
    let place = |handle: HANDLE| entry(handle).pointer as usize;
    let is_walled = |&handle: &HANDLE| {
        let room = place(handle) + 1..place(handle) + BEYOND_THE_WALL;
        handles.iter().any(|&other| room.contains(&place(other)))
    };
    let walled = handles.iter().copied().find(is_walled);
    check(walled.expect("two neighbours among as many"));
    for handle in handles {
        family.free_object(handle);
    }
}
