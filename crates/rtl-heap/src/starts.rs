//! Where the blocks of a segment start: a bit for each granule, in two maps.
//!
//! A slab's block ends with a page less a granule, the header of the block behind it, so slabs start in the
//! last granule of a page. Those granules have a map of their own, with one bit a page. Of a segment full of
//! slabs nothing else is written, since where the first block starts is known without a bit, and pages that
//! nobody writes take no memory. One map of all granules takes a 128th part of the segment, of which a slab
//! sets a single bit.

use crate::bits::Bits;
use crate::units::{GRANULE, PAGE};

/// Granules of a page.
const PER_PAGE: usize = PAGE / GRANULE;

/// A bit for each granule of a segment, all zero at first. Guarded by the heap's lock.
#[derive(Clone, Copy)]
pub struct Starts {
    /// Of each page's last granule.
    ends: Bits,
    /// Of all granules; those of `ends` and the first block's are never set here.
    others: Bits,
    /// The first block's, always there.
    first: usize,
}

impl Starts {
    /// No bits.
    pub const EMPTY: Starts = Starts {
        ends: Bits::EMPTY,
        others: Bits::EMPTY,
        first: usize::MAX,
    };

    /// Zero bits for `granules` granules; `None` when there is no memory for them. `ends` are zero
    /// bits, one for each page, whose memory stays the caller's.
    pub fn create(granules: usize, ends: Bits) -> Option<Starts> {
        debug_assert!(ends.length() == granules / PER_PAGE);
        let others = Bits::create(granules)?;
        let first = usize::MAX;
        Some(Starts {
            ends,
            others,
            first,
        })
    }

    /// The first block starts at `granule`, from now on; there is none yet.
    pub fn set_first(&mut self, granule: usize) {
        debug_assert!(self.find(0, self.others.length()) == self.others.length());
        self.first = granule;
    }

    /// Gives the memory back, but for that of the pages' last granules.
    pub fn destroy(self) {
        self.others.destroy();
    }

    /// Whether a block starts at `granule`.
    #[inline(always)]
    pub fn get(&self, granule: usize) -> bool {
        // In this order, because most blocks that are asked for are no slabs.
        self.others.get(granule) || self.is_special(granule)
    }

    #[cold]
    fn is_special(&self, granule: usize) -> bool {
        is_end(granule) && self.ends.get(granule / PER_PAGE) || granule == self.first
    }

    /// A block that is not the first starts at `granule`.
    #[inline]
    pub fn set(&mut self, granule: usize) {
        if is_end(granule) {
            set_end(self.ends, granule);
        } else {
            self.others.set(granule);
        }
    }

    /// None does. It is not the first one's.
    #[inline]
    pub fn clear(&mut self, granule: usize) {
        if is_end(granule) {
            clear_end(self.ends, granule);
        } else {
            self.others.clear(granule);
        }
    }

    /// The first of the granules `from..to` where a block starts; `to` when there is none.
    pub fn find(&self, from: usize, to: usize) -> usize {
        if from <= self.first && self.first < to {
            return self.first;
        }
        let other = self.others.find(from, to, true);
        // Those of pages whose last granule lies before it.
        let (page, pages) = (from / PER_PAGE, other / PER_PAGE);
        if page < pages {
            let found = self.ends.find(page, pages, true);
            if found < pages {
                return last_of_page(found * PER_PAGE);
            }
        }
        other
    }

    /// [`Starts::find`] for who only reads ahead: it passes over the first block and those of the pages' last
    /// granules.
    pub fn find_other(&self, from: usize, to: usize) -> usize {
        self.others.find(from, to, true)
    }

    /// One past the last of the granules `from..to` where a block starts; `from` when there is none.
    pub fn find_back(&self, from: usize, to: usize) -> usize {
        let mut at = to;
        while at > from {
            let last = at - 1;
            if is_end(last) && self.ends.get(last / PER_PAGE) {
                return at;
            }
            let first = from.max(last - last % PER_PAGE);
            let found = self.others.find_back(first, at, true);
            if found > first {
                return found;
            }
            at = first;
        }
        if from <= self.first && self.first < to {
            return self.first + 1;
        }
        from
    }
}

