//! Information classes: `RtlQueryHeapInformation`, `RtlSetHeapInformation` and their Win32 names
//! (specification 7.3, 9).
//!
//! Classes that are not built are unknown: asked for they are `STATUS_INVALID_INFO_CLASS`, and
//! setting them succeeds without effect, as NT does with numbers it does not know.

#![allow(non_camel_case_types, clippy::upper_case_acronyms)]

use rtl_heap::nt;
use rtl_heap::status::Status;

use crate::exports::exports;
use crate::extended;
use crate::last_error::fail;
use crate::pin::pin_layout;
use crate::rtl::handle;
use crate::stack_traces::{
    self, HEAP_DEBUGGING_INFORMATION, RTL_HEAP_STACK_CONTROL, RTL_HEAP_STACK_QUERY,
};
use crate::tagging;
use crate::types::{
    BOOL, DWORD, FALSE, HANDLE, HEAP_INFORMATION_CLASS, NTSTATUS, PSIZE_T, PVOID, SIZE_T, TRUE,
    ULONG,
};

/// What the classes are called.
pub mod class {
    use crate::types::HEAP_INFORMATION_CLASS;

    /// `ULONG`, asked and set: 0 standard, 2 low-fragmentation heap.
    pub const HEAP_COMPATIBILITY_INFORMATION: HEAP_INFORMATION_CLASS = 0;
    /// Set, without a value: from now on damage ends the process.
    pub const HEAP_ENABLE_TERMINATION_ON_CORRUPTION: HEAP_INFORMATION_CLASS = 1;
    /// `HEAP_EXTENDED_INFORMATION`, asked.
    pub const HEAP_EXTENDED_INFORMATION: HEAP_INFORMATION_CLASS = 2;
    /// `HEAP_OPTIMIZE_RESOURCES_INFORMATION`, set.
    pub const HEAP_OPTIMIZE_RESOURCES: HEAP_INFORMATION_CLASS = 3;
    /// `RTLP_HEAP_TAGGING_INFO`, asked: bytes by tag.
    pub const HEAP_TAGGING_INFORMATION: HEAP_INFORMATION_CLASS = 4;
    /// `RTL_HEAP_STACK_QUERY`, asked, or `RTL_HEAP_STACK_CONTROL`, set: who allocated blocks.
    pub const HEAP_STACK_DATABASE: HEAP_INFORMATION_CLASS = 5;
    /// `SIZE_T`, asked and set: bytes that may be committed, 0 for no limit.
    pub const HEAP_MEMORY_LIMIT: HEAP_INFORMATION_CLASS = 6;
    /// `ULONG64`, asked and set: a number the program keeps with the heap.
    pub const HEAP_TAG: HEAP_INFORMATION_CLASS = 7;
    /// `HEAP_DEBUGGING_INFORMATION`, set: of which blocks that is recorded.
    pub const HEAP_SET_DEBUGGING_INFORMATION: HEAP_INFORMATION_CLASS =
        0x8000_0002_u32 as HEAP_INFORMATION_CLASS;
}

/// What `HeapOptimizeResources` is given.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HEAP_OPTIMIZE_RESOURCES_INFORMATION {
    /// 1.
    pub Version: DWORD,
    /// Not looked at.
    pub Flags: DWORD,
}

pin_layout!(
    HEAP_OPTIMIZE_RESOURCES_INFORMATION,
    8 / 8,
    Version = 0 / 0,
    Flags = 4 / 4
);

/// A caller's buffer, perhaps too short for what it is for.
struct Buffer {
    at: PVOID,
    length: SIZE_T,
}

impl Buffer {
    fn holds<T>(&self) -> Result<*mut T, Status> {
        if self.at.is_null() || self.length < size_of::<T>() {
            Err(Status::BUFFER_TOO_SMALL)
        } else {
            Ok(self.at.cast())
        }
    }

    /// # Safety
    /// 1. The caller has `length` bytes there to read, and any bits are a `T`.
    unsafe fn read<T: Copy>(&self) -> Result<T, Status> {
        // SAFETY: (1).
        self.holds::<T>().map(|at| unsafe { at.read_unaligned() })
    }

