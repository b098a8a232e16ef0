//! Random operations on heaps of every kind, against a simple model (reliability line R1).
//!
//! One at a time: wild handles must not meet a heap that another test destroys.
#![cfg(not(all(feature = "oracle", windows)))]

use proptest::prelude::*;
use rtl_heap::global_flags::{self, GlobalFlags, PageHeap};
use rtl_heap_tests::model::machine::{self, Machine, System};
use rtl_heap_tests::model::operation::operations;
use rtl_heap_tests::model::shape::{Shape, debug_shapes, routine_shapes, shapes};
use rtl_heap_tests::model::subject::{Routine, Subject, set_routine};
use rtl_heap_tests::model::{OPERATIONS, config};
use rtl_heap_tests::serial::turn;

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_heap_of_any_kind_is_what_the_model_says(
        shape in shapes(),
        operations in operations(OPERATIONS),
    ) {
        let _turn = turn();
        machine::run(&shape, &operations);
    }
}

proptest! {
    // The same machine as above on what most programs use, where each case is a longer life.
    #![proptest_config(ProptestConfig { cases: config().cases / 32 + 1, ..config() })]

    #[test]
    fn a_plain_heap_lives_long(operations in operations(2 * OPERATIONS)) {
        let _turn = turn();
        machine::run(&Shape::plain(), &operations);
    }

    #[test]
    fn a_debug_heap_keeps_its_patterns(
        shape in debug_shapes(),
        operations in operations(OPERATIONS),
        validation in prop::sample::select(vec![0, 0x40, 0x80]),
    ) {
        let _turn = turn();
        let before = global_flags::set(GlobalFlags::from_bits_retain(validation));
        machine::run(&shape, &operations);
        global_flags::set(before);
    }

    #[test]
    fn a_page_heap_of_either_kind_is_what_the_model_says(
        shape in shapes(),
        operations in operations(OPERATIONS),
        kind in prop::sample::select(vec![PageHeap::Light, PageHeap::Full]),
        more in prop::sample::select(vec![0, 0x20, 0x70]),
    ) {
        let _turn = turn();
        let flags = GlobalFlags::from_bits_retain(more) | GlobalFlags::HEAP_PAGE_ALLOCS;
        let before = global_flags::set(flags);
        global_flags::set_page_heap(kind);
        machine::run(&shape, &operations);
        global_flags::set(before);
    }

    #[test]
    fn a_commit_routine_may_commit_less_than_asked(
        shape in routine_shapes(),
        operations in operations(OPERATIONS),
    ) {
        let _turn = turn();
        set_routine(Routine { one_page: true, ..Routine::default() });
        machine::run(&shape, &operations);
        set_routine(Routine::default());
    }

    #[test]
    fn a_commit_routine_may_refuse_any_call(
        shape in routine_shapes(),
        operations in operations(OPERATIONS),
        refuse_in in 1..6usize,
        for_ever in any::<bool>(),
    ) {
        let _turn = turn();
        let subject = Subject::create(&shape, None).unwrap();
        set_routine(Routine { refuse_in, for_ever, ..Routine::default() });
        let mut machine = Machine::new(&subject, System::Moody);
        machine.perform(&operations);
        machine.finish();
        set_routine(Routine::default());
    }
}
