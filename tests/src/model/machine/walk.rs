//! A walk of the heap against the model.

use rtl_heap::nt::{self, WalkFlags};
use rtl_heap::{GRANULE, Status};

use super::Machine;

impl Machine<'_> {
    /// Every live block is walked over once, with its size; what is free lies in no live block; and
    /// the walk ends.
    pub(super) fn check_walk(&self) {
        let most = self.accounting().reserved / GRANULE + self.live.len() + 1000;
        let (mut address, mut busy, mut steps) = (0, 0, 0);
        let mut last = None;
        loop {
            let entry = match nt::walk(self.heap, address) {
                Ok(entry) => entry,
                Err(status) => {
                    assert_eq!(status, Status::NO_MORE_ENTRIES, "after {last:x?}");
                    break;
                }
            };
            address = entry.address;
            last = Some(entry);
            steps += 1;
            assert!(steps <= most, "the walk does not end");
            if entry.flags.contains(WalkFlags::BUSY) {
                let live = self.live.get(&address);
                assert_eq!(live.map(|live| live.size), Some(entry.size), "{entry:x?}");
                busy += 1;
            } else if !entry.flags.contains(WalkFlags::SEGMENT) {
                let end = address + entry.size;
                let inside = self.live.range(address..end).next();
                assert!(
                    inside.is_none(),
                    "{entry:x?} holds a live block: {inside:x?}"
                );
            }
        }
        assert_eq!(busy, self.live.len(), "a live block was not walked over");
    }
}
