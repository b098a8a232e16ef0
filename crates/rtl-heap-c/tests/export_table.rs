//! The built library exports each function under the names it should have, and nothing else.

use std::collections::BTreeSet;
use std::env;
use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::fs;

use object::Object;
use object::read::NameOrOrdinal;

/// What the dynamic library that cargo built for this test exports.
fn exported_symbols() -> BTreeSet<String> {
    let test = env::current_exe().expect("a running program has a path");
    let folder = test.parent().expect("which lies in a folder");
    let library = folder.join(format!("{DLL_PREFIX}rtlheap{DLL_SUFFIX}"));
    let bytes = fs::read(&library).unwrap_or_else(|error| panic!("{library:?}: {error}"));
    let file = object::File::parse(&*bytes).expect("a library of this system");
    let exports = file.exports().expect("a readable export table");
    exports
        .map(|export| match export.expect("a readable export").name() {
            NameOrOrdinal::Name(name) => String::from_utf8_lossy(name).into_owned(),
            NameOrOrdinal::Ordinal(ordinal) => format!("number {ordinal:?}"),
        })
        .map(|name| match file.format() {
            object::BinaryFormat::MachO => name.trim_start_matches('_').to_owned(),
            _ => name,
        })
        .collect()
}

#[test]
fn every_function_is_there_under_its_prefixed_name_and_its_nt_name_as_the_feature_says() {
    let symbols = exported_symbols();
    for export in rtlheap::exports() {
        if export.has_nt_name {
            assert!(
                symbols.contains(&format!("rtlheap_{}", export.name)),
                "{}",
                export.name
            );
            let expected = cfg!(feature = "nt-names");
            assert_eq!(
                symbols.contains(export.name),
                expected,
                "NT name {}",
                export.name
            );
        } else {
            assert!(symbols.contains(export.name), "{}", export.name);
        }
    }
}

#[test]
fn nothing_else_is_exported() {
    let mut expected = BTreeSet::new();
    for export in rtlheap::exports() {
        if export.has_nt_name {
            expected.insert(format!("rtlheap_{}", export.name));
        }
        if !export.has_nt_name || cfg!(feature = "nt-names") {
            expected.insert(export.name.to_owned());
        }
    }
    let surplus: Vec<_> = exported_symbols().difference(&expected).cloned().collect();
    assert!(surplus.is_empty(), "{surplus:?}");
}
