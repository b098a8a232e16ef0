//! `LocalAlloc` and its companions: objects of the process heap with handles, fixed or moveable.

use rtl_heap::nt::movable::Family;

use crate::exports::exports;
use crate::objects;
use crate::types::{BOOL, HLOCAL, LPCVOID, LPVOID, SIZE_T, UINT};

const FAMILY: Family = Family::Local;

exports! { nt:
    /// Makes an object of `uBytes` bytes: fixed, or with `LMEM_MOVEABLE` an entry of the handle
    /// table. A fixed object of no size has none; a moveable one is made without data.
    ///
    /// NULL and `ERROR_INVALID_PARAMETER` for flags beyond `LMEM_VALID_FLAGS`; NULL and
    /// `ERROR_NOT_ENOUGH_MEMORY` without memory or a free entry.
    pub extern "system" fn LocalAlloc(uFlags: UINT, uBytes: SIZE_T) -> HLOCAL {
        objects::allocate(FAMILY, uFlags, uBytes)
    }

    /// Changes an object's size, or with `LMEM_MODIFY` its kind, which a fixed object keeps.
    ///
    /// NULL with the object as it was: `ERROR_NOT_ENOUGH_MEMORY` also when a fixed or locked object
    /// would have to move and `LMEM_MOVEABLE` is not given.
    ///
    /// # Safety
    /// 1. Nobody uses the data during the call, nor the bytes past the new size afterwards.
    pub unsafe extern "system" fn LocalReAlloc(
        hMem: HLOCAL,
        uBytes: SIZE_T,
        uFlags: UINT,
    ) -> HLOCAL {
        // SAFETY: (1).
        unsafe { objects::reallocate(FAMILY, hMem, uBytes, uFlags) }
    }

    /// Frees an object, locked or not. NULL when it is gone, and for NULL; the handle and
    /// `ERROR_INVALID_HANDLE`, or `ERROR_NOACCESS` where nothing is mapped, for what is none.
    ///
    /// # Safety
    /// 1. The data is not used any more.
    pub unsafe extern "system" fn LocalFree(hMem: HLOCAL) -> HLOCAL {
        // SAFETY: (1).
        unsafe { objects::free(hMem) }
    }

    /// The data; a moveable object has one lock more, up to 255. NULL and `ERROR_DISCARDED` when
    /// there is none.
    pub extern "system" fn LocalLock(hMem: HLOCAL) -> LPVOID {
        objects::lock(FAMILY, hMem)
    }

    /// One lock less: TRUE if there are more, FALSE and `NO_ERROR` if there are not, FALSE and
    /// `ERROR_NOT_LOCKED` if there were none, and for a fixed object.
    pub extern "system" fn LocalUnlock(hMem: HLOCAL) -> BOOL {
        objects::unlock(FAMILY, hMem)
    }

    /// The lock count, with `LMEM_DISCARDABLE`, `LMEM_DISCARDED` and `GMEM_DDESHARE` where they
    /// apply; 0 for a fixed object, `LMEM_INVALID_HANDLE` for what is none.
    pub extern "system" fn LocalFlags(hMem: HLOCAL) -> UINT {
        objects::flags(FAMILY, hMem)
    }

    /// The bytes the object was asked for with; 0 when its data was discarded, and with
    /// `ERROR_INVALID_HANDLE` for what is no object.
    pub extern "system" fn LocalSize(hMem: HLOCAL) -> SIZE_T {
        objects::size(hMem)
    }

    /// The handle of the object with this data; for any other block of the process heap its own
    /// address. NULL for what is no block.
    pub extern "system" fn LocalHandle(pMem: LPCVOID) -> HLOCAL {
        objects::handle_of(FAMILY, pMem)
    }

    /// Obsolete: compacts the process heap, whatever is asked for.
    pub extern "system" fn LocalCompact(_uMinFree: UINT) -> SIZE_T {
        objects::compact()
    }

    /// Obsolete: compacts the process heap, whatever is asked for.
    pub extern "system" fn LocalShrink(_hMem: HLOCAL, _cbNewSize: UINT) -> SIZE_T {
        objects::compact()
    }
}