    /// Stores an answer, and its length in any case.
    ///
    /// # Safety
    /// 1. The caller has `length` bytes there to write, and a length, unless they are NULL.
    unsafe fn answer<T>(&self, returned: PSIZE_T, value: T) -> Result<(), Status> {
        if !returned.is_null() {
            // SAFETY: (1).
            unsafe { returned.write_unaligned(size_of::<T>()) };
        }
        // SAFETY: (1).
        self.holds::<T>()
            .map(|at| unsafe { at.write_unaligned(value) })
    }
}

/// # Safety
/// 1. As for [`RtlQueryHeapInformation`].
unsafe fn query(
    heap: PVOID,
    class: HEAP_INFORMATION_CLASS,
    buffer: &Buffer,
    returned: PSIZE_T,
) -> Result<(), Status> {
    match class {
        // NT reads through the handle here (C240).
        class::HEAP_COMPATIBILITY_INFORMATION if heap.is_null() => Err(Status::ACCESS_VIOLATION),
        class::HEAP_COMPATIBILITY_INFORMATION => {
            let value = nt::compatibility(handle(heap))?;
            // SAFETY: (1).
            unsafe { buffer.answer::<ULONG>(returned, value) }
        }
        class::HEAP_EXTENDED_INFORMATION => {
            if !returned.is_null() {
                let length = size_of::<extended::HEAP_EXTENDED_INFORMATION>();
                // SAFETY: (1).
                unsafe { returned.write_unaligned(length) };
            }
            // SAFETY: (1).
            unsafe { extended::query(buffer.holds()?) }
        }
        class::HEAP_STACK_DATABASE => {
            // SAFETY: (1).
            let asked = unsafe { buffer.read::<RTL_HEAP_STACK_QUERY>() }?;
            // SAFETY: (1).
            unsafe { stack_traces::query(heap, &asked) }
        }
        class::HEAP_MEMORY_LIMIT => {
            let value = nt::memory_limit(handle(heap))?;
            // SAFETY: (1).
            unsafe { buffer.answer::<SIZE_T>(returned, value) }
        }
        class::HEAP_TAGGING_INFORMATION => {
            // SAFETY: (1).
            unsafe { tagging::query(heap, buffer.at, buffer.length, returned) }
        }
        class::HEAP_TAG => {
            let value = nt::heap_tag(handle(heap))?;
            // SAFETY: (1).
            unsafe { buffer.answer::<u64>(returned, value) }
        }
        _ => Err(Status::INVALID_INFO_CLASS),
    }
}

/// # Safety
/// 1. As for [`RtlSetHeapInformation`].
unsafe fn set(heap: PVOID, class: HEAP_INFORMATION_CLASS, buffer: &Buffer) -> Result<(), Status> {
    match class {
        class::HEAP_COMPATIBILITY_INFORMATION => {
            // SAFETY: (1).
            let value = unsafe { buffer.read::<ULONG>() }?;
            nt::set_compatibility(handle(heap), value)
        }
        class::HEAP_ENABLE_TERMINATION_ON_CORRUPTION => {
            rtl_heap::hooks::enable_termination_on_corruption();
            Ok(())
        }
        class::HEAP_OPTIMIZE_RESOURCES => {
            // SAFETY: (1).
            let asked = unsafe { buffer.read::<HEAP_OPTIMIZE_RESOURCES_INFORMATION>() }?;
            if asked.Version != 1 {
                return Err(Status::INVALID_PARAMETER);
            }
            nt::optimize_resources((!heap.is_null()).then(|| handle(heap)))
        }
        class::HEAP_STACK_DATABASE => {
            // SAFETY: (1).
            let told = unsafe { buffer.read::<RTL_HEAP_STACK_CONTROL>() }?;
            stack_traces::control(heap, &told)
        }
        class::HEAP_SET_DEBUGGING_INFORMATION => {
            // SAFETY: (1).
            let told = unsafe { buffer.read::<HEAP_DEBUGGING_INFORMATION>() }?;
            stack_traces::set_extent(&told)
        }
        class::HEAP_MEMORY_LIMIT => {
            // SAFETY: (1).
            let limit = unsafe { buffer.read::<SIZE_T>() }?;
            nt::set_memory_limit(handle(heap), limit)
        }
        class::HEAP_TAG => {
            // SAFETY: (1).
            let tag = unsafe { buffer.read::<u64>() }?;
            nt::set_heap_tag(handle(heap), tag)
        }
        _ => Ok(()),
    }
}

