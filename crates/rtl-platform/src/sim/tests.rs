use super::*;
use crate::pages::ALLOCATION_GRANULARITY;
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::panic::{AssertUnwindSafe, catch_unwind};

const MIB: usize = 1 << 20;
const SIZES: [HostPage; 3] = [HostPage::Kib4, HostPage::Kib16, HostPage::Kib64];

/// A simulation over memory of its own.
struct World {
    vm: SimVm,
    memory: NonNull<u8>,
}

const LAYOUT: Layout = match Layout::from_size_align(2 * MIB, ALLOCATION_GRANULARITY) {
    Ok(layout) => layout,
    Err(_) => panic!("a layout"),
};

impl World {
    fn new(host_page: HostPage) -> Self {
        // SAFETY: the layout is not empty.
        let memory = NonNull::new(unsafe { alloc_zeroed(LAYOUT) }).unwrap();
        // SAFETY: 1, 2: the world owns the memory and frees it after the simulation's last use.
        let vm = unsafe { SimVm::over(memory, LAYOUT.size(), host_page) };
        Self { vm, memory }
    }

    fn reserve(&self, size: usize) -> NonNull<u8> {
        self.vm.reserve(size, None).unwrap()
    }

    fn commit(&self, at: NonNull<u8>, size: usize) -> Result<(), VmError> {
        // SAFETY: the simulation says if it is not so.
        unsafe { self.vm.commit(at, size, Protection::ReadWrite) }
    }

    fn decommit(&self, at: NonNull<u8>, size: usize) -> Result<(), VmError> {
        // SAFETY: the simulation says if it is not so.
        unsafe { self.vm.decommit(at, size) }
    }

    fn release(&self, at: NonNull<u8>, size: usize) -> Result<(), VmError> {
        // SAFETY: the simulation says if it is not so.
        unsafe { self.vm.release(at, size) }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // SAFETY: allocated by `new` with this layout.
        unsafe { dealloc(self.memory.as_ptr(), LAYOUT) }
    }
}

fn after(at: NonNull<u8>, bytes: usize) -> NonNull<u8> {
    // SAFETY: no test goes past its arena.
    unsafe { at.add(bytes) }
}

fn fill(at: NonNull<u8>, bytes: usize, value: u8) {
    // SAFETY: every test fills what its arena holds.
    unsafe { at.write_bytes(value, bytes) }
}

fn holds(at: NonNull<u8>, bytes: usize, value: u8) -> bool {
    // SAFETY: every test looks at what its arena holds.
    unsafe { core::slice::from_raw_parts(at.as_ptr(), bytes) }
        .iter()
        .all(|&byte| byte == value)
}

/// What the broken rule said.
fn complaint<R: core::fmt::Debug>(crime: impl FnOnce() -> R) -> String {
    let payload = catch_unwind(AssertUnwindSafe(crime)).expect_err("the crime went unnoticed");
    *payload.downcast::<String>().expect("a message")
}

#[test]
fn a_life_of_a_page_on_every_host() {
    for host_page in SIZES {
        let world = World::new(host_page);
        let base = world.reserve(MIB);
        assert!(base.as_ptr().addr().is_multiple_of(ALLOCATION_GRANULARITY));
        for (first, count) in [(0, 1), (1, 7), (3, 16), (5, 40), (16, 16)] {
            let (at, size) = (after(base, first * PAGE_SIZE), count * PAGE_SIZE);
            world.commit(at, size).unwrap();
            assert!(holds(at, size, 0), "fresh memory is zero");
            fill(at, size, 1);
            world.commit(at, size).unwrap();
            assert!(holds(at, size, 1), "committing again keeps it");
            world.decommit(at, size).unwrap();
            world.vm.check();
            world.commit(at, size).unwrap();
            assert!(holds(at, size, 0), "recommitted memory is zero");
            world.decommit(at, size).unwrap();
        }
        assert_eq!(world.vm.committed(), 0);
        world.release(base, MIB).unwrap();
        assert_eq!((world.vm.reserved(), world.vm.reservations()), (0, 0));
    }
}

