//! The model where the heap's own records, too, come from a system that refuses (R5; misuse rows
//! I12 and I13). A process sets its system once, so these tests have a program of their own.
#![cfg(not(all(feature = "oracle", windows)))]

use std::sync::{MutexGuard, Once};

use proptest::collection::vec;
use rtl_heap::nt::{self, CreateRequest, HeapHandle};
use rtl_heap::vm::Window;
use rtl_heap::{HeapFlags, Limits, Status};
use rtl_heap_tests::model::from_seed;
use rtl_heap_tests::model::machine::{self, Machine, System};
use rtl_heap_tests::model::operation::{Operation, operation};
use rtl_heap_tests::model::shape::Shape;
use rtl_heap_tests::model::subject::Subject;
use rtl_heap_tests::model::watched_vm::{Call, Repeat, WatchedVm};
use rtl_heap_tests::serial;

static SYSTEM: WatchedVm = WatchedVm::new();

/// What records are cut from is reserved in pieces of at least this many bytes.
const RECORDS_LEAST: usize = 0x1_0000;

/// Takes the turn, with the watched system in place and nothing refused.
fn turn() -> MutexGuard<'static, ()> {
    static ONCE: Once = Once::new();
    let turn = serial::turn();
    ONCE.call_once(|| {
        assert!(rtl_heap::set_system_vm(&SYSTEM));
        first_heap_ever();
    });
    SYSTEM.relent();
    turn
}

/// The first heap of a process, with each call refused in turn until none is left: what stays is
/// what records are cut from.
fn first_heap_ever() {
    let mut refused = 0;
    let subject = loop {
        SYSTEM.refuse(Call::Reserve, refused + 1, Repeat::Once);
        let made = Subject::create(&Shape::plain(), None);
        if SYSTEM.refused() == 0 {
            break made.expect("a heap");
        }
        refused += 1;
        // A heap may do without a piece of the map.
        if let Err(status) = made {
            assert_eq!(status, Status::NO_MEMORY);
            let left = SYSTEM.reservations();
            assert!(
                left.iter().all(|size| *size >= RECORDS_LEAST),
                "left: {left:x?}"
            );
        }
    };
    SYSTEM.relent();
    assert!(
        refused >= 2,
        "a heap needs memory for itself and for its records"
    );
    let with_heap = SYSTEM.reservations().len();
    drop(subject);
    assert_eq!(SYSTEM.reservations().len(), with_heap - 1);
    machine::prepare();
}

fn script(seed: u8) -> Vec<Operation> {
    from_seed(&vec(operation(), 200), seed)
}

/// Heaps whose bitmaps are large enough for reservations of their own.
fn large_segments() -> Shape {
    let mut shape = Shape {
        reserve: 0x100_0000,
        ..Shape::plain()
    };
    shape.parameters.segment_reserve = 0x80_0000;
    shape
}

#[test]
fn every_call_may_be_refused_to_records_as_well() {
    let _turn = turn();
    let script = script(3);
    for shape in [Shape::plain(), large_segments()] {
        for call in [Call::Reserve, Call::Commit, Call::Decommit, Call::Release] {
            for repeat in [Repeat::Once, Repeat::Forever] {
                for nth in 1.. {
                    let heaps = nt::process_heaps(&mut []);
                    SYSTEM.refuse(call, nth, repeat);
                    match Subject::create(&shape, None) {
                        Err(status) => assert_eq!(status, Status::NO_MEMORY),
                        Ok(subject) => {
                            let mut machine = Machine::new(&subject, System::Moody);
                            machine.perform(&script);
                            machine.free_everything();
                            SYSTEM.relent();
                            machine.check_freshness();
                        }
                    }
                    let refused = SYSTEM.refused();
                    SYSTEM.relent();
                    assert_eq!(nt::process_heaps(&mut []), heaps);
                    if refused == 0 {
                        break;
                    }
                }
            }
        }
    }
}

