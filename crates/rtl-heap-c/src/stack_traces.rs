//! The classes `HeapStackDatabase` and `HeapSetDebuggingInformation` (specification 9): who allocated
//! the blocks of a heap.

#![allow(non_camel_case_types, clippy::upper_case_acronyms)]

use rtl_heap::flags::HeapFlags;
use rtl_heap::nt::{self, HeapHandle, TraceExtent, WalkFlags};
use rtl_heap::status::Status;

use crate::exports::exports;
use crate::last_error::fail;
use crate::pin::pin_layout;
use crate::rtl::handle;
use crate::types::{HANDLE, NTSTATUS, PCVOID, PVOID, SIZE_T, ULONG, USHORT};

/// A block and who allocated it, as the routine of a query is given it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rtlheap_block_stack {
    /// The block.
    pub Address: PVOID,
    /// Bytes asked for.
    pub DataSize: SIZE_T,
    /// Return addresses at `Frames`.
    pub FrameCount: ULONG,
    /// Innermost first; during the call only.
    pub Frames: *const PVOID,
}

/// Called with each block, the size of what it is given, and the caller's context; a failure ends
/// the query.
pub type PRTL_HEAP_STACK_WRITE_ROUTINE = Option<
    unsafe extern "system" fn(
        Information: *const rtlheap_block_stack,
        Size: ULONG,
        Context: PVOID,
    ) -> NTSTATUS,
>;

/// What a query says.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RTL_HEAP_STACK_QUERY {
    /// 2.
    pub Version: ULONG,
    /// NULL or -1: this process.
    pub ProcessHandle: HANDLE,
    /// Called with each live block that has a trace.
    pub WriteRoutine: PRTL_HEAP_STACK_WRITE_ROUTINE,
    /// Passed to it.
    pub SerializationContext: PVOID,
    /// Not looked at.
    pub QueryLevel: u8,
    /// Not looked at.
    pub Flags: u8,
}

/// Switches recording.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RTL_HEAP_STACK_CONTROL {
    /// 1.
    pub Version: USHORT,
    /// [`HEAP_STACK_CONTROL_FLAGS_STACKTRACE_ENABLE`] or
    /// [`HEAP_STACK_CONTROL_FLAGS_STACKTRACE_DISABLE`].
    pub Flags: USHORT,
    /// NULL or -1: this process.
    pub ProcessHandle: HANDLE,
}

/// What is recorded of blocks.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HEAP_DEBUGGING_INFORMATION {
    /// Must be NULL: there are no interceptors.
    pub InterceptorFunction: PVOID,
    /// Not looked at.
    pub InterceptorValue: USHORT,
    /// 0 to 3; must be 0.
    pub ExtendedOptions: ULONG,
    /// Return addresses of a trace at most: 1 to 32; 0 leaves the number.
    pub StackTraceDepth: ULONG,
    /// Bytes of the smallest block that is traced.
    pub MinTotalBlockSize: SIZE_T,
    /// Bytes of the largest block that is traced; 0 for no limit.
    pub MaxTotalBlockSize: SIZE_T,
    /// Must be NULL: leaks are not enumerated this way.
    pub HeapLeakEnumerationRoutine: PVOID,
}

/// Record who allocates.
pub const HEAP_STACK_CONTROL_FLAGS_STACKTRACE_ENABLE: USHORT = 1;
/// Cease to.
pub const HEAP_STACK_CONTROL_FLAGS_STACKTRACE_DISABLE: USHORT = 2;

pin_layout!(
    RTL_HEAP_STACK_QUERY,
    20 / 40,
    Version = 0 / 0,
    ProcessHandle = 4 / 8,
    WriteRoutine = 8 / 16,
    SerializationContext = 12 / 24,
    QueryLevel = 16 / 32,
    Flags = 17 / 33
);
pin_layout!(
    RTL_HEAP_STACK_CONTROL,
    8 / 16,
    Version = 0 / 0,
    Flags = 2 / 2,
    ProcessHandle = 4 / 8
);
pin_layout!(
    HEAP_DEBUGGING_INFORMATION,
    28 / 48,
    InterceptorFunction = 0 / 0,
    InterceptorValue = 4 / 8,
    ExtendedOptions = 8 / 12,
    StackTraceDepth = 12 / 16,
    MinTotalBlockSize = 16 / 24,
    MaxTotalBlockSize = 20 / 32,
    HeapLeakEnumerationRoutine = 24 / 40
);
pin_layout!(
    rtlheap_block_stack,
    16 / 32,
    Address = 0 / 0,
    DataSize = 4 / 8,
    FrameCount = 8 / 16,
    Frames = 12 / 24
);

const FRAMES_MOST: usize = 32;

fn is_this_process(process: HANDLE) -> bool {
    process.addr() == 0 || process.addr() == usize::MAX
}

