//! NT's heap functions as C declares them.
//!
//! The tests see the library through these declarations only, as a C program would: exact names,
//! exact types, no Rust type of the library's own. They resolve to the `rtlheap_` spelling of each
//! name, so that a Windows build cannot pick up the system's functions by accident; with the
//! feature `oracle` on Windows they resolve to the system's own kernel32 and ntdll, and the same
//! tests then examine Windows.
//!
//! Most functions are declared `safe`: the promise under test is that no handle, pointer or size
//! whatever makes them fault. Those that write through a pointer which cannot be expressed as a
//! reference stay unsafe.

#![allow(non_snake_case, non_camel_case_types)]

/// Declares functions of one system library, imported from the library under test.
macro_rules! import {
    (
        $library:literal;
        $(
            $(#[$doc:meta])*
            $safety:ident fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $ret:ty)?;
        )*
    ) => {
        #[cfg_attr(
            all(feature = "oracle", windows, target_arch = "x86"),
            link(name = $library, kind = "raw-dylib", import_name_type = "undecorated")
        )]
        #[cfg_attr(
            all(feature = "oracle", windows, not(target_arch = "x86")),
            link(name = $library, kind = "raw-dylib")
        )]
        unsafe extern "system" {
            $(
                $(#[$doc])*
                #[cfg_attr(
                    not(all(feature = "oracle", windows)),
                    link_name = concat!("rtlheap_", stringify!($name))
                )]
                pub $safety fn $name($($arg: $type),*) $(-> $ret)?;
            )*
        }
    };
}

pub mod extended;
mod inspection;
mod kernel32;
mod local_global;
mod ntdll;
#[cfg(not(all(feature = "oracle", windows)))]
pub mod own;
mod types;

pub use extended::{
    HeapCompact, RtlCreateQueryDebugBuffer, RtlDestroyQueryDebugBuffer,
    RtlQueryProcessHeapInformation, RtlUsageHeap, RtlValidateHeap,
};
pub use inspection::*;
pub use kernel32::*;
pub use local_global::*;
pub use ntdll::*;
pub use types::*;