#[test]
fn a_refused_heap_leaves_nothing_behind() {
    let _turn = turn();
    // Once every kind of record has been made and given back, nothing new is cut for the same again.
    drop(Subject::create(&large_segments(), None).expect("a heap"));
    let (kept, stuck) = (SYSTEM.reservations(), SYSTEM.refused_releases());
    for call in [Call::Reserve, Call::Commit] {
        for repeat in [Repeat::Once, Repeat::Forever] {
            let mut refused = 0;
            for nth in 1.. {
                SYSTEM.refuse(call, nth, repeat);
                let made = Subject::create(&large_segments(), None);
                let error = made.map(drop).err();
                if SYSTEM.refused() == 0 {
                    break;
                }
                SYSTEM.relent();
                refused += 1;
                assert!(error.is_none_or(|error| error == Status::NO_MEMORY));
                assert_eq!(SYSTEM.reservations(), kept, "{call:?} {nth}");
            }
            assert!(refused > 0, "{call:?} is never asked for");
        }
    }
    assert_eq!(SYSTEM.refused_releases(), stuck);
}

#[test]
fn large_blocks_end_where_records_do() {
    let _turn = turn();
    let mut shape = Shape::plain();
    shape.parameters.virtual_memory_threshold = 0x400;
    let subject = Subject::create(&shape, None).expect("a heap");
    let heap = subject.handle();
    let before = SYSTEM.reservations().len();
    // The blocks' own reservations are smaller than what records are cut from.
    SYSTEM.refuse_reservations_from(RECORDS_LEAST);
    let mut blocks = Vec::new();
    let status = loop {
        match nt::allocate(heap, HeapFlags::empty(), 0x1000) {
            Ok(block) => blocks.push(block.as_ptr()),
            Err(status) => break status,
        }
        assert!(blocks.len() < 1_000_000, "records come from nowhere");
    };
    assert_eq!(status, Status::NO_MEMORY);
    assert!(nt::validate(heap, HeapFlags::empty(), None));
    assert_eq!(SYSTEM.reservations().len(), before + blocks.len());
    for block in blocks {
        // SAFETY: the block is ours.
        unsafe {
            block.write_bytes(0x5A, 0x1000);
            assert_eq!(nt::free(heap, HeapFlags::empty(), block), Ok(()));
        }
    }
    // A few may be kept for the next.
    assert!(nt::compact(heap, HeapFlags::empty()).is_ok());
    assert_eq!(SYSTEM.reservations().len(), before);
    assert!(nt::allocate(heap, HeapFlags::empty(), 0x1000).is_ok());
}

#[test]
fn a_heap_does_without_a_piece_of_the_map() {
    let _turn = turn();
    const GIB: usize = 1 << 30;
    // A part of the address space where no heap of this process was.
    let window = |number: usize| Window {
        low: (64 + 2 * number) * GIB,
        high: (66 + 2 * number) * GIB,
        top_down: false,
    };
    if usize::BITS == 32 {
        return;
    }
    let make = |window| -> Result<HeapHandle, Status> {
        let mut request = CreateRequest::new(Limits::WINDOWS);
        request.reserve = 0x8000;
        request.flags.remove(HeapFlags::GROWABLE);
        request.window = window;
        // SAFETY: no caller memory, lock or routine is involved.
        unsafe { nt::create_heap(&request) }
    };
    // Whatever test ran before, there are records for so many heaps: the map's pieces are to be missing.
    let spare: Vec<_> = (0..4).map(|_| make(None).expect("a heap")).collect();
    for heap in spare {
        // SAFETY: nobody uses the heap any more.
        assert_eq!(unsafe { nt::destroy_heap(heap) }, Ok(()));
    }
    SYSTEM.refuse_reservations_from(RECORDS_LEAST);
    let heaps: Vec<_> = (0..4)
        .map(|number| make(Some(window(number))).expect("a heap"))
        .collect();
    assert!(SYSTEM.refused() > 0, "the map had the pieces already");
    let flags = HeapFlags::empty();
    for heap in &heaps {
        let block = nt::allocate(*heap, flags, 100).expect("a block").as_ptr();
        assert_eq!(nt::size(*heap, flags, block), Ok(100));
        assert_eq!(
            nt::region_of(block as usize).map(|region| region.heap),
            Some(heap.0)
        );
        assert!(nt::size(heaps[0], flags, heap.0 as *const u8).is_err());
        // SAFETY: the block is ours.
        assert_eq!(unsafe { nt::free(*heap, flags, block) }, Ok(()));
        // SAFETY: it is no block any more, which is to be refused.
        assert!(unsafe { nt::free(*heap, flags, block) }.is_err());
        assert!(nt::validate(*heap, flags, None));
    }
    for heap in heaps {
        // SAFETY: nobody uses the heap any more.
        assert_eq!(unsafe { nt::destroy_heap(heap) }, Ok(()));
        assert!(nt::region_of(heap.0).is_none());
    }
}
