//! The contract of [`Vm`] on the system that runs the tests.

use super::*;
use crate::pages::{ALLOCATION_GRANULARITY, ceiling};
use crate::vm::PageState;

const MIB: usize = 1 << 20;

/// A reservation that gives itself back.
struct Reservation {
    base: NonNull<u8>,
    size: usize,
}

impl Reservation {
    fn new(size: usize) -> Self {
        Self {
            base: OS_VM.reserve(size, None).unwrap(),
            size,
        }
    }

    fn at(&self, offset: usize) -> NonNull<u8> {
        assert!(offset <= self.size);
        // SAFETY: in the reservation.
        unsafe { self.base.add(offset) }
    }

    fn address(&self) -> usize {
        self.base.as_ptr().addr()
    }

    fn commit(&self, offset: usize, size: usize, protection: Protection) {
        // SAFETY: in the reservation, which is the test's own.
        unsafe { OS_VM.commit(self.at(offset), size, protection) }.unwrap();
    }

    fn decommit(&self, offset: usize, size: usize) {
        // SAFETY: in the reservation, and every test has committed what it decommits.
        unsafe { OS_VM.decommit(self.at(offset), size) }.unwrap();
    }

    /// Fills committed bytes.
    fn fill(&self, offset: usize, size: usize, value: u8) {
        // SAFETY: every test has committed what it fills.
        unsafe { self.at(offset).write_bytes(value, size) }
    }

    /// Whether committed bytes all hold `value`.
    fn hold(&self, offset: usize, size: usize, value: u8) -> bool {
        // SAFETY: every test has committed what it looks at, and nobody writes meanwhile.
        let bytes = unsafe { core::slice::from_raw_parts(self.at(offset).as_ptr(), size) };
        bytes.iter().all(|&byte| byte == value)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // SAFETY: the whole reservation, of which the test keeps nothing.
        unsafe { OS_VM.release(self.base, self.size) }.unwrap();
    }
}

#[test]
fn host_pages_fit_between_the_granularities() {
    let size = host_page_size();
    assert!(size.is_power_of_two());
    assert!((PAGE_SIZE..=ALLOCATION_GRANULARITY).contains(&size));
    assert_eq!(OS_VM.host_page_size(), size);
}

#[test]
fn reservations_of_any_size_are_aligned_to_64_kib() {
    let kept: Vec<_> = [1, 2, 15, 16, 17, 255, 256, 4096, 1]
        .map(|pages| Reservation::new(pages * PAGE_SIZE))
        .into();
    for one in &kept {
        assert_eq!(one.address() % ALLOCATION_GRANULARITY, 0);
    }
    for (index, one) in kept.iter().enumerate() {
        for other in &kept[..index] {
            let apart = one.address() + one.size <= other.address()
                || other.address() + other.size <= one.address();
            assert!(apart, "reservations overlap");
        }
    }
}

#[test]
fn bad_sizes_and_addresses_are_refused() {
    for size in [0, 1, 0xfff, 0x1001, usize::MAX, floor_page(usize::MAX)] {
        assert!(OS_VM.reserve(size, None).is_err(), "size {size:#x}");
    }
    let one = Reservation::new(MIB);
    // SAFETY: refused.
    let result = unsafe { OS_VM.commit(one.at(8), PAGE_SIZE, Protection::ReadWrite) };
    assert_eq!(result, Err(VmError::InvalidArgument));
    // SAFETY: refused.
    let result = unsafe { OS_VM.decommit(one.base, 100) };
    assert_eq!(result, Err(VmError::InvalidArgument));
}

fn floor_page(value: usize) -> usize {
    crate::pages::floor(value, PAGE_SIZE)
}

#[test]
fn the_address_space_runs_out_without_harm() {
    // Half of the address space: no system has room for two.
    let size = floor_page(isize::MAX as usize);
    let halves = [OS_VM.reserve(size, None), OS_VM.reserve(size, None)];
    assert!(halves.contains(&Err(VmError::OutOfMemory)));
    for base in halves.into_iter().flatten() {
        drop(Reservation { base, size });
    }
    let one = Reservation::new(MIB);
    one.commit(0, PAGE_SIZE, Protection::ReadWrite);
    assert!(one.hold(0, PAGE_SIZE, 0));
}

#[test]
fn committed_pages_read_as_zero_and_hold_what_is_written() {
    let one = Reservation::new(MIB);
    one.commit(0, 2 * PAGE_SIZE, Protection::ReadWrite);
    assert!(one.hold(0, 2 * PAGE_SIZE, 0));
    one.fill(0, 2 * PAGE_SIZE, 0xaa);
    one.commit(0, 4 * PAGE_SIZE, Protection::ReadWrite);
    assert!(
        one.hold(0, 2 * PAGE_SIZE, 0xaa),
        "a second commit keeps the contents"
    );
    assert!(one.hold(2 * PAGE_SIZE, 2 * PAGE_SIZE, 0));
}

