//! What is checked of answers, blocks and sums.

use rtl_heap::{Accounting, GRANULE, HeapFlags, Status, nt};

use super::{ABSURD, EXTRAS, Machine, System};

/// Requests this near the limit may be refused by a fixed heap (specification 2.6).
const NEAR_LIMIT: usize = 0x2000;
/// More than a fixed heap keeps for itself, in bytes (specification 2.6).
const HEADER_MOST: usize = 0xC00;

impl Machine<'_> {
    /// A refused request left everything as it was, and says what it would raise.
    pub(super) fn check_refused(&self, before: Accounting, flags: HeapFlags, size: usize) {
        let now = self.accounting();
        let of = |sums: &Accounting| (sums.live_blocks, sums.live_bytes);
        assert_eq!(of(&now), of(&before), "a refused call changed something");
        let raised = nt::exception(self.heap, flags, size);
        let raises = flags.contains(HeapFlags::GENERATE_EXCEPTIONS);
        assert_eq!(
            raised.map(|raised| raised.code),
            raises.then_some(Status::NO_MEMORY)
        );
    }

    /// Whether the model can tell why a request was refused.
    pub(super) fn may_refuse(&self, flags: HeapFlags, size: usize, alignment: usize) -> bool {
        let shape = self.subject.shape();
        if self.system == System::Moody || size >= ABSURD {
            return true;
        }
        if shape.growable {
            return false;
        }
        let is_simple = alignment <= GRANULE
            && !flags.intersects(EXTRAS)
            && !self.made_with.intersects(EXTRAS)
            && !self.page_heap
            && !shape.flags.contains(HeapFlags::DISABLE_COALESCE_ON_FREE);
        !is_simple || size + NEAR_LIMIT > shape.largest_block() || !self.has_room(size)
    }

    /// Some gap between blocks of the one segment of a fixed heap holds `size` bytes for sure.
    pub(super) fn has_room(&self, size: usize) -> bool {
        // Header, rounding, a granule that was too little to split off, extras of other calls.
        const SLACK: usize = 8 * GRANULE;
        let needed = size + SLACK;
        let mut end = self.heap.0 + HEADER_MOST;
        for (block, live) in &self.live {
            if block.saturating_sub(end) >= needed {
                return true;
            }
            end = block + live.size.max(GRANULE) + SLACK;
        }
        (self.heap.0 + self.fresh.reserved).saturating_sub(end) >= needed
    }

    /// A block lies in committed memory of the heap and overlaps no other.
    pub(super) fn check_place(&self, block: usize, size: usize) {
        let region = nt::region_of(block).expect("a block in no region");
        assert_eq!(region.heap, self.heap.0, "a block of another heap");
        assert!(region.committed, "a block not committed");
        let end = block + size;
        assert!(region.base <= block && end <= region.base + region.size);
        if size != 0 {
            let last = nt::region_of(end - 1).expect("a block in no region");
            assert!(last.committed, "a block not wholly committed");
        }
        if let Some((before, live)) = self.live.range(..=block).next_back() {
            assert!(before + live.size.max(1) <= block, "blocks overlap");
        }
        if let Some((after, _)) = self.live.range(block..).next() {
            assert!(block + size.max(1) <= *after, "blocks overlap");
        }
    }

    /// A live block has its size, contents and value.
    pub(super) fn check_block(&self, block: usize) {
        let live = self.live[&block];
        let pointer = block as *const u8;
        assert_eq!(
            nt::size(self.heap, HeapFlags::empty(), pointer),
            Ok(live.size)
        );
        // SAFETY: the block is ours.
        let kept = unsafe { live.contents.stands_at(pointer, live.size) };
        assert!(
            kept,
            "contents of {block:#x}, {:#x} bytes, changed",
            live.size
        );
        self.check_value(block, live.size, live.value);
        self.check_user_info(block, live.value, live.user_flags);
    }

    pub(super) fn check_value(&self, block: usize, size: usize, value: Option<usize>) {
        if let (Some(value), Some(slot)) = (value, self.value_slot(block, size)) {
            // SAFETY: the slot belongs to the block.
            assert_eq!(unsafe { slot.read() }, value, "a user value changed");
        }
    }

    /// In a debug heap the bytes of a block from `from` on, which nobody has written to, have their
    /// pattern in whole DWORDs, and a tail follows; a large block has neither.
    pub(super) fn check_fill(&self, block: usize, from: usize, size: usize, flags: HeapFlags) {
        let heap_flags = self.made_with;
        if self.page_heap || nt::region_of(block).is_none_or(|region| region.large) {
            return;
        }
        let is = |at: usize, byte: u8| {
            // SAFETY: the block is ours, its tail behind it.
            let found = unsafe { (at as *const u8).read() };
            assert_eq!(found, byte, "no pattern at {at:#x}");
        };
        if heap_flags.contains(HeapFlags::FREE_CHECKING_ENABLED)
            && !flags.contains(HeapFlags::ZERO_MEMORY)
        {
            let pattern = 0xBAAD_F00D_u32.to_le_bytes();
            for at in from.next_multiple_of(4)..size & !3 {
                is(block + at, pattern[at % 4]);
            }
        }
        if heap_flags.contains(HeapFlags::TAIL_CHECKING_ENABLED) {
            for at in size..size + GRANULE {
                is(block + at, 0xAB);
            }
        }
    }

    /// In a heap with tagging every live block counts for some tag.
    fn check_tags(&self) {
        if !self.made_with.contains(HeapFlags::TAGGING_ENABLED) || self.page_heap {
            return;
        }
        let (mut blocks, mut bytes) = (0, 0);
        nt::for_each_tag(Some(self.heap), |tag| {
            blocks += (tag.allocations - tag.frees) as usize;
            bytes += tag.bytes;
        })
        .expect("a heap");
        assert_eq!(
            (blocks, bytes),
            (self.live.len(), self.live_bytes),
            "a tag miscounts"
        );
    }

    /// Where a block with a user value has it; `None` for one that has it elsewhere: a large block, and
    /// one of a page heap.
    pub(super) fn value_slot(&self, block: usize, size: usize) -> Option<*mut usize> {
        if self.page_heap || nt::region_of(block)?.large {
            return None;
        }
        let heap_flags = self.made_with;
        let tail = usize::from(heap_flags.contains(HeapFlags::TAIL_CHECKING_ENABLED)) * GRANULE;
        let data = size.next_multiple_of(8);
        Some((block + data + tail + GRANULE / 2) as *mut usize)
    }

    pub(super) fn check_heap(&self) {
        let is_whole = nt::validate(self.heap, HeapFlags::empty(), None);
        assert!(is_whole, "the heap is not whole");
        if self.walks {
            self.check_walk();
        }
        self.check_sums();
    }

    pub(super) fn check_sums(&self) {
        let now = self.accounting();
        assert_eq!(
            (now.live_blocks, now.live_bytes),
            (self.live.len(), self.live_bytes),
            "the heap miscounts"
        );
        self.check_tags();
        assert!(now.committed <= now.reserved);
        assert!(now.peak_committed >= now.committed && now.peak_reserved >= now.reserved);
        assert!(now.peak_live_bytes >= now.live_bytes);
    }
}
