//! The model on heaps whose system refuses memory: every call of every kind in turn, once and for
//! ever (reliability line R5, misuse rows I1 to I6, I11, I12).
#![cfg(not(all(feature = "oracle", windows)))]

use proptest::collection::vec;
use rtl_heap::vm::Vm;
use rtl_heap::{HeapFlags, Status, nt};
use rtl_heap_tests::model::from_seed;
use rtl_heap_tests::model::machine::{self, Machine, System};
use rtl_heap_tests::model::operation::{Operation, Rare, operation};
use rtl_heap_tests::model::shape::{Memory, Shape, typical_shapes};
use rtl_heap_tests::model::subject::{Routine, Subject, routine, set_routine};
use rtl_heap_tests::model::watched_vm::{Call, Repeat, WatchedVm};
use rtl_heap_tests::serial::turn;
use rtl_platform::sim::{Arena, HostPage, SimVm};

/// Every kind of call that changes something.
const CALLS: [Call; 6] = [
    Call::Reserve,
    Call::Commit,
    Call::Decommit,
    Call::Release,
    Call::Protect,
    Call::Relocate,
];
const REPEATS: [Repeat; 2] = [Repeat::Once, Repeat::Forever];

/// What is done to a heap while one call after the other is refused. All but protection: of a heap that
/// was made read-only, by a system that will not make it writable again, nothing more can be asked; what
/// a refusal does there is `protection_that_the_system_refuses`.
///
/// First a large block grows, shrinks and grows, so that its pages are moved.
fn script(seed: u8) -> Vec<Operation> {
    let resized = |flags, size| Operation::Reallocate {
        flags,
        block: 0,
        size,
    };
    let mut script = vec![
        Operation::Allocate {
            flags: 0,
            size: 0x10_0000,
            alignment: 0,
        },
        resized(0, 0x12_0000),
        resized(0, 0x11_0000),
        resized(HeapFlags::ZERO_MEMORY.bits(), 0x17_0000),
    ];
    script.extend(from_seed(&vec(operation(), 200), seed));
    script.retain(|operation| !matches!(operation, Operation::Rare(Rare::Protect)));
    script
}

/// Number of heaps in the process.
fn heap_count() -> usize {
    nt::process_heaps(&mut [])
}

/// Performs the script with the `nth` call refused; says whether one was.
fn refuse(
    vm: &'static WatchedVm,
    shape: &Shape,
    script: &[Operation],
    (call, nth, repeat): (Call, usize, Repeat),
) -> bool {
    let (heaps, stuck) = (heap_count(), vm.refused_releases());
    let kept = vm.reservations().len();
    vm.refuse(call, nth, repeat);
    match Subject::create(shape, Some(vm)) {
        Err(status) => {
            assert_eq!(status, Status::NO_MEMORY);
            assert!(vm.refused() > 0, "nothing was refused to {shape:?}");
        }
        Ok(subject) => {
            let mut machine = Machine::new(&subject, System::Moody);
            machine.perform(script);
            // Frees succeed all the same.
            machine.free_everything();
            vm.relent();
            machine.check_freshness();
        }
    }
    vm.relent();
    assert_eq!(heap_count(), heaps, "a heap stays in the list");
    // What the system would not take back stays, and nothing else.
    let stuck = vm.refused_releases() - stuck;
    assert_eq!(vm.reservations().len(), kept + stuck, "a reservation stays");
    vm.refused() > 0
}

/// Refuses every call of the script in turn; how many there are of each kind.
fn refuse_each_in_turn(
    vm: &'static WatchedVm,
    shape: &Shape,
    script: &[Operation],
) -> [usize; CALLS.len()] {
    CALLS.map(|call| {
        // `RtlProtectHeap` says so when the system refuses it, and then the heap is as protected as it
        // was, which the model does not follow. What else protects pages goes on without.
        let kept = |operation: &&Operation| {
            call != Call::Protect || !matches!(operation, Operation::Rare(Rare::Protect))
        };
        let script: Vec<Operation> = script.iter().filter(kept).cloned().collect();
        let counts = REPEATS.map(|repeat| {
            let refused = (1..).take_while(|&nth| refuse(vm, shape, &script, (call, nth, repeat)));
            refused.count()
        });
        counts[0]
    })
}