#[test]
fn decommitted_pages_read_as_zero_when_committed_again() {
    let one = Reservation::new(MIB);
    one.commit(0, MIB, Protection::ReadWrite);
    // Every offset inside the largest host page, so that edges of all kinds occur.
    for first in 0..17 {
        for count in [1, 3, 16, 33] {
            let (offset, size) = (first * PAGE_SIZE, count * PAGE_SIZE);
            one.fill(0, MIB, 0xaa);
            one.decommit(offset, size);
            one.commit(offset, size, Protection::ReadWrite);
            assert!(one.hold(offset, size, 0), "pages {first}, {count}");
            assert!(one.hold(0, offset, 0xaa), "before pages {first}, {count}");
            let rest = offset + size;
            assert!(
                one.hold(rest, MIB - rest, 0xaa),
                "after pages {first}, {count}"
            );
        }
    }
}

#[test]
fn reserve_and_commit_commits_the_beginning_or_all() {
    for commit in [0, PAGE_SIZE, 8 * PAGE_SIZE, MIB] {
        let base = OS_VM
            .reserve_and_commit(MIB, commit, Protection::ReadWrite, None)
            .unwrap();
        let one = Reservation { base, size: MIB };
        assert_eq!(one.address() % ALLOCATION_GRANULARITY, 0);
        one.fill(0, commit, 1);
        let shared = ceiling(commit, host_page_size()).unwrap();
        if shared < MIB {
            assert_eq!(
                OS_VM.query(one.address() + shared).unwrap().state,
                PageState::Reserved
            );
        }
    }
    let too_much = OS_VM.reserve_and_commit(MIB, MIB + PAGE_SIZE, Protection::ReadWrite, None);
    assert_eq!(too_much, Err(VmError::InvalidArgument));
}

#[test]
fn query_tells_the_three_states_and_their_extent() {
    let step = ALLOCATION_GRANULARITY;
    let one = Reservation::new(8 * step);
    one.commit(2 * step, step, Protection::ReadWrite);
    one.commit(3 * step, step, Protection::ReadOnly);
    let start = one.address();
    let info = OS_VM.query(start + 2 * step + 77).unwrap();
    assert_eq!((info.base, info.size), (start + 2 * step, step));
    assert_eq!(
        (info.state, info.protection),
        (PageState::Committed, Protection::ReadWrite)
    );
    let info = OS_VM.query(start + 3 * step).unwrap();
    assert_eq!(
        (info.state, info.protection),
        (PageState::Committed, Protection::ReadOnly)
    );
    for inside in [0, step, 4 * step, 8 * step - 1] {
        let info = OS_VM.query(start + inside).unwrap();
        assert_eq!(
            (info.state, info.protection),
            (PageState::Reserved, Protection::NoAccess)
        );
        assert!(info.base <= start + inside && start + inside < info.base + info.size);
    }
}

#[test]
fn query_of_any_address_answers() {
    for at in [0, 1, PAGE_SIZE, usize::MAX / 2, usize::MAX - 1, usize::MAX] {
        let info = OS_VM.query(at).unwrap();
        assert!(info.base <= at, "{at:#x}: {info:x?}");
    }
    assert_eq!(OS_VM.query(8).unwrap().state, PageState::Free);
    let local = 0_u8;
    let stack = OS_VM.query(core::ptr::from_ref(&local).addr()).unwrap();
    assert_eq!(
        (stack.state, stack.protection),
        (PageState::Committed, Protection::ReadWrite)
    );
}

#[test]
fn released_pages_are_free() {
    // A size nobody else in this process uses, so that its place is not taken at once.
    let size = 77 * ALLOCATION_GRANULARITY;
    let base = OS_VM.reserve(size, None).unwrap();
    assert_eq!(
        OS_VM.query(base.as_ptr().addr()).unwrap().state,
        PageState::Reserved
    );
    // SAFETY: the whole reservation, and nothing of it is in use.
    unsafe { OS_VM.release(base, size) }.unwrap();
    // SAFETY: nothing of it is in use.
    let again = OS_VM.reserve(size, Some(window_at(base, size)));
    if let Ok(again) = again {
        assert_eq!(again, base);
        // SAFETY: the whole reservation, and nothing of it is in use.
        unsafe { OS_VM.release(again, size) }.unwrap();
    }
}

