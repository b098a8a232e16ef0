//! Any operations on a heap, checked by the model.
#![no_main]

use libfuzzer_sys::arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| rtl_heap_tests::model::fuzz::operations(&mut Unstructured::new(bytes)));
