//! Heaps of the Rust API on the simulated system: what they hold, and what they say they do.

use core::ptr::NonNull;

use rtl_heap::HeapFlags;
use rtl_heap::limits::Limits;
use rtl_heap::nt::{self, CreateRequest, HeapHandle};
use rtl_platform::sim::SimVm;

/// No flag.
pub const NONE: HeapFlags = HeapFlags::empty();

/// A heap on the simulated system. Its blocks are its own: it has no front end.
pub fn heap(vm: &'static SimVm, flags: HeapFlags) -> HeapHandle {
    let request = CreateRequest {
        flags,
        vm: Some(vm),
        ..CreateRequest::new(Limits::DOCUMENTED)
    };
    // SAFETY: no caller memory, and the vm is static.
    unsafe { nt::create_heap(&request) }.unwrap()
}

/// A block, written to.
pub fn allocate(heap: HeapHandle, size: usize) -> NonNull<u8> {
    let block = nt::allocate(heap, NONE, size).unwrap();
    // SAFETY: the block is ours.
    unsafe { block.write_bytes(0x5a, size) };
    block
}

/// Frees a block that nobody uses any more.
pub fn free(heap: HeapHandle, block: NonNull<u8>) {
    // SAFETY: nobody uses the block any more.
    unsafe { nt::free(heap, NONE, block.as_ptr()) }.unwrap();
}

/// What the heap says is committed in its segments.
pub fn counted(heap: HeapHandle) -> usize {
    nt::accounting(heap).unwrap().committed
}