#[test]
fn decommit_drops_whole_host_pages_only() {
    let world = World::new(HostPage::Kib16);
    let base = world.reserve(MIB);
    world.commit(base, 0x1_0000).unwrap();
    fill(base, 0x1_0000, 1);
    world.decommit(after(base, 0x3000), 0x6000).unwrap();
    assert!(holds(base, 0x3000, 1));
    assert!(holds(after(base, 0x3000), 0x1000, 0), "an edge is zeroed");
    assert!(
        holds(after(base, 0x4000), 0x4000, POISON),
        "a whole host page is gone"
    );
    assert!(holds(after(base, 0x8000), 0x1000, 0), "an edge is zeroed");
    assert!(holds(after(base, 0x9000), 0x7000, 1));
    assert_eq!(world.vm.committed(), 0xa000);
}

#[test]
fn crimes_are_named() {
    for host_page in SIZES {
        let world = World::new(host_page);
        let base = world.reserve(MIB / 2);
        let other = world.reserve(MIB / 2);
        let commit = |at, size| complaint(|| world.commit(at, size));
        let decommit = |at, size| complaint(|| world.decommit(at, size));
        let release = |at, size| complaint(|| world.release(at, size));
        assert!(commit(base, 0).contains("size is zero"));
        assert!(commit(base, 100).contains("no multiple"));
        assert!(commit(after(base, 8), PAGE_SIZE).contains("no multiple"));
        assert!(commit(base, MIB).contains("more than one reservation"));
        assert!(commit(after(other, MIB / 2), PAGE_SIZE).contains("not reserved"));
        assert!(decommit(base, PAGE_SIZE).contains("not all committed"));
        assert!(release(after(base, PAGE_SIZE), PAGE_SIZE).contains("begin"));
        assert!(release(base, PAGE_SIZE).contains("only a part"));
        world.commit(base, PAGE_SIZE).unwrap();
        // SAFETY: nobody uses the page.
        unsafe { world.vm.protect(base, PAGE_SIZE, Protection::ReadOnly) }.unwrap();
        assert!(decommit(base, PAGE_SIZE).contains("not all writable"));
        // SAFETY: refused.
        let protect = || unsafe { world.vm.protect(other, PAGE_SIZE, Protection::ReadOnly) };
        assert!(complaint(protect).contains("not all committed"));
        world.release(base, MIB / 2).unwrap();
        assert!(release(base, MIB / 2).contains("not reserved"));
    }
}

#[test]
fn stores_to_reserved_pages_are_found() {
    for host_page in SIZES {
        let world = World::new(host_page);
        let base = world.reserve(MIB);
        fill(after(base, 0x2_0123), 1, 9);
        assert!(complaint(|| world.vm.check()).contains("0123, which is reserved"));
        let commit = || world.commit(after(base, 0x2_0000), PAGE_SIZE);
        assert!(complaint(commit).contains("not committed"));
        fill(after(base, 0x2_0123), 1, POISON);
        world.commit(base, 2 * PAGE_SIZE).unwrap();
        world.decommit(base, PAGE_SIZE).unwrap();
        // On a large host page this store does not fault; it would come back in a fresh page.
        fill(after(base, 5), 1, 9);
        assert!(complaint(|| world.commit(base, PAGE_SIZE)).contains("not committed"));
        assert!(complaint(|| world.release(base, MIB)).contains("not committed"));
    }
}