// Calls, so that the way of all the others has no instruction of this one.
#[cold]
#[inline(never)]
fn set_end(mut ends: Bits, granule: usize) {
    ends.set(granule / PER_PAGE);
}

#[cold]
#[inline(never)]
fn clear_end(mut ends: Bits, granule: usize) {
    ends.clear(granule / PER_PAGE);
}

#[inline(always)]
fn is_end(granule: usize) -> bool {
    granule % PER_PAGE == PER_PAGE - 1
}

#[inline(always)]
fn last_of_page(granule: usize) -> usize {
    granule | (PER_PAGE - 1)
}

#[cfg(all(test, feature = "os"))]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::Config;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Set(usize),
        Clear(usize),
        Find(usize, usize),
    }

    /// Granules of three pages and a part: the last ones of pages as often as others, and beside them.
    const LENGTH: usize = 3 * PER_PAGE + 40;

    fn granule() -> impl Strategy<Value = usize> {
        let near_end = (1..=3usize, 0..3usize);
        prop_oneof![
            0..LENGTH,
            near_end.prop_map(|(page, beside)| page * PER_PAGE - 2 + beside),
            Just(LENGTH - 1),
        ]
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            granule().prop_map(Step::Set),
            granule().prop_map(Step::Clear),
            (granule(), granule()).prop_map(|(a, b)| Step::Find(a.min(b), a.max(b) + 1)),
        ]
    }

    fn created() -> (Starts, Bits) {
        let ends = Bits::create(LENGTH / PER_PAGE).unwrap();
        (Starts::create(LENGTH, ends).unwrap(), ends)
    }

    proptest! {
        #![proptest_config(Config { failure_persistence: None, ..Config::default() })]

        #[test]
        fn any_steps_have_the_results_that_one_map_gives(
            first in prop_oneof![0..8usize, Just(PER_PAGE - 1), granule()],
            steps in prop::collection::vec(step(), 1..200)
        ) {
            let (mut starts, ends) = created();
            let mut plain = Bits::create(LENGTH).unwrap();
            starts.set_first(first);
            plain.set(first);
            for step in steps {
                match step {
                    // Nothing starts before the first block, which stays.
                    Step::Set(at) | Step::Clear(at) if at <= first => {}
                    Step::Set(at) => {
                        starts.set(at);
                        plain.set(at);
                    }
                    Step::Clear(at) => {
                        starts.clear(at);
                        plain.clear(at);
                    }
                    Step::Find(from, to) => {
                        prop_assert_eq!(starts.find(from, to), plain.find(from, to, true));
                        prop_assert_eq!(starts.find_back(from, to), plain.find_back(from, to, true));
                    }
                }
            }
            for at in 0..LENGTH {
                prop_assert_eq!(starts.get(at), plain.get(at));
            }
            starts.destroy();
            ends.destroy();
            plain.destroy();
        }
    }

    #[test]
    fn of_slabs_behind_a_first_block_nothing_is_written_among_the_others() {
        let (mut starts, ends) = created();
        starts.set_first(7);
        let slabs = [1, 2, 3].map(|page| page * PER_PAGE - 1);
        for slab in slabs {
            starts.set(slab);
            assert!(starts.get(slab) && !starts.get(slab - 1) && !starts.get(slab + 1));
        }
        assert!(starts.get(7) && !starts.get(6) && !starts.get(8));
        assert_eq!(starts.others.count(0, LENGTH), 0);
        starts.destroy();
        ends.destroy();
    }

    #[test]
    fn no_granules_have_no_start() {
        let starts = Starts::EMPTY;
        assert_eq!((starts.find(0, 0), starts.find_back(0, 0)), (0, 0));
        starts.destroy();
    }
}
