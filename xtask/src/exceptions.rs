//! Tests that cannot hold under a tool, each with its reason. Everything else runs everywhere.

/// A gate, a test it leaves out, and why.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    (
        "asan",
        "os::tests::windows_are_kept",
        "the sanitizer's shadow fills the fourth GiB",
    ),
    (
        "asan",
        "optimizing_resources_lets_empty_slabs_go",
        "mappings lie exactly 4 TiB apart, where parts of the address space share places in the map of slabs",
    ),
    (
        "asan",
        "c2_in_the_front_end_of_every_size",
        "as above: some heaps are served by the back end, where not every size has a byte behind its data",
    ),
    (
        "asan",
        "a_heap_that_grows_empties_pages_first_and_no_block_of_them",
        "as above: a heap without slabs has none of their pages to empty",
    ),
    (
        "asan",
        "who_compacts_has_all_emptied_once",
        "as above: a heap without slabs has none of their pages to empty",
    ),
    (
        "valgrind",
        "os::tests::the_address_space_runs_out_without_harm",
        "valgrind refuses so large a mapping itself, with another error",
    ),
    (
        "valgrind",
        "a_full_list_of_mappings_is_an_error_and_no_more",
        "valgrind ends at fewer mappings than the system allows",
    ),
];

/// What to say to the test programs after `--`, so that they leave out what cannot hold in `gate`.
pub fn test_arguments(gate: &str) -> Vec<&'static str> {
    let mut arguments = vec!["--"];
    for (_, test, why) in EXCEPTIONS.iter().filter(|(name, ..)| *name == gate) {
        println!("left out: {test}: {why}");
        arguments.extend(["--skip", test]);
    }
    arguments
}