#[test]
fn calls_fail_when_asked_and_change_nothing() {
    let world = World::new(HostPage::Kib4);
    let base = world.reserve(MIB);
    world.vm.fail(Call::Commit, 2, Repeat::Once);
    assert_eq!(world.commit(base, PAGE_SIZE), Ok(()));
    assert_eq!(world.commit(base, MIB), Err(VmError::OutOfMemory));
    assert_eq!(world.vm.committed(), PAGE_SIZE);
    assert_eq!(world.commit(base, MIB), Ok(()));
    world.vm.fail(Call::Decommit, 1, Repeat::Forever);
    for _ in 0..3 {
        assert_eq!(world.decommit(base, MIB), Err(VmError::OutOfMemory));
    }
    assert_eq!(world.vm.committed(), MIB);
    world.vm.clear_failures();
    assert_eq!(world.decommit(base, MIB), Ok(()));
    assert_eq!(
        (world.vm.calls(Call::Commit), world.vm.calls(Call::Decommit)),
        (3, 4)
    );
    world.vm.fail_any(3, Repeat::Forever);
    assert!(world.vm.query(0).is_ok());
    assert_eq!(world.commit(base, MIB), Ok(()));
    assert_eq!(world.release(base, MIB), Err(VmError::OutOfMemory));
    assert_eq!(world.vm.reserve(PAGE_SIZE, None), Err(VmError::OutOfMemory));
    assert_eq!(world.vm.reservations(), 1);
}

#[test]
fn a_failed_commit_takes_the_reservation_back() {
    let world = World::new(HostPage::Kib16);
    world.vm.fail(Call::Commit, 1, Repeat::Once);
    let result = world
        .vm
        .reserve_and_commit(MIB, PAGE_SIZE, Protection::ReadWrite, None);
    assert_eq!(result, Err(VmError::OutOfMemory));
    assert_eq!(world.vm.reservations(), 0);
    let base = world
        .vm
        .reserve_and_commit(MIB, PAGE_SIZE, Protection::ReadWrite, None)
        .unwrap();
    assert_eq!(
        (world.vm.reserved(), world.vm.committed()),
        (MIB, PAGE_SIZE)
    );
    world.release(base, MIB).unwrap();
}

#[test]
fn windows_are_kept_and_room_is_found_to_the_last_granule() {
    let world = World::new(HostPage::Kib64);
    let span = world.vm.span();
    let one = |window| world.vm.reserve(PAGE_SIZE, Some(window));
    let all = Window {
        low: 0,
        high: usize::MAX,
        top_down: true,
    };
    let top = one(all).unwrap();
    assert_eq!(top.as_ptr().addr(), span.end - ALLOCATION_GRANULARITY);
    let window = Window {
        low: span.start + 1,
        high: span.start + 0x3_0000,
        top_down: false,
    };
    assert_eq!(one(window).unwrap().as_ptr().addr(), span.start + 0x1_0000);
    assert_eq!(one(window).unwrap().as_ptr().addr(), span.start + 0x2_0000);
    assert_eq!(one(window), Err(VmError::OutOfMemory));
    let mut count = world.vm.reservations();
    while world.vm.reserve(ALLOCATION_GRANULARITY, None).is_ok() {
        count += 1;
    }
    assert_eq!(count, span.size() / ALLOCATION_GRANULARITY);
}

#[test]
fn query_knows_reservations_apart() {
    let world = World::new(HostPage::Kib4);
    let base = world.reserve(0x2_0000);
    let next = world.reserve(0x1_0000);
    world.commit(after(base, 0x4000), 0x2000).unwrap();
    let start = base.as_ptr().addr();
    let expect = |at, base, size, state, protection| {
        let info = RangeInfo {
            base: start + base,
            size,
            state,
            protection,
        };
        assert_eq!(world.vm.query(start + at), Ok(info));
    };
    expect(0x1fff, 0, 0x4000, PageState::Reserved, Protection::NoAccess);
    expect(
        0x5000,
        0x4000,
        0x2000,
        PageState::Committed,
        Protection::ReadWrite,
    );
    expect(
        0x6000,
        0x6000,
        0x1_a000,
        PageState::Reserved,
        Protection::NoAccess,
    );
    expect(
        0x2_0000,
        0x2_0000,
        0x1_0000,
        PageState::Reserved,
        Protection::NoAccess,
    );
    world.release(next, 0x1_0000).unwrap();
    assert_eq!(
        world.vm.query(start + 0x2_0000).unwrap().state,
        PageState::Free
    );
    for outside in [0, usize::MAX] {
        assert_eq!(world.vm.query(outside).unwrap().state, PageState::Free);
    }
}

