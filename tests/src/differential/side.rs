//! The functions of the two heaps: the library's, and the system's own.

use core::ffi::c_void;

use crate::abi::{self, BOOL, BOOLEAN, Family, HANDLE, PROCESS_HEAP_ENTRY};

/// Declares the structure of functions, the system's declarations, and both members.
macro_rules! functions {
    ($(
        $library:literal { $($field:ident = $name:ident($($type:ty),*) $(-> $result:ty)?;)* }
    )*) => {
        /// One of the two heaps.
        #[derive(Clone, Copy, Debug)]
        #[allow(missing_docs, reason = "each has the name of its function")]
        pub struct Side {
            $($(pub $field: extern "system" fn($($type),*) $(-> $result)?,)*)*
            pub families: [Family; 2],
        }

        #[allow(non_snake_case)]
        mod system {
            use super::*;

            $(
                #[cfg_attr(
                    target_arch = "x86",
                    link(name = $library, kind = "raw-dylib", import_name_type = "undecorated")
                )]
                #[cfg_attr(not(target_arch = "x86"), link(name = $library, kind = "raw-dylib"))]
                unsafe extern "system" {
                    $(pub(super) safe fn $name($(_: $type),*) $(-> $result)?;)*
                }
            )*
        }

        /// The library.
        pub const OURS: Side = Side {
            $($($field: abi::$name,)*)*
            families: abi::FAMILIES,
        };

        /// Windows, or Wine.
        pub const SYSTEM: Side = Side {
            $($($field: system::$name,)*)*
            families: [object_functions::GLOBAL, object_functions::LOCAL],
        };
    };
}

functions! {
    "kernel32" {
        last_error = GetLastError() -> u32;
        set_last_error = SetLastError(u32);
        process_heap = GetProcessHeap() -> HANDLE;
        create = HeapCreate(u32, usize, usize) -> HANDLE;
        destroy = HeapDestroy(HANDLE) -> BOOL;
        alloc = HeapAlloc(HANDLE, u32, usize) -> *mut c_void;
        realloc = HeapReAlloc(HANDLE, u32, *mut c_void, usize) -> *mut c_void;
        free = HeapFree(HANDLE, u32, *mut c_void) -> BOOL;
        size = HeapSize(HANDLE, u32, *const c_void) -> usize;
        validate = HeapValidate(HANDLE, u32, *const c_void) -> BOOL;
        lock = HeapLock(HANDLE) -> BOOL;
        unlock = HeapUnlock(HANDLE) -> BOOL;
        walk = HeapWalk(HANDLE, Option<&mut PROCESS_HEAP_ENTRY>) -> BOOL;
        compact = HeapCompact(HANDLE, u32) -> usize;
    }
    "ntdll" {
        get_user_info = RtlGetUserInfoHeap(
            HANDLE, u32, *const c_void, Option<&mut *mut c_void>, Option<&mut u32>
        ) -> BOOLEAN;
        set_user_value = RtlSetUserValueHeap(HANDLE, u32, *const c_void, *mut c_void) -> BOOLEAN;
        set_user_flags = RtlSetUserFlagsHeap(HANDLE, u32, *const c_void, u32, u32) -> BOOLEAN;
    }
}

#[allow(non_snake_case)]
mod object_functions {
    //! The system's Local and Global functions.

    use super::*;

    macro_rules! family {
        ($constant:ident, $like:expr, $($field:ident = $name:ident($($type:ty),*) -> $result:ty;)*) => {
            #[cfg_attr(
                target_arch = "x86",
                link(name = "kernel32", kind = "raw-dylib", import_name_type = "undecorated")
            )]
            #[cfg_attr(not(target_arch = "x86"), link(name = "kernel32", kind = "raw-dylib"))]
            unsafe extern "system" {
                $(safe fn $name($(_: $type),*) -> $result;)*
            }

            pub(super) const $constant: Family = Family {
                $($field: $name,)*
                discardable: $like.discardable,
            };
        };
    }

    family! { GLOBAL, abi::GLOBAL,
        alloc = GlobalAlloc(u32, usize) -> HANDLE;
        realloc = GlobalReAlloc(HANDLE, usize, u32) -> HANDLE;
        free = GlobalFree(HANDLE) -> HANDLE;
        lock = GlobalLock(HANDLE) -> *mut c_void;
        unlock = GlobalUnlock(HANDLE) -> BOOL;
        flags = GlobalFlags(HANDLE) -> u32;
        size = GlobalSize(HANDLE) -> usize;
        handle = GlobalHandle(*const c_void) -> HANDLE;
    }

    family! { LOCAL, abi::LOCAL,
        alloc = LocalAlloc(u32, usize) -> HANDLE;
        realloc = LocalReAlloc(HANDLE, usize, u32) -> HANDLE;
        free = LocalFree(HANDLE) -> HANDLE;
        lock = LocalLock(HANDLE) -> *mut c_void;
        unlock = LocalUnlock(HANDLE) -> BOOL;
        flags = LocalFlags(HANDLE) -> u32;
        size = LocalSize(HANDLE) -> usize;
        handle = LocalHandle(*const c_void) -> HANDLE;
    }
}

/// What a call does to the last error, besides its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen<T> {
    /// The result.
    pub result: T,
    /// The last error after the call, which began with one that nothing sets.
    pub error: u32,
}

impl Side {
    /// Makes a call and looks at the last error.
    pub fn see<T>(&self, call: impl FnOnce(&Self) -> T) -> Seen<T> {
        (self.set_last_error)(crate::last_error::PRESET);
        let result = call(self);
        Seen {
            result,
            error: (self.last_error)(),
        }
    }
}