fn status(result: Result<(), Status>) -> NTSTATUS {
    result.err().unwrap_or(Status::SUCCESS).0
}

fn truth(status: NTSTATUS) -> BOOL {
    let status = Status(status);
    if status.is_success() {
        TRUE
    } else {
        fail(status);
        FALSE
    }
}

exports! { nt:
    /// Asks a heap, or with some classes and a NULL heap the process.
    ///
    /// `STATUS_BUFFER_TOO_SMALL` with the length in `*ReturnLength` for a short or NULL buffer;
    /// `STATUS_INVALID_INFO_CLASS` for a class that cannot be asked; `STATUS_INVALID_HANDLE` for
    /// what is no heap, and `STATUS_ACCESS_VIOLATION` for NULL where a heap is needed.
    ///
    /// # Safety
    /// 1. `HeapInformation` has `HeapInformationLength` bytes, and `ReturnLength` a number, or they
    ///    are NULL; what the buffer says is called may be called.
    pub unsafe extern "system" fn RtlQueryHeapInformation(
        HeapHandle: PVOID,
        HeapInformationClass: HEAP_INFORMATION_CLASS,
        HeapInformation: PVOID,
        HeapInformationLength: SIZE_T,
        ReturnLength: PSIZE_T,
    ) -> NTSTATUS {
        let buffer = Buffer { at: HeapInformation, length: HeapInformationLength };
        // SAFETY: (1).
        status(unsafe { query(HeapHandle, HeapInformationClass, &buffer, ReturnLength) })
    }

    /// Tells a heap, or with some classes and a NULL heap the process.
    ///
    /// `STATUS_BUFFER_TOO_SMALL` for a short or NULL buffer; what else a class refuses is in
    /// [`rtl_heap::nt`]. Success for an unknown class.
    ///
    /// # Safety
    /// 1. `HeapInformation` has `HeapInformationLength` bytes, or is NULL.
    pub unsafe extern "system" fn RtlSetHeapInformation(
        HeapHandle: PVOID,
        HeapInformationClass: HEAP_INFORMATION_CLASS,
        HeapInformation: PVOID,
        HeapInformationLength: SIZE_T,
    ) -> NTSTATUS {
        let buffer = Buffer { at: HeapInformation, length: HeapInformationLength };
        // SAFETY: (1).
        status(unsafe { set(HeapHandle, HeapInformationClass, &buffer) })
    }

    /// [`RtlQueryHeapInformation`]; a failure is FALSE and a last error.
    ///
    /// # Safety
    /// 1. As there.
    pub unsafe extern "system" fn HeapQueryInformation(
        HeapHandle: HANDLE,
        HeapInformationClass: HEAP_INFORMATION_CLASS,
        HeapInformation: PVOID,
        HeapInformationLength: SIZE_T,
        ReturnLength: PSIZE_T,
    ) -> BOOL {
        // SAFETY: (1).
        truth(unsafe {
            RtlQueryHeapInformation(
                HeapHandle,
                HeapInformationClass,
                HeapInformation,
                HeapInformationLength,
                ReturnLength,
            )
        })
    }

    /// [`RtlSetHeapInformation`]; a failure is FALSE and a last error.
    ///
    /// # Safety
    /// 1. As there.
    pub unsafe extern "system" fn HeapSetInformation(
        HeapHandle: HANDLE,
        HeapInformationClass: HEAP_INFORMATION_CLASS,
        HeapInformation: PVOID,
        HeapInformationLength: SIZE_T,
    ) -> BOOL {
        // SAFETY: (1).
        truth(unsafe {
            RtlSetHeapInformation(
                HeapHandle,
                HeapInformationClass,
                HeapInformation,
                HeapInformationLength,
            )
        })
    }
}