/// Answers `HeapStackDatabase`. The routine runs without the heap's lock: a block that is freed
/// meanwhile is passed over.
///
/// `STATUS_INVALID_PARAMETER` for another version and without a routine, `STATUS_INVALID_HANDLE` for
/// another process and for what is no heap; else what the routine fails with.
///
/// # Safety
/// 1. The routine may be called with the context; it neither unwinds nor jumps out.
pub(crate) unsafe fn query(heap: PVOID, asked: &RTL_HEAP_STACK_QUERY) -> Result<(), Status> {
    let (2, Some(routine)) = (asked.Version, asked.WriteRoutine) else {
        return Err(Status::INVALID_PARAMETER);
    };
    if !is_this_process(asked.ProcessHandle) {
        return Err(Status::INVALID_HANDLE);
    }
    let heap = handle(heap);
    let mut address = 0;
    loop {
        let entry = match nt::walk(heap, address) {
            Ok(entry) => entry,
            Err(Status::NO_MORE_ENTRIES) => return Ok(()),
            Err(status) => return Err(status),
        };
        address = entry.address;
        let mut frames = [0; FRAMES_MOST];
        let count = match entry.flags.contains(WalkFlags::BUSY) {
            true => frames_of(heap, address, &mut frames),
            false => 0,
        };
        if count == 0 {
            continue;
        }
        let frames = frames.map(core::ptr::without_provenance_mut);
        let told = rtlheap_block_stack {
            Address: core::ptr::with_exposed_provenance_mut(address),
            DataSize: entry.size,
            FrameCount: count as ULONG,
            Frames: frames.as_ptr(),
        };
        let size = size_of::<rtlheap_block_stack>() as ULONG;
        // SAFETY: (1).
        let status = Status(unsafe { routine(&raw const told, size, asked.SerializationContext) });
        if !status.is_success() {
            return Err(status);
        }
    }
}

/// The frames of a block that was seen a moment ago; 0 where it has none, or is gone.
fn frames_of(heap: HeapHandle, block: usize, frames: &mut [usize]) -> usize {
    let pointer = block as *const u8;
    if !nt::validate(heap, HeapFlags::empty(), Some(pointer)) {
        return 0;
    }
    let stored = nt::block_trace(heap, HeapFlags::empty(), pointer, frames);
    stored.map_or(0, |count| count.min(frames.len()))
}

/// Sets `HeapStackDatabase`.
///
/// `STATUS_INVALID_PARAMETER` for another version or other flags; `STATUS_INVALID_HANDLE` as for
/// [`query`]; `STATUS_UNSUCCESSFUL` for a heap that was not made under `FLG_USER_STACK_TRACE_DB`.
pub(crate) fn control(heap: PVOID, told: &RTL_HEAP_STACK_CONTROL) -> Result<(), Status> {
    if !is_this_process(told.ProcessHandle) {
        return Err(Status::INVALID_HANDLE);
    }
    match (told.Version, told.Flags) {
        (1, HEAP_STACK_CONTROL_FLAGS_STACKTRACE_ENABLE) => nt::record_traces(handle(heap), true),
        (1, HEAP_STACK_CONTROL_FLAGS_STACKTRACE_DISABLE) => nt::record_traces(handle(heap), false),
        _ => Err(Status::INVALID_PARAMETER),
    }
}

/// Sets `HeapSetDebuggingInformation`, for every heap of the process.
///
/// `STATUS_INVALID_PARAMETER` for more than 32 frames or options above 3, or a smallest block above the
/// largest; `STATUS_NOT_IMPLEMENTED` for an interceptor, a leak routine or an option.
pub(crate) fn set_extent(told: &HEAP_DEBUGGING_INFORMATION) -> Result<(), Status> {
    if told.ExtendedOptions > 3 {
        return Err(Status::INVALID_PARAMETER);
    }
    let foreign = [told.InterceptorFunction, told.HeapLeakEnumerationRoutine];
    if told.ExtendedOptions != 0 || foreign.iter().any(|routine| !routine.is_null()) {
        return Err(Status::NOT_IMPLEMENTED);
    }
    nt::set_trace_extent(TraceExtent {
        depth: match told.StackTraceDepth {
            0 => nt::trace_extent().depth,
            depth => depth,
        },
        smallest: told.MinTotalBlockSize,
        largest: match told.MaxTotalBlockSize {
            0 => SIZE_T::MAX,
            bytes => bytes,
        },
    })
}

exports! { own:
    /// Stores up to `count` return addresses of whoever allocated a block, innermost first, into
    /// `frames`, and returns how many there are; 0 when none were recorded.
    ///
    /// 0 and `ERROR_INVALID_PARAMETER` for what is no block of the heap, `ERROR_INVALID_HANDLE` for
    /// what is no heap.
    ///
    /// # Safety
    /// 1. `frames` has room for `count` addresses, or `count` is 0.
    pub unsafe extern "system" fn rtlheap_block_trace(
        heap: HANDLE,
        flags: ULONG,
        block: PCVOID,
        count: ULONG,
        frames: *mut PVOID,
    ) -> ULONG {
        let mut found = [0; FRAMES_MOST];
        let flags = HeapFlags::from_bits_retain(flags);
        match nt::block_trace(handle(heap), flags, block.cast(), &mut found) {
            Ok(known) => {
                let stored = known.min(FRAMES_MOST);
                for (at, frame) in found[..stored].iter().enumerate().take(count as usize) {
                    let address = core::ptr::without_provenance_mut(*frame);
                    // SAFETY: (1).
                    unsafe { frames.add(at).write_unaligned(address) };
                }
                known as ULONG
            }
            Err(status) => {
                fail(status);
                0
            }
        }
    }
}