fn window_at(base: NonNull<u8>, size: usize) -> Window {
    let low = base.as_ptr().addr();
    Window {
        low,
        high: low + size,
        top_down: false,
    }
}

#[test]
fn protect_changes_what_query_says() {
    let one = Reservation::new(MIB);
    one.commit(0, MIB, Protection::ReadWrite);
    one.fill(0, MIB, 0x55);
    for protection in [
        Protection::NoAccess,
        Protection::ReadOnly,
        Protection::ReadWrite,
    ] {
        // SAFETY: nobody uses the range meanwhile.
        unsafe { OS_VM.protect(one.base, MIB, protection) }.unwrap();
        assert_eq!(OS_VM.query(one.address()).unwrap().protection, protection);
    }
    assert!(one.hold(0, MIB, 0x55), "the contents survive");
}

#[test]
fn a_page_is_never_less_accessible_than_its_neighbour_needs() {
    let one = Reservation::new(MIB);
    one.commit(0, MIB, Protection::ReadWrite);
    // SAFETY: nobody uses the page meanwhile.
    unsafe { OS_VM.protect(one.at(PAGE_SIZE), PAGE_SIZE, Protection::NoAccess) }.unwrap();
    one.fill(0, PAGE_SIZE, 1);
    one.fill(2 * PAGE_SIZE, PAGE_SIZE, 1);
    // SAFETY: nobody uses the page meanwhile.
    unsafe { OS_VM.protect(one.at(PAGE_SIZE), PAGE_SIZE, Protection::ReadWrite) }.unwrap();
    one.fill(0, MIB, 2);
}

#[cfg(target_pointer_width = "64")]
#[test]
fn windows_are_kept() {
    let _one_user_of_low_addresses = LOW.lock().unwrap();
    for top_down in [false, true] {
        for low in [0, 1 << 20, 1 << 30, 3 << 30] {
            let window = Window {
                low,
                high: 0x1_0000_0000,
                top_down,
            };
            let base = match OS_VM.reserve(MIB, Some(window)) {
                // macOS keeps the low 4 GiB from every program that is not linked otherwise.
                Err(_) if cfg!(target_os = "macos") => continue,
                result => result.unwrap(),
            };
            let one = Reservation { base, size: MIB };
            assert!(one.address() >= low && one.address() + MIB <= window.high);
            assert_eq!(one.address() % ALLOCATION_GRANULARITY, 0);
            one.commit(0, MIB, Protection::ReadWrite);
            one.fill(0, MIB, 3);
        }
    }
}

/// Two tests look for room at low addresses; each wants to be the only one.
static LOW: std::sync::Mutex<()> = std::sync::Mutex::new(());

#[test]
fn a_window_gives_all_of_its_room_and_then_says_so() {
    let _one_user_of_low_addresses = LOW.lock().unwrap();
    // A stretch that is free now, because we just had it.
    let size = 32 * ALLOCATION_GRANULARITY;
    let whole = Reservation::new(size);
    let start = whole.address();
    let granule = |index: usize| Window {
        low: start + index * ALLOCATION_GRANULARITY,
        high: start + size,
        top_down: index % 2 == 1,
    };
    let taken = OS_VM.reserve(ALLOCATION_GRANULARITY, Some(granule(0)));
    assert_eq!(taken, Err(VmError::OutOfMemory), "the room is taken");
    drop(whole);
    let mut parts = Vec::new();
    while let Ok(base) = OS_VM.reserve(ALLOCATION_GRANULARITY, Some(granule(0))) {
        parts.push(Reservation {
            base,
            size: ALLOCATION_GRANULARITY,
        });
    }
    // Other tests of this process may have taken some of it meanwhile.
    let mut addresses: Vec<_> = parts.iter().map(Reservation::address).collect();
    addresses.dedup();
    assert_eq!(addresses.len(), parts.len());
    assert!(
        parts
            .iter()
            .all(|part| (start..start + size).contains(&part.address()))
    );
    assert!(
        !OS_VM
            .query(start)
            .is_ok_and(|info| info.state == PageState::Free && info.base <= start)
    );
}

