//! Tags: names under which a heap with tagging counts its blocks (5.2).
//!
//! A heap's tags are numbered from 1, and so are the process's, which every heap counts for. A block
//! without a tag counts for a pseudo tag, by its size. Numbers and counters are out of band: no
//! user's overrun reaches them.

use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering};

use crate::flags::HeapFlags;
use crate::fork_lock::ForkLock;
use crate::metadata;
use crate::units::{GRANULE, Granules};

/// UTF-16 units of a tag's name, the terminating zero included.
pub const NAME_UNITS: usize = 24;
/// A name as it is kept: zeros from its end on.
pub type TagName = [u16; NAME_UNITS];

/// Names a tag, heap's, process's or pseudo, as NT numbers them: in walks, in queries, and shifted
/// into the flags of an allocation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TagIndex(pub u16);

impl TagIndex {
    /// The process's tags have this bit.
    pub const GLOBAL: u16 = 0x0800;
    /// Pseudo tags have this bit.
    pub const PSEUDO: u16 = 0x8000;
    /// Of what is named by the number: what is below [`TagIndex::GLOBAL`].
    const NUMBER: u16 = TagIndex::GLOBAL - 1;
    const SHIFT: u32 = 18;
    const MASK: u32 = 0x0FFF;

    /// What the flags of an allocation ask for: bits 18 to 29; 0 for no tag.
    #[inline]
    pub fn of_call(flags: HeapFlags) -> TagIndex {
        TagIndex((flags.bits() >> TagIndex::SHIFT & TagIndex::MASK) as u16)
    }

    /// As an allocation's flags have it.
    pub fn as_flags(self) -> u32 {
        (self.0 as u32) << TagIndex::SHIFT
    }

    /// The pseudo tag of a block of this size; of blocks with a reservation of their own for `None`.
    pub fn pseudo(block: Option<Granules>) -> TagIndex {
        let number = match block {
            Some(size) if (size.0 as usize) < LARGE => size.0 as usize,
            Some(_) => 0,
            None => LARGE,
        };
        TagIndex(TagIndex::PSEUDO | number as u16)
    }
}

/// How many pseudo tags there are: one for each size of block below this many granules, number 0 for
/// the larger ones, and one for blocks with a reservation of their own.
pub const PSEUDO_TAGS: usize = LARGE + 1;
/// Number of the last one.
const LARGE: usize = 128;

/// What is counted under one name. Zero bytes are one that counted nothing.
pub struct Tag {
    name: TagName,
    allocations: AtomicU32,
    frees: AtomicU32,
    bytes: AtomicUsize,
}

/// A tag as it was at one time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TagInfo {
    /// Which one.
    pub index: TagIndex,
    /// Its name; zeros from its end on.
    pub name: TagName,
    /// Blocks allocated.
    pub allocations: u32,
    /// Of them, freed.
    pub frees: u32,
    /// Bytes asked for in those that live.
    pub bytes: usize,
}

