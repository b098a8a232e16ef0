//! `GlobalAlloc` and its companions: objects of the process heap with handles, fixed or moveable.

use rtl_heap::nt::movable::Family;

use crate::exports::exports;
use crate::objects;
use crate::types::{BOOL, DWORD, HGLOBAL, LPCVOID, LPVOID, SIZE_T, UINT};

const FAMILY: Family = Family::Global;

exports! { nt:
    /// Makes an object of `dwBytes` bytes: fixed, or with `GMEM_MOVEABLE` an entry of the handle
    /// table. A fixed object of no size has one byte; a moveable one is made without data.
    ///
    /// NULL and `ERROR_INVALID_PARAMETER` for flags beyond `GMEM_VALID_FLAGS`; NULL and
    /// `ERROR_NOT_ENOUGH_MEMORY` without memory or a free entry.
    pub extern "system" fn GlobalAlloc(uFlags: UINT, dwBytes: SIZE_T) -> HGLOBAL {
        objects::allocate(FAMILY, uFlags, dwBytes)
    }

    /// Changes an object's size, or with `GMEM_MODIFY` its kind, which makes a fixed object moveable if asked.
    ///
    /// NULL with the object as it was: `ERROR_NOT_ENOUGH_MEMORY` also when a fixed or locked object
    /// would have to move and `GMEM_MOVEABLE` is not given.
    ///
    /// # Safety
    /// 1. Nobody uses the data during the call, nor the bytes past the new size afterwards.
    pub unsafe extern "system" fn GlobalReAlloc(
        hMem: HGLOBAL,
        dwBytes: SIZE_T,
        uFlags: UINT,
    ) -> HGLOBAL {
        // SAFETY: (1).
        unsafe { objects::reallocate(FAMILY, hMem, dwBytes, uFlags) }
    }

    /// Frees an object, locked or not. NULL when it is gone, and for NULL; the handle and
    /// `ERROR_INVALID_HANDLE`, or `ERROR_NOACCESS` where nothing is mapped, for what is none.
    ///
    /// # Safety
    /// 1. The data is not used any more.
    pub unsafe extern "system" fn GlobalFree(hMem: HGLOBAL) -> HGLOBAL {
        // SAFETY: (1).
        unsafe { objects::free(hMem) }
    }

    /// The data; a moveable object has one lock more, up to 255. NULL and `ERROR_DISCARDED` when
    /// there is none.
    pub extern "system" fn GlobalLock(hMem: HGLOBAL) -> LPVOID {
        objects::lock(FAMILY, hMem)
    }

    /// One lock less: TRUE if there are more, FALSE and `NO_ERROR` if there are not, FALSE and
    /// `ERROR_NOT_LOCKED` if there were none. Always TRUE for a fixed object.
    pub extern "system" fn GlobalUnlock(hMem: HGLOBAL) -> BOOL {
        objects::unlock(FAMILY, hMem)
    }

    /// The lock count, with `GMEM_DISCARDABLE`, `GMEM_DISCARDED` and `GMEM_DDESHARE` where they
    /// apply; 0 for a fixed object, `GMEM_INVALID_HANDLE` for what is none.
    pub extern "system" fn GlobalFlags(hMem: HGLOBAL) -> UINT {
        objects::flags(FAMILY, hMem)
    }

    /// The bytes the object was asked for with; 0 when its data was discarded, and with
    /// `ERROR_INVALID_HANDLE` for what is no object.
    pub extern "system" fn GlobalSize(hMem: HGLOBAL) -> SIZE_T {
        objects::size(hMem)
    }

    /// The handle of the object with this data; for any other block of the process heap its own
    /// address. NULL for what is no block.
    pub extern "system" fn GlobalHandle(pMem: LPCVOID) -> HGLOBAL {
        objects::handle_of(FAMILY, pMem)
    }

    /// Obsolete: compacts the process heap, whatever is asked for.
    pub extern "system" fn GlobalCompact(_dwMinFree: DWORD) -> SIZE_T {
        objects::compact()
    }

    /// Obsolete: [`GlobalLock`].
    pub extern "system" fn GlobalFix(hMem: HGLOBAL) {
        objects::lock(FAMILY, hMem);
    }

    /// Obsolete: [`GlobalUnlock`].
    pub extern "system" fn GlobalUnfix(hMem: HGLOBAL) {
        objects::unlock(FAMILY, hMem);
    }

    /// Obsolete: [`GlobalLock`].
    pub extern "system" fn GlobalWire(hMem: HGLOBAL) -> LPVOID {
        objects::lock(FAMILY, hMem)
    }

    /// Obsolete: [`GlobalUnlock`].
    pub extern "system" fn GlobalUnWire(hMem: HGLOBAL) -> BOOL {
        objects::unlock(FAMILY, hMem)
    }
}
