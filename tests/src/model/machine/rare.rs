//! The rarer calls: user values and flags, several blocks at a time, what acts on the whole heap.

use core::ffi::c_void;
use core::ptr;

use rtl_heap::{HeapFlags, Status, nt};

use super::super::operation::Rare;
use super::{Live, Machine, System};
use crate::abi::{RtlMultipleAllocateHeap, RtlMultipleFreeHeap};

const NONE: HeapFlags = HeapFlags::empty();
const USER_FLAGS: HeapFlags = HeapFlags::SETTABLE_USER_FLAGS;

impl Machine<'_> {
    pub(super) fn rare(&mut self, call: Rare) {
        match call {
            Rare::SetValue { block, value } => {
                if let Some(block) = self.nth(block) {
                    self.set_value(block, value);
                }
            }
            Rare::SetFlags { block, reset, set } => {
                if let Some(block) = self.nth(block) {
                    let [reset, set] = [reset, set].map(HeapFlags::from_bits_retain);
                    self.set_flags(block, reset, set);
                }
            }
            Rare::AllocateMany { flags, size, count } => {
                self.allocate_many(HeapFlags::from_bits_retain(flags), size, count);
            }
            Rare::FreeMany { block, count } => self.free_many(block, count),
            Rare::Zero { flags } => {
                let flags = HeapFlags::from_bits_retain(flags);
                assert_eq!(nt::zero(self.heap, flags), Ok(()));
            }
            Rare::Optimize => assert_eq!(nt::optimize_resources(Some(self.heap)), Ok(())),
            Rare::AllowFrontEnd => {
                let allowed = nt::set_compatibility(self.heap, 2).is_ok();
                assert!(!allowed || nt::compatibility(self.heap) == Ok(2));
            }
            Rare::Protect => self.protect(),
        }
    }

    /// A block without a value may have room for one all the same: a large one, and any under
    /// validation. The model does not follow what is put there.
    fn set_value(&mut self, block: usize, value: usize) {
        let set = nt::set_user_value(self.heap, NONE, block as *const u8, value);
        let live = self.live.get_mut(&block).expect("a block of the model's");
        match (set, live.value) {
            (Ok(()), Some(_)) => live.value = Some(value),
            (Ok(()), None) => {}
            (Err(status), had) => {
                assert_eq!((status, had), (Status::INVALID_PARAMETER, None));
            }
        }
        self.check_block(block);
    }

    fn set_flags(&mut self, block: usize, reset: HeapFlags, set: HeapFlags) {
        let result = nt::set_user_flags(self.heap, NONE, block as *const u8, reset, set);
        if !USER_FLAGS.contains(reset | set) {
            assert_eq!(result, Err(Status::INVALID_PARAMETER));
        } else if result.is_ok() {
            let live = self.live.get_mut(&block).expect("a block of the model's");
            live.user_flags = live.user_flags.difference(reset) | set;
        } else {
            // A block of the front end has none to change.
            assert_eq!(nt::compatibility(self.heap), Ok(2), "{result:?}");
        }
        self.check_block(block);
    }

    fn allocate_many(&mut self, flags: HeapFlags, size: usize, count: usize) {
        let all_flags = flags | self.forced;
        if all_flags.contains(HeapFlags::GENERATE_EXCEPTIONS) {
            // Raised by the C face, which here ends the process.
            return;
        }
        let before = self.accounting();
        let mut array = vec![ptr::null_mut::<c_void>(); count];
        let heap = self.heap.0 as *mut c_void;
        // SAFETY: the array has room for as many.
        let got = unsafe {
            RtlMultipleAllocateHeap(heap, flags.bits(), size, count as u32, array.as_mut_ptr())
        };
        let (blocks, rest) = array.split_at(got as usize);
        assert!(
            rest.iter().all(|block| block.is_null()),
            "written to behind the last"
        );
        for block in blocks {
            self.accept(block.cast(), size, all_flags);
        }
        if !rest.is_empty() {
            assert!(self.may_refuse(all_flags, size, 1), "refused {size:#x}");
            if blocks.is_empty() {
                self.check_refused(before, flags, size);
            }
        }
    }

    fn free_many(&mut self, first: usize, count: usize) {
        let first = self.nth(first).unwrap_or_default();
        let blocks: Vec<usize> = self.live.range(first..).map(|(block, _)| *block).collect();
        let blocks = &blocks[..count.min(blocks.len())];
        blocks.iter().for_each(|block| self.check_block(*block));
        let mut array: Vec<_> = blocks.iter().map(|block| *block as *mut c_void).collect();
        array.insert(array.len() / 2, ptr::null_mut());
        let heap = self.heap.0 as *mut c_void;
        // SAFETY: the array has as many pointers; the blocks are the model's.
        let freed = unsafe { RtlMultipleFreeHeap(heap, 0, array.len() as u32, array.as_mut_ptr()) };
        assert_eq!(freed as usize, array.len());
        for block in blocks {
            self.remove(*block);
        }
    }

    /// Read-only, it is no heap to any call; then it is as it was. (Where the system refuses to
    /// change a protection the heap stays read-only, and there is nothing left to compare.)
    fn protect(&self) {
        if self.system == System::Moody {
            return;
        }
        let before = self.accounting();
        assert_eq!(nt::protect(self.heap, true), Ok(()));
        let refused = nt::allocate(self.heap, NONE, 1);
        assert_eq!(refused, Err(Status::INVALID_HANDLE));
        if let Some((&block, _)) = self.live.first_key_value() {
            // SAFETY: the model's own block, and nothing happens to it.
            let freed = unsafe { nt::free(self.heap, NONE, block as *mut u8) };
            assert_eq!(freed, Err(Status::INVALID_HANDLE));
        }
        assert_eq!(nt::protect(self.heap, false), Ok(()));
        let now = self.accounting();
        assert_eq!(
            (now.live_blocks, now.live_bytes),
            (before.live_blocks, before.live_bytes)
        );
        // What was parked may have gone back to the system.
        assert!(now.reserved <= before.reserved && now.committed <= before.committed);
    }

    /// A block's user flags and, if it has one, its user value.
    pub(super) fn check_user_info(&self, block: usize, value: Option<usize>, flags: HeapFlags) {
        let info = nt::user_info(self.heap, NONE, block as *const u8).expect("a live block");
        assert_eq!(info.flags, flags, "user flags of {block:#x}");
        if value.is_some() {
            assert_eq!(info.value, value, "user value of {block:#x}");
        }
    }

    /// A reallocated block's user flags: those it had, or, where it grew in place, those the call
    /// passed (C302, C303).
    pub(super) fn flags_after(&self, block: usize, old: &Live, call: HeapFlags) -> HeapFlags {
        let info = nt::user_info(self.heap, NONE, block as *const u8).expect("a live block");
        let passed = call & USER_FLAGS;
        let kept = info.flags == old.user_flags;
        assert!(
            kept || !passed.is_empty() && info.flags == passed,
            "{:?}",
            info.flags
        );
        info.flags
    }
}
