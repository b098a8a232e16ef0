//! Reliability line R2: whatever is passed that is no live block of the heap is refused, without
//! touching anybody's memory, and the heap is as it was; with termination on, the process ends with
//! one line that says why.
#![cfg(not(all(feature = "oracle", windows)))]

use std::cell::RefCell;

use rtl_heap::failure::{FailureKind, HeapFailure};
use rtl_heap::nt::{self, HeapHandle};
use rtl_heap::{Accounting, HeapFlags, Status, hooks};
use rtl_heap_tests::child;
use rtl_heap_tests::model::contents::Contents;
use rtl_heap_tests::model::shape::{Memory, Shape};
use rtl_heap_tests::model::subject::Subject;

const NONE: HeapFlags = HeapFlags::empty();

thread_local! {
    static FAILURES: RefCell<Vec<HeapFailure>> = const { RefCell::new(Vec::new()) };
}

fn remember(failure: &HeapFailure) {
    FAILURES.with_borrow_mut(|failures| failures.push(*failure));
}

/// A heap with a few blocks, and everything about it that a refused call must not change.
struct Scene {
    subject: Subject,
    blocks: Vec<(usize, usize)>,
    accounting: Accounting,
}

impl Scene {
    fn new(shape: &Shape) -> Self {
        hooks::set_failure_handler(Some(remember));
        let subject = Subject::create(shape, None).expect("a heap");
        let heap = subject.handle();
        let sizes = [0, 1, 16, 24, 100, 1000, 0x4000];
        let large = shape.growable.then_some(0x14_0000);
        let blocks: Vec<_> = (sizes.into_iter().chain(large).enumerate())
            .map(|(number, size)| {
                let block = nt::allocate(heap, NONE, size).expect("a block").as_ptr();
                // SAFETY: the block is ours and `size` long.
                unsafe { Contents::numbered(number).write(block, size) };
                (block as usize, size)
            })
            .collect();
        let accounting = nt::accounting(heap).expect("a heap");
        Self {
            subject,
            blocks,
            accounting,
        }
    }

    fn heap(&self) -> HeapHandle {
        self.subject.handle()
    }

    /// Passes `address` to every call that takes a block; each is refused, reported once as `kind`,
    /// and changes nothing.
    fn assert_refused(&self, address: usize, kind: FailureKind) {
        let (heap, pointer) = (self.heap(), address as *mut u8);
        let invalid = Status::INVALID_PARAMETER;
        FAILURES.take();
        // SAFETY: no live block is passed, which is to be refused.
        unsafe {
            assert_eq!(nt::free(heap, NONE, pointer), Err(invalid), "{address:#x}");
            assert_eq!(
                nt::reallocate(heap, NONE, pointer, 64),
                Err(invalid),
                "{address:#x}"
            );
            let in_place = HeapFlags::REALLOC_IN_PLACE_ONLY;
            assert_eq!(nt::reallocate(heap, in_place, pointer, 0), Err(invalid));
        }
        assert_eq!(nt::size(heap, NONE, pointer), Err(invalid), "{address:#x}");
        let failures = FAILURES.take();
        assert_eq!(failures.len(), 4, "one report a call");
        for failure in failures {
            let found = (failure.kind, failure.heap, failure.address);
            assert_eq!(found, (kind, heap.0, address));
        }
        assert!(!nt::validate(heap, NONE, Some(pointer)));
        assert!(FAILURES.take().is_empty(), "a type test reports nothing");
        self.assert_unchanged();
    }

    fn assert_unchanged(&self) {
        let heap = self.heap();
        assert!(nt::validate(heap, NONE, None));
        assert_eq!(nt::accounting(heap), Ok(self.accounting));
        for (number, &(block, size)) in self.blocks.iter().enumerate() {
            assert_eq!(nt::size(heap, NONE, block as *const u8), Ok(size));
            // SAFETY: the block is ours.
            let kept = unsafe { Contents::numbered(number).stands_at(block as *const u8, size) };
            assert!(kept, "contents of {size:#x} bytes changed");
        }
    }
}

fn shapes() -> [Shape; 4] {
    let fixed = |memory| Shape {
        memory,
        growable: false,
        reserve: 0x10_0000,
        ..Shape::plain()
    };
    [
        Shape::plain(),
        fixed(Memory::Heap),
        fixed(Memory::Committed(0x4_0000)),
        Shape {
            flags: HeapFlags::NO_SERIALIZE,
            ..Shape::plain()
        },
    ]
}

#[test]
fn pointers_into_a_block() {
    for shape in shapes() {
        let scene = Scene::new(&shape);
        for &(block, size) in &scene.blocks {
            for distance in [1, 2, 4, 7, 8, 9, 15, 16, 32, size / 2, size] {
                let inside = block + distance;
                if !scene.blocks.iter().any(|(other, _)| *other == inside) {
                    scene.assert_refused(inside, FailureKind::InvalidArgument);
                }
            }
            for distance in [1, 8, 15] {
                scene.assert_refused(block - distance, FailureKind::InvalidArgument);
            }
        }
    }
}

