//! Heaps whose own data is overwritten at random (R3, R16), and the fuzzer's inputs as plain tests.
//!
//! One at a time: wild addresses must not meet a heap that another test destroys.
#![cfg(not(all(feature = "oracle", windows)))]

use arbitrary::Unstructured;
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng};
use rtl_heap_tests::model::{OPERATIONS, config, damage, fuzz};
use rtl_heap_tests::serial::turn;

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_damaged_heap_refuses_and_does_no_harm((shape, steps) in damage::cases(OPERATIONS)) {
        let _turn = turn();
        damage::run(&shape, &steps);
    }
}

/// Inputs as the fuzzer would make them.
fn inputs() -> impl Iterator<Item = Vec<u8>> {
    const INPUTS: usize = 100;
    let mut random = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    (0..INPUTS).map(move |number| {
        let mut bytes = vec![0; 64 * number];
        random.fill_bytes(&mut bytes);
        bytes
    })
}

#[test]
fn the_fuzzer_s_operations_run_on_random_bytes() {
    let _turn = turn();
    inputs().for_each(|bytes| fuzz::operations(&mut Unstructured::new(&bytes)));
}

#[test]
fn the_fuzzer_s_damage_runs_on_random_bytes() {
    let _turn = turn();
    inputs().for_each(|bytes| fuzz::damage(&mut Unstructured::new(&bytes)));
}
