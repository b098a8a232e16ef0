//! The account of every page of an arena, and the fillings that prove it.
//!
//! Equations that hold whenever the lock is free:
//!
//! - LEDGER-1: all pages of a host page are backed, or none is; committed pages are backed.
//! - LEDGER-2: a reserved page holds zeroes if it is backed, and else [`POISON`].

use core::ptr::NonNull;

use crate::pages::{ALLOCATION_GRANULARITY, PAGE_SIZE, Span, ceiling, floor};
use crate::vm::{Extent, PageState, Protection, RangeInfo, Window};

/// What every byte of a reserved page holds that no memory stands behind.
pub const POISON: u8 = 0xd7;

/// Pages in 64 KiB.
const GRANULE_PAGES: usize = ALLOCATION_GRANULARITY / PAGE_SIZE;

/// What is known of a page, in a byte.
///
/// | bits | meaning |
/// |---|---|
/// | 0, 1 | state: 0 free, 1 reserved, 2 committed |
/// | 2, 3 | protection: 0 none, 1 read, 2 write, 3 execute |
/// | 4 | first of a reservation |
/// | 5 | backed by memory |
/// | 6 | expected to be used densely, until it is decommitted |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page(u8);

impl Page {
    const FREE: Self = Self(0);
    const RESERVED: Self = Self(1);
    const COMMITTED: u8 = 2;
    const FIRST: u8 = 1 << 4;
    const BACKED: u8 = 1 << 5;
    const DENSE: u8 = 1 << 6;

    pub const fn state(self) -> PageState {
        match self.0 & 3 {
            0 => PageState::Free,
            1 => PageState::Reserved,
            _ => PageState::Committed,
        }
    }

    pub const fn is_first(self) -> bool {
        self.0 & Self::FIRST != 0
    }

    pub const fn is_dense(self) -> bool {
        self.0 & Self::DENSE != 0
    }

    const fn is_backed(self) -> bool {
        self.0 & Self::BACKED != 0
    }

    const fn protection(self) -> Protection {
        match self.0 >> 2 & 3 {
            0 => Protection::NoAccess,
            1 => Protection::ReadOnly,
            2 => Protection::ReadWrite,
            _ => Protection::ReadWriteExecute,
        }
    }

    const fn first(self) -> Self {
        Self(self.0 | Self::FIRST)
    }

    const fn backed(self) -> Self {
        Self(self.0 | Self::BACKED)
    }

    const fn dense(self) -> Self {
        Self(self.0 | Self::DENSE)
    }

    const fn committed(self, protection: Protection) -> Self {
        let kept = self.0 & (Self::FIRST | Self::BACKED | Self::DENSE);
        Self(kept | Self::COMMITTED | (protection as u8) << 2)
    }

    /// Reserved again, with memory behind it or without.
    const fn decommitted(self, backed: bool) -> Self {
        let kept = self.0 & Self::FIRST;
        Self(kept | Self::RESERVED.0 | if backed { Self::BACKED } else { 0 })
    }
}

/// An arena and its account.
#[derive(Debug)]
pub struct Ledger {
    base: NonNull<u8>,
    size: usize,
    /// Whether the account's bytes are set up.
    is_open: bool,
}

// SAFETY: the memory belongs to whoever owns the ledger.
unsafe impl Send for Ledger {}

impl Ledger {
    pub const fn over(base: NonNull<u8>, size: usize) -> Self {
        Self {
            base,
            size,
            is_open: false,
        }
    }

    /// The pages that can be handed out: whole 64 KiB, less the account's at the end.
    fn layout(&self) -> (usize, usize) {
        let start = self.base.as_ptr().addr();
        let skipped = self.base.as_ptr().align_offset(ALLOCATION_GRANULARITY);
        let usable = self.size.saturating_sub(skipped);
        // One byte of account for each page of 4 KiB and its byte.
        let pages = floor(usable / (PAGE_SIZE + 1), GRANULE_PAGES);
        (start + skipped, pages)
    }

    pub fn span(&self) -> Span {
        let (start, pages) = self.layout();
        Span::new(start, pages * PAGE_SIZE)
    }

    fn account(&mut self) -> &mut [Page] {
        let (start, count) = self.layout();
        let at = self.base.as_ptr().with_addr(start + count * PAGE_SIZE);
        if !self.is_open {
            self.is_open = true;
            // SAFETY: the account follows the pages inside the arena, which is the ledger's.
            unsafe { at.write_bytes(Page::FREE.0, count) };
        }
        // SAFETY: as above, and set up; `Page` is a byte for which any value is valid.
        unsafe { core::slice::from_raw_parts_mut(at.cast(), count) }
    }

