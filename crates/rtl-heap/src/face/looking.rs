//! Looking at a heap from Rust: its blocks, whether it is whole, and what its tags count.

use core::iter::FusedIterator;
use core::ptr::NonNull;

use crate::face::owned::Heap;
use crate::flags::HeapFlags;
use crate::nt::{self, NAME_UNITS, TagIndex, TagInfo, WalkEntry};
use crate::status::Status;

const NONE: HeapFlags = HeapFlags::empty();

impl Heap {
    /// The heap's regions and blocks, one after the other, as `HeapWalk` has them. An error ends it.
    ///
    /// Each step takes the lock; what others do between two steps may be seen or not. Hold
    /// [`Heap::lock`] to see the heap as it is at one time.
    ///
    /// ```
    /// use rtl_heap::{Heap, nt::WalkFlags};
    ///
    /// let heap = Heap::builder().create()?;
    /// let block = heap.allocate(100)?;
    /// let entries = heap.entries().collect::<Result<Vec<_>, _>>()?;
    /// let busy = entries.iter().find(|entry| entry.flags.contains(WalkFlags::BUSY)).unwrap();
    /// assert_eq!((busy.address, busy.size), (block.as_ptr() as usize, 100));
    /// # Ok::<(), rtl_heap::Status>(())
    /// ```
    #[doc(alias = "RtlWalkHeap")]
    pub fn entries(&self) -> Entries<'_> {
        Entries {
            heap: self,
            address: Some(0),
        }
    }

    /// Whether everything the heap knows of itself agrees.
    #[doc(alias = "RtlValidateHeap")]
    pub fn is_whole(&self) -> bool {
        nt::validate(self.handle(), NONE, None)
    }

    /// Gives what is kept for later back to the system; returns the bytes of the largest committed
    /// free run.
    ///
    /// # Errors
    /// None for a live heap, unless its own commit routine calls it.
    #[doc(alias = "RtlCompactHeap")]
    pub fn compact(&self) -> Result<usize, Status> {
        nt::compact(self.handle(), NONE)
    }

    /// Overwrites what is free, as [`nt::zero`] does.
    ///
    /// # Errors
    /// As for [`Heap::compact`].
    #[doc(alias = "RtlZeroHeap")]
    pub fn zero_free_memory(&self) -> Result<(), Status> {
        nt::zero(self.handle(), NONE)
    }

    /// Adds the caller's memory to the heap, as [`nt::extend`] does.
    ///
    /// # Errors
    /// Those of [`nt::extend`].
    ///
    /// # Safety
    /// 1. The memory is not used by anyone else while the heap lives.
    #[doc(alias = "RtlExtendHeap")]
    pub unsafe fn extend(&self, base: NonNull<u8>, bytes: usize) -> Result<(), Status> {
        // SAFETY: (1).
        unsafe { nt::extend(self.handle(), NONE, base, bytes) }
    }

    /// Defines a tag to count blocks by, in a heap built with
    /// [`tagging`](crate::HeapBuilder::tagging). The name is cut to 23 UTF-16 units.
    ///
    /// ```
    /// use rtl_heap::{Heap, HeapFlags};
    ///
    /// let heap = Heap::builder().tagging().create()?;
    /// let tag = heap.define_tag("nodes")?;
    /// heap.allocate_with(HeapFlags::from_bits_retain(tag.as_flags()), 100)?;
    /// let counted = heap.tag(tag)?;
    /// assert_eq!((counted.allocations, counted.bytes), (1, 100));
    /// # Ok::<(), rtl_heap::Status>(())
    /// ```
    ///
    /// # Errors
    /// `INVALID_PARAMETER` without tagging and when there are no numbers left.
    #[doc(alias = "RtlCreateTagHeap")]
    pub fn define_tag(&self, name: &str) -> Result<TagIndex, Status> {
        let mut units = [0; NAME_UNITS];
        let room = units[..NAME_UNITS - 1].iter_mut();
        room.zip(name.encode_utf16())
            .for_each(|(to, from)| *to = from);
        nt::create_tags(Some(self.handle()), core::iter::once(units))
    }

    /// What was counted under a tag.
    ///
    /// # Errors
    /// `INVALID_PARAMETER` where there is no such tag.
    #[doc(alias = "RtlQueryTagHeap")]
    pub fn tag(&self, index: TagIndex) -> Result<TagInfo, Status> {
        nt::query_tag(Some(self.handle()), index, false)
    }
}

/// A walk of a heap. Made by [`Heap::entries`].
#[derive(Debug)]
pub struct Entries<'h> {
    heap: &'h Heap,
    /// Where it stands; `None` once it has ended.
    address: Option<usize>,
}

impl Iterator for Entries<'_> {
    type Item = Result<WalkEntry, Status>;

    fn next(&mut self) -> Option<Self::Item> {
        match nt::walk(self.heap.handle(), self.address?) {
            Ok(entry) => {
                self.address = Some(entry.address);
                Some(Ok(entry))
            }
            Err(status) => {
                self.address = None;
                (status != Status::NO_MORE_ENTRIES).then_some(Err(status))
            }
        }
    }
}

impl FusedIterator for Entries<'_> {}
