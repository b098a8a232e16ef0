//! What is no block or no heap, and is refused.

use core::cell::Cell;
use core::ptr::null_mut;
use std::sync::LazyLock;

use rtl_heap::failure::HeapFailure;
use rtl_heap::nt::{self, HeapHandle};
use rtl_heap::{HeapFlags, Limits, Status};

use super::Machine;
use crate::model::operation::{Call, Pointer};

impl Machine<'_> {
    pub(super) fn misuse(&self, call: Call, flags: HeapFlags, pointer: Pointer) {
        let address = self.address_of(pointer);
        let before = self.accounting();
        let failures = FAILURES.get();
        let pointer = address as *mut u8;
        let invalid = Status::INVALID_PARAMETER;
        let mut reports = 1;
        if address == 0 {
            // NULL is freed by doing nothing and is no block to any other call.
            if matches!(call, Call::Free) {
                // SAFETY: no block is passed.
                assert_eq!(unsafe { nt::free(self.heap, flags, pointer) }, Ok(()));
                return;
            }
        }
        match call {
            // SAFETY: no live block is passed, which is to be refused.
            Call::Free => assert_eq!(unsafe { nt::free(self.heap, flags, pointer) }, Err(invalid)),
            Call::Size => assert_eq!(nt::size(self.heap, flags, pointer), Err(invalid)),
            Call::Reallocate(size) => {
                // SAFETY: as above.
                let result = unsafe { nt::reallocate(self.heap, flags, pointer, size) };
                assert_eq!(result, Err(invalid));
            }
            Call::Validate => {
                assert!(
                    !nt::validate(self.heap, flags, Some(pointer)),
                    "{address:#x}"
                );
                // A type test reports nothing.
                reports = 0;
            }
        }
        assert_eq!(
            FAILURES.get() - failures,
            reports,
            "reports of {address:#x}"
        );
        assert_eq!(
            self.accounting(),
            before,
            "a refused call changed something"
        );
    }

    /// An address that is no live block of the heap.
    pub(super) fn address_of(&self, pointer: Pointer) -> usize {
        static BYTE: u8 = 0;
        let byte = 0u8;
        let near = |block, distance| {
            self.nth(block)
                .map(|at: usize| at.wrapping_add_signed(distance))
        };
        let address = match pointer {
            Pointer::Null => 0,
            Pointer::Near { block, distance } => near(block, distance).unwrap_or(0x10),
            Pointer::Freed(number) if self.freed.is_empty() => number,
            Pointer::Freed(number) => self.freed[number % self.freed.len()],
            Pointer::Foreign(number) => NEIGHBOUR.blocks[number % NEIGHBOUR.blocks.len()],
            Pointer::Stack => &raw const byte as usize,
            Pointer::Static => &raw const BYTE as usize,
            Pointer::Heap(offset) => self.heap.0.wrapping_add(offset),
            Pointer::Bits(bits) => bits,
        };
        let is_live = self.live.contains_key(&address);
        if is_live { address + 1 } else { address }
    }

    pub(super) fn wrong_handle(&self, call: Call, handle: Pointer) {
        let handle = self.address_of(handle);
        let is_heap = handle == self.heap.0 || handle == NEIGHBOUR.heap.0;
        // Any other heap of the process has a handle as good as ours.
        if is_heap || matches!(call, Call::Validate) || nt::accounting(HeapHandle(handle)).is_ok() {
            return;
        }
        let heap = HeapHandle(handle);
        let flags = HeapFlags::empty();
        let block = self.nth(0).map_or(null_mut(), |block| block as *mut u8);
        let invalid = Status::INVALID_HANDLE;
        assert_eq!(nt::allocate(heap, flags, 1), Err(invalid));
        assert_eq!(nt::size(heap, flags, block), Err(invalid));
        assert_eq!(nt::lock(heap), Err(invalid));
        assert!(!nt::validate(heap, flags, None));
        // SAFETY: not a heap, so nothing is freed.
        let freed = unsafe { nt::free(heap, flags, block) };
        assert_eq!(
            freed,
            if block.is_null() {
                Ok(())
            } else {
                Err(invalid)
            }
        );
        // SAFETY: not a heap, so nothing is destroyed.
        assert_eq!(unsafe { nt::destroy_heap(heap) }, Err(invalid));
    }
}

thread_local! {
    static FAILURES: Cell<usize> = const { Cell::new(0) };
}

/// Counts the reports of misuse on each thread.
pub(super) fn count_failure(_failure: &HeapFailure) {
    FAILURES.set(FAILURES.get() + 1);
}

/// Another heap with blocks of its own, for the whole process.
struct Neighbour {
    heap: HeapHandle,
    blocks: [usize; 3],
}

static NEIGHBOUR: LazyLock<Neighbour> = LazyLock::new(|| {
    let request = nt::CreateRequest::new(Limits::WINDOWS);
    // SAFETY: no caller memory, lock or routine is involved.
    let heap = unsafe { nt::create_heap(&request) }.expect("a heap");
    let block = |size| {
        let block = nt::allocate(heap, HeapFlags::empty(), size).expect("a block");
        block.as_ptr() as usize
    };
    Neighbour {
        heap,
        blocks: [block(0), block(100), block(0x20_0000)],
    }
});

/// Makes what the machines of a process share, so that it does not count as a heap of a test's.
pub fn prepare() {
    LazyLock::force(&NEIGHBOUR);
}
