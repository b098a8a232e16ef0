//! A simple model of a heap, run beside a real one.
//!
//! A [`shape`] says what the heap, the [`subject`], is like, a list of [`operation`]s what is done to it, and the
//! [`machine`] does it and compares every answer with the model's. [`watched_vm`] counts what the
//! heap asks of the system and refuses on demand. [`damage`] overwrites the heap's own data and
//! asks only that nothing worse than a refusal follows.
//!
//! Property tests draw shapes and operations at random and shrink what fails; the [`fuzz`] targets
//! make them of a fuzzer's bytes.
//!
//! `PROPTEST_CASES` sets the number of cases; a case is [`OPERATIONS`] operations on average.

pub mod contents;
pub mod damage;
pub mod fuzz;
pub mod machine;
pub mod operation;
pub mod shape;
pub mod subject;
pub mod watched_vm;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Operations in a case, on average.
pub const OPERATIONS: usize = 256;

/// How the model's properties are tested: `PROPTEST_CASES` cases, and no file of failures.
pub fn config() -> Config {
    Config {
        failure_persistence: None,
        max_shrink_iters: 4096,
        ..Config::default()
    }
}

/// What `strategy` makes of a seed: the same for the same seed.
///
/// # Panics
/// When the strategy rejects the seed.
pub fn from_seed<S: Strategy>(strategy: &S, seed: u8) -> S::Value {
    let source = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let mut runner = TestRunner::new_with_rng(config(), source);
    let tree = strategy
        .new_tree(&mut runner)
        .expect("the strategy rejects nothing");
    tree.current()
}
