//! Any damage to a heap, and any calls after it.
#![no_main]

use libfuzzer_sys::arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| rtl_heap_tests::model::fuzz::damage(&mut Unstructured::new(bytes)));
