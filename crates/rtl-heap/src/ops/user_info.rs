//! A block's user value and user flags: reading and changing them (5.5).

use crate::backend::blocks::{Block, Located};
use crate::entry::{Entry, EntryFlags};
use crate::flags::HeapFlags;
use crate::heap::Heap;
use crate::ops::extras;

/// What a caller keeps with a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct UserInfo {
    /// The value; `None` for a block that was allocated without `HEAP_SETTABLE_USER_VALUE`. A large
    /// block always has one.
    pub value: Option<usize>,
    /// Of `HEAP_SETTABLE_USER_FLAG1` to `3`.
    pub flags: HeapFlags,
}

/// # Safety
/// 1. `located` is a live block of the heap, whose lock is held.
pub unsafe fn get(heap: &Heap, located: Located) -> UserInfo {
    match located {
        Located::Block(block) => {
            // SAFETY: (1).
            let [_, value] = unsafe { extras::read_slot(heap, &block) };
            UserInfo {
                value: has_slot(&block).then_some(value),
                flags: extras::call_flags(block.entry.flags) & HeapFlags::SETTABLE_USER_FLAGS,
            }
        }
        Located::Large(region) => {
            // SAFETY: (1).
            let record = unsafe { region.as_ref() };
            UserInfo {
                value: Some(record.user_value),
                flags: HeapFlags::from_bits_retain(record.user_flags)
                    & HeapFlags::SETTABLE_USER_FLAGS,
            }
        }
    }
}

/// Sets the value. False for a block without one.
///
/// # Safety
/// 1. As for [`get`].
pub unsafe fn set_value(heap: &Heap, located: Located, value: usize) -> bool {
    match located {
        Located::Block(block) => {
            // SAFETY: (1).
            unsafe {
                let [internal, _] = extras::read_slot(heap, &block);
                extras::write_slot(heap, &block, [internal, value]);
            }
            has_slot(&block)
        }
        Located::Large(region) => {
            // SAFETY: (1).
            unsafe { (*region.as_ptr()).user_value = value };
            true
        }
    }
}

/// Takes the flags of `reset` from a block's, then adds those of `set`; both within
/// `SETTABLE_USER_FLAGS`.
///
/// # Safety
/// 1. As for [`get`].
pub unsafe fn set_flags(heap: &Heap, located: Located, reset: HeapFlags, set: HeapFlags) {
    match located {
        Located::Block(block) => {
            let user = extras::call_flags(block.entry.flags) & HeapFlags::SETTABLE_USER_FLAGS;
            let flags = block.entry.flags.difference(EntryFlags::USER_FLAGS)
                | extras::entry_flags(user.difference(reset) | set);
            let entry = Entry {
                flags,
                ..block.entry
            };
            // SAFETY: (1).
            unsafe { heap.key.write(block.address, entry) };
        }
        Located::Large(region) => {
            // SAFETY: (1).
            let record = unsafe { &mut *region.as_ptr() };
            record.user_flags = record.user_flags & !reset.bits() | set.bits();
        }
    }
}

fn has_slot(block: &Block) -> bool {
    block.entry.flags.contains(EntryFlags::USER_VALUE)
}