// Counters are sums for people to read: they order nothing, so Relaxed has no partner. Those of a
// heap's tags change with its lock held; the process's are changed by many heaps.
impl Tag {
    /// A block of `bytes` was allocated.
    pub fn add(&self, bytes: usize) {
        self.allocations.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// A block of `bytes` was freed.
    pub fn remove(&self, bytes: usize) {
        self.frees.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// What was counted; the counters of blocks start again if `reset`.
    pub fn read(&self, index: TagIndex, reset: bool) -> TagInfo {
        let count = |counter: &AtomicU32| {
            if reset {
                counter.swap(0, Ordering::Relaxed)
            } else {
                counter.load(Ordering::Relaxed)
            }
        };
        TagInfo {
            index,
            name: self.name,
            allocations: count(&self.allocations),
            frees: count(&self.frees),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }

    /// Where its name is, for as long as the tag exists.
    pub fn name(&self) -> &TagName {
        &self.name
    }
}

/// Numbered tags; 0 is none.
pub struct TagTable {
    /// As many as there may be, from the first definition on.
    tags: AtomicPtr<Tag>,
    /// Defined.
    count: AtomicUsize,
}

impl TagTable {
    const CAPACITY: usize = TagIndex::NUMBER as usize;
    const BYTES: usize = TagTable::CAPACITY * size_of::<Tag>();

    /// Without tags.
    pub const fn new() -> TagTable {
        TagTable {
            tags: AtomicPtr::new(ptr::null_mut()),
            count: AtomicUsize::new(0),
        }
    }

    /// How many are defined: their numbers are 1 to this.
    pub fn count(&self) -> usize {
        // Acquire pairs with the Release in `define`: those counted are complete.
        self.count.load(Ordering::Acquire)
    }

    /// The tag with a number, any number.
    pub fn get(&self, number: usize) -> Option<&Tag> {
        if number == 0 || number > self.count() {
            return None;
        }
        // Relaxed: the Acquire in `count` saw the table too.
        // SAFETY: the table has room for every number, and is there once one is defined.
        Some(unsafe { &*self.tags.load(Ordering::Relaxed).add(number - 1) })
    }

    /// Defines one tag for each name and returns the number of the first; `None`, and nothing
    /// changed, if there are none or too many, or no memory.
    ///
    /// # Safety
    /// 1. No two calls overlap.
    pub unsafe fn define(&self, names: impl Iterator<Item = TagName> + Clone) -> Option<usize> {
        let count = self.count();
        let more = names.clone().take(TagTable::CAPACITY + 1).count();
        if more == 0 || more > TagTable::CAPACITY - count {
            return None;
        }
        let mut tags = self.tags.load(Ordering::Relaxed);
        if tags.is_null() {
            tags = metadata::allocate(TagTable::BYTES)?.as_ptr().cast();
            self.tags.store(tags, Ordering::Relaxed);
        }
        for (offset, name) in names.take(more).enumerate() {
            // SAFETY: there is room, and nobody reads behind `count`. (1).
            unsafe { (&raw mut (*tags.add(count + offset)).name).write(name) };
        }
        // Release pairs with the Acquire in `count`.
        self.count.store(count + more, Ordering::Release);
        Some(count + 1)
    }

    /// Gives the table back.
    ///
    /// # Safety
    /// 1. Nobody uses it any more.
    unsafe fn destroy(&self) {
        if let Some(tags) = ptr::NonNull::new(self.tags.load(Ordering::Relaxed)) {
            // SAFETY: (1); it came from `allocate` with this size.
            unsafe { metadata::free(tags.cast(), TagTable::BYTES) };
        }
    }
}

/// The process's tags.
static GLOBAL: TagTable = TagTable::new();
/// Guards their definition.
static GLOBAL_LOCK: ForkLock = ForkLock::new();
/// Some heap counts by tags.
static TAGGING: AtomicBool = AtomicBool::new(false);

/// The tag of the process with this number.
pub fn global(number: usize) -> Option<&'static Tag> {
    GLOBAL.get(number)
}

/// How many tags the process has.
pub fn global_count() -> usize {
    GLOBAL.count()
}

/// [`TagTable::define`] for the process; `None` as well as long as no heap counts by tags.
pub fn define_global(names: impl Iterator<Item = TagName> + Clone) -> Option<usize> {
    // Relaxed: a thread that made a heap with tagging sees that it did.
    if !TAGGING.load(Ordering::Relaxed) {
        return None;
    }
    GLOBAL_LOCK.enter();
    // SAFETY: (1) the lock is held.
    let first = unsafe { GLOBAL.define(names) };
    GLOBAL_LOCK.leave();
    first
}

/// Takes the lock of the process's tags for a fork.
pub fn enter_for_fork() {
    GLOBAL_LOCK.enter();
}

/// Gives the lock back, in parent and child.
pub fn leave_after_fork() {
    GLOBAL_LOCK.leave();
}

/// What a heap with tagging keeps.
pub struct Tags {
    /// The heap's own tags; defined with its lock held.
    pub own: TagTable,
    pseudo: [Tag; PSEUDO_TAGS],
}

impl Tags {
    /// For a new heap; `None` without memory.
    pub fn create() -> Option<ptr::NonNull<Tags>> {
        let tags = metadata::allocate(size_of::<Tags>())?.cast::<Tags>();
        let record = tags.as_ptr();
        for number in 0..PSEUDO_TAGS {
            // SAFETY: the memory is ours; zeroed it is a table without tags and tags that counted
            // nothing.
            unsafe { (&raw mut (*record).pseudo[number].name).write(pseudo_name(number)) };
        }
        TAGGING.store(true, Ordering::Relaxed);
        Some(tags)
    }

    /// Gives it back.
    ///
    /// # Safety
    /// 1. It came from [`Tags::create`] and nobody uses it any more.
    pub unsafe fn destroy(tags: ptr::NonNull<Tags>) {
        // SAFETY: (1).
        unsafe {
            tags.as_ref().own.destroy();
            metadata::free(tags.cast(), size_of::<Tags>());
        }
    }

    /// The tag with an index, any bit pattern.
    pub fn get(&self, index: TagIndex) -> Option<&Tag> {
        let TagIndex(bits) = index;
        if bits & TagIndex::PSEUDO != 0 {
            return self.pseudo.get((bits & !TagIndex::PSEUDO) as usize);
        }
        let number = (bits & TagIndex::NUMBER) as usize;
        match bits & !TagIndex::NUMBER {
            0 => self.own.get(number),
            TagIndex::GLOBAL => global(number),
            _ => None,
        }
    }
}

/// What a program that lists tags calls those without a tag.
fn pseudo_name(number: usize) -> TagName {
    let mut name = [0; NAME_UNITS];
    let mut put = |text: &str| {
        let end = name.iter().position(|unit| *unit == 0).unwrap_or(0);
        for (to, from) in name[end..].iter_mut().zip(text.bytes()) {
            *to = u16::from(from);
        }
    };
    match number {
        0 => put("Larger blocks"),
        LARGE => put("Large blocks"),
        _ => {
            let bytes = number * GRANULE;
            let digits = [1000, 100, 10, 1].map(|unit| b'0' + (bytes / unit % 10) as u8);
            let first = digits.iter().position(|digit| *digit != b'0').unwrap_or(3);
            put("Blocks of ");
            put(core::str::from_utf8(&digits[first..]).unwrap_or_default());
        }
    }
    name
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::format;
    use std::string::String;

    use super::*;

    fn text(name: &TagName) -> String {
        let end = name.iter().position(|unit| *unit == 0).unwrap();
        String::from_utf16(&name[..end]).unwrap()
    }

    #[test]
    fn pseudo_tags_are_called_by_the_size_of_their_blocks() {
        assert_eq!(text(&pseudo_name(1)), format!("Blocks of {GRANULE}"));
        assert_eq!(
            text(&pseudo_name(127)),
            format!("Blocks of {}", 127 * GRANULE)
        );
        assert_eq!(text(&pseudo_name(0)), "Larger blocks");
        assert_eq!(text(&pseudo_name(LARGE)), "Large blocks");
    }

    #[test]
    fn sizes_that_have_no_pseudo_tag_of_their_own_share_one() {
        assert_eq!(TagIndex::pseudo(Some(Granules(127))), TagIndex(0x807F));
        assert_eq!(TagIndex::pseudo(Some(Granules(128))), TagIndex(0x8000));
        assert_eq!(TagIndex::pseudo(Some(Granules(9999))), TagIndex(0x8000));
        assert_eq!(TagIndex::pseudo(None), TagIndex(0x8080));
    }

    #[test]
    fn a_call_s_tag_is_in_bits_18_to_29() {
        let flags = HeapFlags::from_bits_retain(0xFFFF_FFFF);
        assert_eq!(TagIndex::of_call(flags), TagIndex(0x0FFF));
        assert_eq!(TagIndex(3).as_flags(), 3 << 18);
        let others = HeapFlags::from_bits_retain(0xC003_FFFF);
        assert_eq!(TagIndex::of_call(others), TagIndex(0));
    }
}