#[test]
fn every_call_of_the_system_may_be_refused() {
    static VM: WatchedVm = WatchedVm::new();
    let _turn = turn();
    machine::prepare();
    let mut totals = [0; CALLS.len()];
    for (seed, shape) in (0..).zip(typical_shapes()) {
        println!("{shape:?}");
        let counts = refuse_each_in_turn(&VM, &shape, &script(seed));
        totals = core::array::from_fn(|kind| totals[kind] + counts[kind]);
    }
    println!("{CALLS:?}: {totals:?}");
    assert!(totals[..4].iter().all(|calls| *calls > 10), "{totals:?}");
    let moves = totals[5];
    assert!(moves > 2, "{totals:?}");
}

#[test]
fn every_call_of_a_commit_routine_may_be_refused() {
    let _turn = turn();
    machine::prepare();
    for library in [false, true] {
        let memory = Memory::Routine {
            size: 0x8_0000,
            committed: 0x1000,
            library,
        };
        let shape = Shape {
            memory,
            growable: false,
            ..Shape::plain()
        };
        let script = script(100);
        for for_ever in [false, true] {
            let mut refused = 0;
            for refuse_in in 1.. {
                let subject = Subject::create(&shape, None).expect("a heap");
                set_routine(Routine {
                    refuse_in,
                    for_ever,
                    one_page: true,
                    ..Routine::default()
                });
                let mut machine = Machine::new(&subject, System::Moody);
                machine.perform(&script);
                machine.finish();
                if routine().refused == 0 {
                    break;
                }
                refused += 1;
            }
            set_routine(Routine::default());
            assert!(refused > 10, "the script commits too little");
        }
    }
}

/// Refused, a heap is as it was: writable, or read-only until it is asked again.
#[test]
fn protection_that_the_system_refuses() {
    static ARENA: Arena<0x100_0000> = Arena::new();
    static SIM: SimVm = SimVm::new(&ARENA, HostPage::Kib4);
    static VM: WatchedVm = WatchedVm::over(&SIM);
    let _turn = turn();
    machine::prepare();
    let none = HeapFlags::empty();
    let subject = Subject::create(&Shape::plain(), Some(&VM)).expect("a heap");
    let heap = subject.handle();
    let block = nt::allocate(heap, none, 100).expect("a block");
    VM.refuse(Call::Protect, 1, Repeat::Forever);
    assert_eq!(nt::protect(heap, true), Err(Status::UNSUCCESSFUL));
    assert!(nt::validate(heap, none, None));
    VM.relent();
    assert_eq!(nt::protect(heap, true), Ok(()));
    VM.refuse(Call::Protect, 1, Repeat::Once);
    assert_eq!(nt::protect(heap, false), Err(Status::UNSUCCESSFUL));
    assert_eq!(nt::allocate(heap, none, 1), Err(Status::INVALID_HANDLE));
    VM.relent();
    assert_eq!(nt::protect(heap, false), Ok(()));
    assert_eq!(nt::size(heap, none, block.as_ptr()), Ok(100));
    assert!(nt::validate(heap, none, None));
}

/// The model on a simulated machine: generous, then refusing each call.
fn run_simulated(sim: &'static SimVm, vm: &'static WatchedVm) {
    let _turn = turn();
    machine::prepare();
    let shapes = typical_shapes();
    // The simulation knows nothing of memory that is not its own.
    let own = shapes.iter().filter(|shape| shape.memory == Memory::Heap);
    for (seed, shape) in (0..).zip(own) {
        println!("{shape:?}");
        sim.let_keep_pages(seed % 2 == 1);
        let vm: &'static dyn Vm = vm;
        let subject = Subject::create(shape, Some(vm)).expect("a heap");
        let mut machine = Machine::new(&subject, System::Moody);
        machine.perform(&script(seed));
        machine.finish();
        sim.check();
    }
    assert_eq!(sim.reservations(), 0);
    for keep in [false, true] {
        sim.let_keep_pages(keep);
        refuse_each_in_turn(vm, &Shape::plain(), &script(50));
        sim.check();
    }
}

/// A machine with this host page.
macro_rules! simulated {
    ($name:ident, $page:ident) => {
        #[test]
        fn $name() {
            static ARENA: Arena<0x200_0000> = Arena::new();
            static SIM: SimVm = SimVm::new(&ARENA, HostPage::$page);
            static VM: WatchedVm = WatchedVm::over(&SIM);
            run_simulated(&SIM, &VM);
        }
    };
}

simulated!(a_host_with_pages_of_4_kib, Kib4);
simulated!(a_host_with_pages_of_16_kib, Kib16);
simulated!(a_host_with_pages_of_64_kib, Kib64);
