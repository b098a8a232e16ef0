//! What a heap with tagging counts: each allocation and free, by the block's tag (5.2).
//!
//! A block's tag is remembered beside its region's record. A reallocation counts as one free and one
//! allocation, whether or not the block moves.

use core::ptr::NonNull;

use crate::backend::blocks::{self, Located};
use crate::failure::Refusal;
use crate::heap::Heap;
use crate::tags::{TagIndex, Tags};

/// The tag of a live block; 0 for none.
///
/// # Safety
/// 1. `located` is a live block of a heap whose lock is held.
pub unsafe fn of_block(located: &Located) -> TagIndex {
    // SAFETY: (1).
    TagIndex(unsafe {
        match located {
            Located::Block(block) => block.region.as_ref().tag_at(block.address),
            Located::Large(region) => region.as_ref().tag,
        }
    })
}

/// Gives a block just allocated the tag its caller named, if there is such a tag, and counts it.
///
/// # Safety
/// 1. `block` is a live block of the heap, whose lock is held.
#[cold]
pub unsafe fn note_allocated(heap: &Heap, tags: &Tags, block: NonNull<u8>, wanted: TagIndex) {
    // SAFETY: (1).
    let Ok(located) = (unsafe { blocks::locate(heap, block.as_ptr() as usize) }) else {
        return;
    };
    // No caller names a pseudo tag: there is no bit for it in the flags.
    let known = if tags.get(wanted).is_some() {
        wanted.0
    } else {
        0
    };
    // A block without memory for its tag has none. What the last block there had is overwritten.
    // SAFETY: (1).
    unsafe {
        match located {
            Located::Block(block) => {
                block.region.as_ref().set_tag(block.address, known);
            }
            Located::Large(region) => (*region.as_ptr()).tag = known,
        }
        Counted::of(&located).add(tags);
    }
}

/// Counts a free, which `work` does.
///
/// # Errors
/// Those of `work`; nothing is counted then.
///
/// # Safety
/// 1. The heap's lock is held.
#[cold]
pub unsafe fn free(
    heap: &Heap,
    tags: &Tags,
    pointer: usize,
    work: impl FnOnce() -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    // SAFETY: (1).
    let counted = unsafe { Counted::of(&blocks::locate(heap, pointer)?) };
    work()?;
    counted.remove(tags);
    Ok(())
}

/// Counts a reallocation, which `work` does: the block keeps its tag unless the caller names one.
///
/// # Errors
/// Those of `work`; nothing is counted then.
///
/// # Safety
/// 1. The heap's lock is held.
#[cold]
pub unsafe fn reallocate(
    heap: &Heap,
    tags: &Tags,
    pointer: usize,
    wanted: TagIndex,
    work: impl FnOnce() -> Result<NonNull<u8>, Refusal>,
) -> Result<NonNull<u8>, Refusal> {
    // SAFETY: (1).
    unsafe {
        let located = blocks::locate(heap, pointer)?;
        let counted = Counted::of(&located);
        let tag = match wanted {
            TagIndex(0) => of_block(&located),
            _ => wanted,
        };
        let block = work()?;
        counted.remove(tags);
        note_allocated(heap, tags, block, tag);
        Ok(block)
    }
}

/// Under which tag a block counts, and for how much.
struct Counted {
    tag: TagIndex,
    bytes: usize,
}

impl Counted {
    /// # Safety
    /// 1. As for [`of_block`].
    unsafe fn of(located: &Located) -> Counted {
        // SAFETY: (1).
        let own = unsafe { of_block(located) };
        let (size, bytes) = match located {
            Located::Block(block) => (Some(block.entry.size), block.entry.requested()),
            // SAFETY: (1).
            Located::Large(region) => (None, unsafe { region.as_ref() }.requested),
        };
        let tag = match own {
            TagIndex(0) => TagIndex::pseudo(size),
            _ => own,
        };
        Counted { tag, bytes }
    }

    fn add(&self, tags: &Tags) {
        if let Some(tag) = tags.get(self.tag) {
            tag.add(self.bytes);
        }
    }

    fn remove(&self, tags: &Tags) {
        if let Some(tag) = tags.get(self.tag) {
            tag.remove(self.bytes);
        }
    }
}
