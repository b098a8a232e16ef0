//! The C ABI of rtl-heap: `librtlheap`, static and dynamic, and its headers in `include`.
//!
//! A thin layer. Each module below exports functions of one family; what they do to a heap is in
//! [`rtl_heap::nt`]. Here arguments are read, failures become last errors and last statuses, and
//! what a program registers is kept.
//!
//! | module | exports |
//! |---|---|
//! | [`rtl`] | `RtlCreateHeap`, `RtlAllocateHeap` and so on, with the documented limits |
//! | [`win32`] | `HeapCreate`, `HeapAlloc` and so on, with those of Windows |
//! | [`walking`] | `RtlWalkHeap`, `HeapWalk` |
//! | [`checking`] | `RtlValidateHeap`, `HeapValidate`, `RtlValidateProcessHeaps` |
//! | [`sums`], [`usage`] | `HeapSummary`, `RtlUsageHeap` |
//! | [`debug_information`] | `RtlQueryProcessHeapInformation` and its buffer |
//! | [`user_info`] | `RtlGetUserInfoHeap`, `RtlSetUserValueHeap`, `RtlSetUserFlagsHeap` |
//! | [`tags`] | `RtlCreateTagHeap`, `RtlQueryTagHeap` |
//! | [`multiple`] | `RtlMultipleAllocateHeap`, `RtlMultipleFreeHeap` |
//! | [`compacting`] | `RtlCompactHeap`, `HeapCompact` |
//! | [`steering`] | `RtlZeroHeap`, `RtlProtectHeap`, `RtlExtendHeap`, `RtlFlushHeaps`, `RtlDetectHeapLeaks` |
//! | [`information`], [`extended`], [`tagging`] | `HeapQueryInformation`, `HeapSetInformation` and their Rtl pair |
//! | [`global`], [`local`] | `GlobalAlloc`, `LocalAlloc` and so on |
//! | [`last_error`] | `GetLastError`, `SetLastError`, `RtlGetLastNtStatus` |
//! | [`resource`] | `ExInitializeResourceLite` and its companions, for the parameter `Lock` |
//! | [`debug_heap`], [`stack_traces`] | NtGlobalFlag; who allocated blocks |
//! | [`hooks`] | raise routine, corruption handler, last-error storage, termination |
//! | [`vm_operations`] | virtual memory from C callbacks |
//! | [`vm_face`] | memory for the parameter `HeapBase` |
//!
//! Every function is exported as `rtlheap_<Name>`, and with the feature `nt-names` (on by default)
//! as `<Name>` too. A Rust program that links this crate gets both; the functions are also
//! ordinary items of these modules.

#![allow(non_snake_case, reason = "functions and parameters carry NT's names")]

pub mod checking;
pub mod compacting;
mod contain;
pub mod debug_heap;
pub mod debug_information;
mod exports;
pub mod extended;
pub mod global;
pub mod hooks;
pub mod information;
pub mod last_error;
pub mod local;
pub mod multiple;
mod objects;
mod pin;
mod probe;
pub mod raise;
pub mod resource;
mod routine;
pub mod rtl;
pub mod stack_traces;
pub mod steering;
pub mod sums;
pub mod tagging;
pub mod tags;
pub mod types;
pub mod usage;
pub mod user_info;
pub mod vm_face;
pub mod vm_operations;
pub mod walking;
pub mod win32;

pub use exports::Export;

/// Every function the library exports, as the headers have to declare it.
pub fn exports() -> impl Iterator<Item = &'static Export> {
    let modules = [
        checking::EXPORTS,
        user_info::EXPORTS,
        multiple::EXPORTS,
        compacting::EXPORTS,
        debug_heap::EXPORTS,
        debug_information::EXPORTS,
        global::EXPORTS,
        hooks::EXPORTS,
        information::EXPORTS,
        last_error::EXPORTS,
        local::EXPORTS,
        resource::EXPORTS,
        rtl::EXPORTS,
        stack_traces::EXPORTS,
        steering::EXPORTS,
        steering::at_exit::EXPORTS,
        sums::EXPORTS,
        tags::EXPORTS,
        usage::EXPORTS,
        vm_face::EXPORTS,
        vm_operations::EXPORTS,
        walking::EXPORTS,
        win32::EXPORTS,
    ];
    modules.into_iter().flatten()
}