    pub fn pages(&mut self) -> impl Iterator<Item = Page> {
        self.account().iter().copied()
    }

    /// The page with a number.
    fn memory(&mut self, number: usize) -> &mut [u8] {
        let (start, count) = self.layout();
        assert!(number < count);
        let at = self.base.as_ptr().with_addr(start + number * PAGE_SIZE);
        // SAFETY: a page of the arena, which the caller of `SimVm` is not using: see `Vm`'s
        // conditions for commit, decommit and release.
        unsafe { core::slice::from_raw_parts_mut(at, PAGE_SIZE) }
    }

    /// The numbers of a range's pages, all of one reservation.
    #[track_caller]
    fn numbers(&mut self, what: &str, range: Span) -> core::ops::Range<usize> {
        let span = self.span();
        assert!(
            span.start <= range.start && range.end <= span.end,
            "{what}: {range:x?} is outside the arena"
        );
        let first = (range.start - span.start) / PAGE_SIZE;
        let numbers = first..first + range.size() / PAGE_SIZE;
        let pages = &self.account()[numbers.clone()];
        assert!(
            pages.iter().all(|page| page.state() != PageState::Free),
            "{what}: {range:x?} is not reserved"
        );
        assert!(
            pages.iter().skip(1).all(|page| !page.is_first()),
            "{what}: {range:x?} is more than one reservation"
        );
        numbers
    }

    pub fn reserve(&mut self, size: usize, window: Option<Window>) -> Option<NonNull<u8>> {
        let span = self.span();
        let window = window.unwrap_or(Window {
            low: 0,
            high: usize::MAX,
            top_down: false,
        });
        let low = ceiling(window.low.max(span.start), ALLOCATION_GRANULARITY)?;
        let high = window.high.min(span.end).checked_sub(size)?;
        let count = size / PAGE_SIZE;
        let fits = |pages: &[Page], at: usize| {
            let first = (at - span.start) / PAGE_SIZE;
            pages[first..first + count]
                .iter()
                .all(|&page| page == Page::FREE)
        };
        let pages = self.account();
        let granules = (high + 1)
            .checked_sub(low)?
            .div_ceil(ALLOCATION_GRANULARITY);
        let place = |granule: usize| low + granule * ALLOCATION_GRANULARITY;
        let mut places = (0..granules).map(place);
        let at = if window.top_down {
            places.rfind(|&at| fits(pages, at))
        } else {
            places.find(|&at| fits(pages, at))
        }?;
        let first = (at - span.start) / PAGE_SIZE;
        pages[first..first + count].fill(Page::RESERVED);
        pages[first] = Page::RESERVED.first();
        for number in first..first + count {
            self.memory(number).fill(POISON);
        }
        NonNull::new(self.base.as_ptr().with_addr(at))
    }

    pub fn commit(&mut self, range: Span, protection: Protection, host_page: usize) {
        let numbers = self.numbers("commit", range);
        let host_pages = host_page / PAGE_SIZE;
        let outer = floor(numbers.start, host_pages)..numbers.end.next_multiple_of(host_pages);
        for number in outer {
            // The last host page may reach past the reservation.
            let page = self.account()[number];
            if page.state() == PageState::Reserved {
                self.check_page(number);
            }
            if page.state() != PageState::Free && !page.is_backed() {
                self.memory(number).fill(0);
                self.account()[number] = page.backed();
            }
        }
        for page in &mut self.account()[numbers] {
            *page = page.committed(protection);
        }
    }

    pub fn decommit(&mut self, range: Span, host_page: usize) {
        let numbers = self.numbers("decommit", range);
        let pages = &self.account()[numbers.clone()];
        assert!(
            pages
                .iter()
                .all(|page| page.state() == PageState::Committed),
            "decommit: {range:x?} is not all committed"
        );
        assert!(
            pages.iter().all(|page| page.protection().is_writable()),
            "decommit: {range:x?} is not all writable"
        );
        let whole = range.inward(host_page).1;
        let start = self.span().start;
        for number in numbers {
            let at = start + number * PAGE_SIZE;
            let goes = !whole.is_empty() && (whole.start..whole.end).contains(&at);
            self.memory(number).fill(if goes { POISON } else { 0 });
            let page = &mut self.account()[number];
            *page = page.decommitted(!goes);
        }
    }