#[test]
fn blocks_that_were_freed() {
    for shape in shapes() {
        let mut scene = Scene::new(&shape);
        let freed: Vec<_> = [20, 300, 0x3000, 0x3_0000]
            .map(|size| nt::allocate(scene.heap(), NONE, size).expect("a block"))
            .into_iter()
            .map(|block| block.as_ptr())
            .collect();
        for block in &freed {
            // SAFETY: the block is ours.
            assert_eq!(unsafe { nt::free(scene.heap(), NONE, *block) }, Ok(()));
        }
        scene.accounting = nt::accounting(scene.heap()).expect("a heap");
        for block in freed {
            // Merged with its neighbours or not: no block any more.
            let address = block as usize;
            FAILURES.take();
            // SAFETY: it is no block any more, which is to be refused.
            let again = unsafe { nt::free(scene.heap(), NONE, block) };
            assert_eq!(again, Err(Status::INVALID_PARAMETER));
            let kind = FAILURES.take()[0].kind;
            let known = [FailureKind::BlockNotBusy, FailureKind::InvalidArgument];
            assert!(known.contains(&kind), "{kind:?}");
            scene.assert_refused(address, kind);
        }
    }
}

#[test]
fn blocks_of_another_heap() {
    let (scene, other) = (Scene::new(&Shape::plain()), Scene::new(&Shape::plain()));
    for &(block, _) in &other.blocks {
        scene.assert_refused(block, FailureKind::CrossHeapOperation);
        other.assert_unchanged();
    }
    scene.assert_refused(other.heap().0, FailureKind::CrossHeapOperation);
    other.assert_unchanged();
}

#[test]
fn memory_that_is_no_heap_s() {
    static STATIC: [u64; 8] = [0x5A5A; 8];
    let scene = Scene::new(&Shape::plain());
    // Looks like anything a forged header could look like.
    let stack = [u64::MAX, 0, 1, 0x0101_0101_0101_0101, 0, 0, u64::MAX, 2];
    let before = stack;
    for index in 0..stack.len() {
        scene.assert_refused(
            &raw const stack[index] as usize,
            FailureKind::InvalidArgument,
        );
        scene.assert_refused(
            &raw const STATIC[index] as usize,
            FailureKind::InvalidArgument,
        );
    }
    assert_eq!(stack, before);
    let boxed = Box::new([7u8; 64]);
    scene.assert_refused(&raw const boxed[32] as usize, FailureKind::InvalidArgument);
    assert_eq!(*boxed, [7; 64]);
    let code = memory_that_is_no_heap_s as *const () as usize;
    for address in [
        1,
        0x10,
        0xdead_be00,
        code,
        usize::MAX,
        usize::MAX - 15,
        usize::MAX / 2,
    ] {
        scene.assert_refused(address, FailureKind::InvalidArgument);
    }
}

#[test]
fn the_heap_s_own_header_and_records() {
    let scene = Scene::new(&Shape::plain());
    for offset in [0, 8, 0x10, 0x98, 0x100, 0xFF0, 0x1000, 0xFFF0] {
        let address = scene.heap().0 + offset;
        if !scene.blocks.iter().any(|(block, _)| *block == address) {
            scene.assert_refused(address, FailureKind::InvalidArgument);
        }
    }
}

/// Runs `misuse` in a child with termination on.
#[track_caller]
fn assert_ends_with_one_report(test: &str, kind: FailureKind, misuse: impl FnOnce(HeapHandle)) {
    let ending = child::assert_terminates(test, || {
        let subject = Subject::create(&Shape::plain(), None).expect("a heap");
        hooks::enable_termination_on_corruption();
        misuse(subject.handle());
    });
    let wanted = format!("failure type {:#x}", kind as u8);
    let lines = ending.stderr.lines();
    let reports: Vec<_> = lines.filter(|line| line.contains("failure type")).collect();
    assert_eq!(reports.len(), 1, "{}", ending.stderr);
    for word in [wanted.as_str(), "address 0x", "heap 0x"] {
        assert!(reports[0].contains(word), "{}", reports[0]);
    }
}

#[test]
fn termination_ends_the_process_with_one_line() {
    let test = "termination_ends_the_process_with_one_line";
    assert_ends_with_one_report(test, FailureKind::InvalidArgument, |heap| {
        let local = 0u64;
        // SAFETY: no block is passed, which ends the process.
        let _ = unsafe { nt::free(heap, NONE, (&raw const local).cast_mut().cast()) };
    });
}

#[test]
fn termination_ends_the_process_at_a_second_free() {
    let test = "termination_ends_the_process_at_a_second_free";
    assert_ends_with_one_report(test, FailureKind::BlockNotBusy, |heap| {
        let block = nt::allocate(heap, NONE, 100).expect("a block").as_ptr();
        let _behind = nt::allocate(heap, NONE, 100).expect("a block");
        for _ in 0..2 {
            // SAFETY: the first is a live block, the second ends the process.
            let _ = unsafe { nt::free(heap, NONE, block) };
        }
    });
}
