//! Tags by handle (5.2). A missing handle stands for the process: its tags are counted for by every
//! heap with tagging.

use crate::flags::HeapFlags;
use crate::heap::Heap;
use crate::nt::{HeapHandle, process_heap};
use crate::status::Status;
use crate::tags::{self, Tag};
use crate::units::GRANULE;

pub use crate::tags::{NAME_UNITS, PSEUDO_TAGS, TagIndex, TagInfo, TagName};

/// Defines a tag for each name, under numbers that follow one another, and returns the first.
///
/// A heap counts by tags if it was created with `TAGGING_ENABLED`; the process has tags once there
/// is such a heap.
///
/// # Errors
/// `INVALID_PARAMETER` without tagging, and for no name or more than there are numbers for;
/// `NO_MEMORY`; `INVALID_HANDLE` for what is no heap. No tag is defined then.
///
/// # Source
/// Specification 5.2. What a failure is called is our choice.
#[doc(alias = "RtlCreateTagHeap")]
pub fn create_tags(
    heap: Option<HeapHandle>,
    names: impl Iterator<Item = TagName> + Clone,
) -> Result<TagIndex, Status> {
    let Some(heap) = heap else {
        // The process heap may be the one with tagging.
        let _ = process_heap();
        let number = tags::define_global(names).ok_or(Status::INVALID_PARAMETER)?;
        return Ok(TagIndex(TagIndex::GLOBAL | number as u16));
    };
    let heap = Heap::at(heap.0).ok_or(Status::INVALID_HANDLE)?;
    let tags = heap.tags().ok_or(Status::INVALID_PARAMETER)?;
    // Also in a heap that is not serialised: its tags are few and rarely defined.
    heap.lock.enter();
    // SAFETY: (1) the lock is held.
    let number = unsafe { tags.own.define(names) };
    heap.lock.leave_held();
    let number = number.ok_or(Status::INVALID_PARAMETER)?;
    Ok(TagIndex(number as u16))
}

/// What was counted under a tag of a heap, one of the process's or a pseudo tag included. With
/// `reset` the numbers of allocations and frees start again.
///
/// # Errors
/// `INVALID_PARAMETER` where there is no such tag; `INVALID_HANDLE` for what is no heap.
///
/// # Source
/// Specification 5.2.
#[doc(alias = "RtlQueryTagHeap")]
pub fn query_tag(
    heap: Option<HeapHandle>,
    index: TagIndex,
    reset: bool,
) -> Result<TagInfo, Status> {
    let (index, tag) = find(heap, index)?;
    Ok(tag.read(index, reset))
}

/// Where the name of a tag is: it ends with a zero and stays as long as its heap.
///
/// # Errors
/// As for [`query_tag`].
pub fn tag_name(heap: Option<HeapHandle>, index: TagIndex) -> Result<&'static TagName, Status> {
    find(heap, index).map(|(_, tag)| tag.name())
}

fn find(heap: Option<HeapHandle>, index: TagIndex) -> Result<(TagIndex, &'static Tag), Status> {
    let invalid = Status::INVALID_PARAMETER;
    let Some(heap) = heap else {
        // With or without the bit that tells them from a heap's.
        let global = TagIndex(index.0 | TagIndex::GLOBAL);
        let number = (global.0 ^ TagIndex::GLOBAL) as usize;
        return Ok((global, tags::global(number).ok_or(invalid)?));
    };
    let heap = Heap::at(heap.0).ok_or(Status::INVALID_HANDLE)?;
    let tag = heap.tags().and_then(|tags| tags.get(index));
    Ok((index, tag.ok_or(invalid)?))
}

/// Visits the process's tags, or those of a heap: its own, then the pseudo tags. None without tagging.
///
/// # Errors
/// `INVALID_HANDLE` for what is no heap.
pub fn for_each_tag(
    heap: Option<HeapHandle>,
    mut visit: impl FnMut(&TagInfo),
) -> Result<(), Status> {
    let Some(heap) = heap else {
        for number in 1..=tags::global_count() {
            let index = TagIndex(TagIndex::GLOBAL | number as u16);
            if let Some(tag) = tags::global(number) {
                visit(&tag.read(index, false));
            }
        }
        return Ok(());
    };
    let heap = Heap::at(heap.0).ok_or(Status::INVALID_HANDLE)?;
    let Some(tags) = heap.tags() else {
        return Ok(());
    };
    let own = (1..=tags.own.count()).map(|number| TagIndex(number as u16));
    let pseudo = (0..PSEUDO_TAGS).map(|number| TagIndex(TagIndex::PSEUDO | number as u16));
    for index in own.chain(pseudo) {
        if let Some(tag) = tags.get(index) {
            visit(&tag.read(index, false));
        }
    }
    Ok(())
}

/// Bytes from the size of one pseudo tag's blocks to the next.
pub const PSEUDO_TAG_GRANULARITY: usize = GRANULE;

/// Creation flags of a heap with tagging.
///
/// The mask that `RtlCreateHeap` holds flags to has no bit for tagging: it comes from the process's
/// global flags. A caller that wants it for one heap has to bypass the mask.
pub const TAGGING: HeapFlags = HeapFlags::TAGGING_ENABLED.union(HeapFlags::SKIP_VALIDATION_CHECKS);