#[test]
fn threads_share_a_simulation() {
    let world = World::new(HostPage::Kib4);
    std::thread::scope(|threads| {
        for value in 1..5 {
            let vm = &world.vm;
            threads.spawn(move || {
                for _ in 0..50 {
                    let size = 0x1_0000;
                    let base = vm
                        .reserve_and_commit(size, size, Protection::ReadWrite, None)
                        .unwrap();
                    assert!(holds(base, size, 0));
                    fill(base, size, value);
                    assert!(holds(base, size, value));
                    // SAFETY: the thread's own reservation, which it does not use any more.
                    unsafe { vm.release(base, size) }.unwrap();
                }
            });
        }
    });
    assert_eq!(world.vm.reservations(), 0);
}

#[test]
fn a_release_that_hides_committed_pages_is_noticed() {
    let world = World::new(HostPage::Kib4);
    let base = world.reserve(ALLOCATION_GRANULARITY);
    world.commit(after(base, PAGE_SIZE), PAGE_SIZE).unwrap();
    // SAFETY: the simulation says if it is not so.
    let release = |head| unsafe { world.vm.release_head(base, ALLOCATION_GRANULARITY, head) };
    assert!(complaint(|| release(PAGE_SIZE)).contains("release_head"));
    release(2 * PAGE_SIZE).unwrap();
    assert_eq!(world.vm.reserved(), 0);
}

#[test]
fn a_move_takes_contents_along_and_leaves_nothing_behind() {
    for host_page in SIZES {
        let world = World::new(host_page);
        let base = world.reserve(MIB / 2);
        world.commit(base, 3 * PAGE_SIZE).unwrap();
        fill(base, 3 * PAGE_SIZE, 7);
        let old = Extent {
            size: MIB / 2,
            committed: 3 * PAGE_SIZE,
        };
        let new = Extent {
            size: MIB,
            committed: 5 * PAGE_SIZE,
        };
        let relocate = || {
            // SAFETY: a whole reservation, as large as said, and nobody uses it.
            unsafe {
                world
                    .vm
                    .relocate(base, old, new, Protection::ReadWrite, None)
            }
        };
        world.vm.fail(Call::Relocate, 1, Repeat::Once);
        assert_eq!(relocate(), Err(VmError::OutOfMemory));
        assert!(holds(base, 3 * PAGE_SIZE, 7));
        let to = relocate().unwrap();
        assert!(holds(to, 3 * PAGE_SIZE, 7));
        assert!(holds(after(to, 3 * PAGE_SIZE), 2 * PAGE_SIZE, 0));
        assert_eq!(world.vm.reservations(), 1);
        assert_eq!(world.vm.reserved(), MIB);
        assert_eq!(world.vm.committed(), 5 * PAGE_SIZE);
        world.release(to, MIB).unwrap();
        world.vm.check();
    }
}

#[test]
fn what_is_expected_to_be_dense_is_so_until_it_is_decommitted() {
    let world = World::new(HostPage::Kib4);
    let base = world.reserve(MIB);
    // SAFETY: 1: it is reserved.
    let expect = |at, size| unsafe { world.vm.expect_dense_use(at, size) };
    assert_eq!((expect(base, MIB), world.vm.expected_dense()), (0, 0));
    world.vm.let_keep_pages(true);
    assert_eq!(expect(base, MIB), LARGE_PAGE);
    world.commit(base, 0x2_0000).unwrap();
    assert_eq!(world.vm.expected_dense(), MIB);
    world.decommit(base, 0x1_0000).unwrap();
    world.commit(base, 0x1_0000).unwrap();
    assert_eq!(world.vm.expected_dense(), MIB - 0x1_0000);
    assert_eq!(expect(base, 0x1_0000), LARGE_PAGE);
    assert_eq!(world.vm.expected_dense(), MIB);
    world.release(base, MIB).unwrap();
    world.reserve(MIB);
    assert_eq!(world.vm.expected_dense(), 0);
}