#[test]
fn threads_reserve_at_once() {
    let threads: Vec<_> = (0..4)
        .map(|thread: u8| {
            std::thread::spawn(move || {
                let mut kept: Vec<Reservation> = Vec::new();
                for round in 0..200_usize {
                    let one = Reservation::new((1 + round % 40) * PAGE_SIZE);
                    one.commit(0, PAGE_SIZE, Protection::ReadWrite);
                    assert!(one.hold(0, PAGE_SIZE, 0));
                    one.fill(0, PAGE_SIZE, thread);
                    kept.push(one);
                    if round % 3 == 2 {
                        kept.swap_remove(round % kept.len());
                    }
                }
                assert!(kept.iter().all(|one| one.hold(0, PAGE_SIZE, thread)));
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn pages_move_to_a_larger_reservation_again_and_again() {
    let extent = |pages: usize| Extent {
        size: (pages + 16) * PAGE_SIZE,
        committed: pages * PAGE_SIZE,
    };
    let mut old = extent(16);
    let mut one = Reservation::new(old.size);
    one.commit(0, old.committed, Protection::ReadWrite);
    one.fill(0, old.committed, 1);
    for (value, pages) in (2..).zip([32, 33, 48, 1024, 1024]) {
        let new = extent(pages);
        // SAFETY: a whole reservation, of which just so much is committed, and nobody uses it.
        let moved = unsafe { OS_VM.relocate(one.base, old, new, Protection::ReadWrite, None) };
        let base = match moved {
            Ok(base) => base,
            Err(error) => {
                assert_eq!(error, VmError::Unsupported);
                assert!(one.hold(0, old.committed, 1));
                return;
            }
        };
        core::mem::forget(one);
        one = Reservation {
            base,
            size: new.size,
        };
        assert_eq!(one.address() % ALLOCATION_GRANULARITY, 0);
        assert!(one.hold(0, old.committed, value - 1), "the contents move");
        let more = new.committed - old.committed;
        assert!(one.hold(old.committed, more, 0), "the rest is zero");
        one.fill(0, new.committed, value);
        old = new;
    }
}

#[test]
fn a_move_without_room_changes_nothing() {
    let old = Extent {
        size: MIB,
        committed: PAGE_SIZE,
    };
    let new = Extent {
        size: floor_page(isize::MAX as usize),
        ..old
    };
    let one = Reservation::new(old.size);
    one.commit(0, old.committed, Protection::ReadWrite);
    one.fill(0, old.committed, 1);
    // SAFETY: a whole reservation, of which just so much is committed, and nobody uses it.
    let moved = unsafe { OS_VM.relocate(one.base, old, new, Protection::ReadWrite, None) };
    assert!(moved.is_err());
    assert!(one.hold(0, old.committed, 1));
}

#[test]
fn dense_use_changes_no_byte_and_names_a_page_of_pages() {
    let whole = Reservation::new(8 * MIB);
    whole.commit(0, MIB, Protection::ReadWrite);
    // SAFETY: committed, and the test's own.
    unsafe { whole.base.write(7) };
    // SAFETY: a live reservation.
    let large = unsafe { OS_VM.expect_dense_use(whole.base, whole.size) };
    assert!(large == 0 || large.is_power_of_two() && large > host_page_size());
    whole.commit(MIB, 7 * MIB, Protection::ReadWrite);
    for offset in (0..whole.size).step_by(MIB / 4) {
        // SAFETY: committed, and the test's own.
        let byte = unsafe { whole.at(offset).read() };
        assert_eq!(byte, if offset == 0 { 7 } else { 0 });
    }
    whole.decommit(MIB, MIB);
    whole.commit(MIB, MIB, Protection::ReadWrite);
    // SAFETY: as above.
    assert_eq!(unsafe { whole.at(MIB).read() }, 0);
}

/// The mappings that a range of this process is made of.
#[cfg(target_os = "linux")]
fn mappings(range: core::ops::Range<usize>) -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let addresses = |line: &str| {
        let (low, high) = line.split_once(' ')?.0.split_once('-')?;
        let address = |text| usize::from_str_radix(text, 16).ok();
        Some(address(low)?..address(high)?)
    };
    let inside = |own: &core::ops::Range<usize>| own.start < range.end && range.start < own.end;
    maps.lines().filter_map(addresses).filter(inside).count()
}

#[cfg(target_os = "linux")]
#[test]
fn what_is_decommitted_and_said_to_be_dense_again_merges_with_its_neighbours() {
    let whole = Reservation::new(8 * MIB);
    // SAFETY: a live reservation.
    unsafe { OS_VM.expect_dense_use(whole.base, whole.size) };
    whole.commit(0, whole.size, Protection::ReadWrite);
    let holes = [MIB, 3 * MIB, 5 * MIB];
    for hole in holes {
        whole.decommit(hole, MIB);
        // SAFETY: inside a live reservation.
        unsafe { OS_VM.expect_dense_use(whole.at(hole), MIB) };
    }
    assert_eq!(mappings(whole.address()..whole.address() + whole.size), 7);
    for hole in holes {
        whole.commit(hole, MIB, Protection::ReadWrite);
    }
    assert_eq!(mappings(whole.address()..whole.address() + whole.size), 1);
}