    pub fn release(&mut self, range: Span) {
        let numbers = self.numbers("release", range);
        let pages = self.account();
        assert!(
            pages[numbers.start].is_first(),
            "release: {range:x?} is no reservation's begin"
        );
        let next = pages.get(numbers.end).copied().unwrap_or(Page::FREE);
        assert!(
            next.is_first() || next.state() == PageState::Free,
            "release: {range:x?} is only a part of a reservation"
        );
        for number in numbers.clone() {
            self.check_page(number);
        }
        self.account()[numbers].fill(Page::FREE);
    }

    /// Moves a reservation, with what its committed pages hold; `None` where there is no room.
    pub fn relocate(
        &mut self,
        (range, old): (Span, Extent),
        new: Extent,
        protection: Protection,
        (window, host_page): (Option<Window>, usize),
    ) -> Option<NonNull<u8>> {
        self.check_head(range, old.committed);
        let from = self.numbers("relocate", Span::new(range.start, old.committed));
        let writable =
            |page: &Page| page.state() == PageState::Committed && page.protection().is_writable();
        assert!(
            self.account()[from.clone()].iter().all(writable),
            "relocate: {range:x?} is not committed and writable as said"
        );
        let to = self.reserve(new.size, window)?;
        let start = to.as_ptr().addr();
        self.commit(Span::new(start, new.committed), protection, host_page);
        let first = (start - self.span().start) / PAGE_SIZE;
        for (nth, number) in from.enumerate() {
            let source = self.memory(number).as_ptr();
            // SAFETY: two different pages of the arena, of reservations that nobody uses meanwhile.
            unsafe {
                self.memory(first + nth)
                    .as_mut_ptr()
                    .copy_from_nonoverlapping(source, PAGE_SIZE)
            };
        }
        self.release(range);
        Some(to)
    }

    /// Insists that the pages of a reservation behind its first `committed` bytes are not
    /// committed.
    pub fn check_head(&mut self, range: Span, committed: usize) {
        let mut numbers = self.numbers("release_head", range);
        let head = numbers.start + committed / PAGE_SIZE;
        assert!(
            head <= numbers.end,
            "release_head: {committed:#x} is more than there is in {range:x?}"
        );
        numbers.start = head;
        assert!(
            self.account()[numbers]
                .iter()
                .all(|page| page.state() != PageState::Committed),
            "release_head: pages behind the first {committed:#x} bytes of {range:x?} are committed"
        );
    }

    pub fn protect(&mut self, range: Span, protection: Protection) {
        let numbers = self.numbers("protect", range);
        for page in &mut self.account()[numbers] {
            assert!(
                page.state() == PageState::Committed,
                "protect: {range:x?} is not all committed"
            );
            *page = page.committed(protection);
        }
    }

    pub fn expect_dense_use(&mut self, range: Span) {
        let numbers = self.numbers("expect_dense_use", range);
        for page in &mut self.account()[numbers] {
            *page = page.dense();
        }
    }

    pub fn query(&mut self, at: usize) -> RangeInfo {
        let span = self.span();
        let free = |base: usize, end: usize| RangeInfo {
            base,
            size: end - base,
            state: PageState::Free,
            protection: Protection::NoAccess,
        };
        if at < span.start {
            return free(0, span.start);
        }
        if at >= span.end {
            return free(span.end, usize::MAX);
        }
        let pages = self.account();
        let number = (at - span.start) / PAGE_SIZE;
        let page = pages[number];
        let alike =
            |other: &Page| (other.state(), other.protection()) == (page.state(), page.protection());
        let mut first = number;
        while first > 0 && !pages[first].is_first() && alike(&pages[first - 1]) {
            first -= 1;
        }
        let rest = pages[number + 1..].iter();
        let end = number
            + 1
            + rest
                .take_while(|next| !next.is_first() && alike(next))
                .count();
        RangeInfo {
            base: span.start + first * PAGE_SIZE,
            size: (end - first) * PAGE_SIZE,
            state: page.state(),
            protection: page.protection(),
        }
    }

    /// Insists on LEDGER-2 for every page.
    pub fn check(&mut self) {
        for number in 0..self.layout().1 {
            self.check_page(number);
        }
    }

    /// Insists on LEDGER-2 for a page.
    #[track_caller]
    fn check_page(&mut self, number: usize) {
        let page = self.account()[number];
        if page.state() != PageState::Reserved {
            return;
        }
        let expected = if page.is_backed() { 0 } else { POISON };
        let stray = self
            .memory(number)
            .iter()
            .position(|&byte| byte != expected);
        if let Some(offset) = stray {
            let at = self.span().start + number * PAGE_SIZE + offset;
            panic!("a store to {at:#x}, which is reserved but not committed");
        }
    }
}
