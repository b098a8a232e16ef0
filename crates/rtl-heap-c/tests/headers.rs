//! The headers declare what the library exports, with the same types: neither drifts.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Name to (has an NT name, result, parameters), types in Rust's spelling.
type Signatures = BTreeMap<String, (bool, String, Vec<String>)>;

/// The headers that declare functions.
const HEADERS: [&str; 3] = ["heapapi.h", "rtlheap.h", "rtlheap/memory.h"];

fn header(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("include")
        .join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    without_comments(&text)
}

fn without_comments(text: &str) -> String {
    let mut rest = text;
    let mut kept = String::new();
    while let Some((before, comment)) = rest.split_once("/*") {
        kept.push_str(before);
        rest = comment.split_once("*/").expect("a comment ends").1;
    }
    kept + rest
}

/// `const T *` to `*const T`, `T *` to `*mut T`, `void` to `c_void`.
fn rust_type(c_type: &str) -> String {
    let spaced = c_type.replace('*', " * ");
    let mut words: Vec<&str> = spaced.split_whitespace().collect();
    let mut result = String::new();
    while words.last() == Some(&"*") {
        words.pop();
        let constant = result.is_empty() && words.first() == Some(&"const");
        result.insert_str(0, if constant { "*const " } else { "*mut " });
        if constant {
            words.remove(0);
        }
    }
    assert_eq!(words.len(), 1, "a type this test can read: {c_type}");
    result
        + if words[0] == "void" {
            "c_void"
        } else {
            words[0]
        }
}

/// `PVOID *ProcessHeaps` to the type of the parameter.
fn parameter_type(declaration: &str) -> String {
    let declaration = declaration.trim();
    let name = declaration
        .rfind(|c: char| !c.is_alphanumeric() && c != '_')
        .expect("two words");
    rust_type(&declaration[..=name])
}

fn parameters(list: &str) -> Vec<String> {
    match list.trim() {
        "VOID" | "void" => Vec::new(),
        list => list.split(',').map(parameter_type).collect(),
    }
}

fn declared() -> Signatures {
    let mut found = Signatures::new();
    for name in HEADERS {
        let text = header(name);
        for (has_nt_name, marker) in [(true, "\nRTLHEAP_FN("), (false, "\nRTLHEAP_API ")] {
            for rest in text.split(marker).skip(1) {
                let (declaration, _) = rest.split_once(';').expect("a declaration ends");
                let (head, list) = declaration.split_once('(').expect("a parameter list");
                let (list, _) = list.split_once(')').expect("its end");
                let separator = if has_nt_name { "," } else { " NTAPI " };
                let (result, function) = head.split_once(separator).expect("result and name");
                let function = function.trim().trim_end_matches(',').to_owned();
                let signature = (has_nt_name, rust_type(result), parameters(list));
                let earlier = found.insert(function.clone(), signature);
                assert!(earlier.is_none(), "{function} is declared twice");
            }
        }
    }
    found
}

fn exported() -> Signatures {
    rtlheap::exports()
        .map(|export| {
            let parameters = export
                .parameters
                .iter()
                .map(|ty| (*ty).to_owned())
                .collect();
            let signature = (export.has_nt_name, export.result.to_owned(), parameters);
            (export.name.to_owned(), signature)
        })
        .collect()
}

#[test]
fn headers_and_exports_are_the_same_functions_with_the_same_types() {
    let (declared, exported) = (declared(), exported());
    for (name, signature) in &declared {
        assert_eq!(
            Some(signature),
            exported.get(name),
            "{name}: declared, and exported"
        );
    }
    for name in exported.keys() {
        assert!(
            declared.contains_key(name),
            "{name} is exported and not declared"
        );
    }
    assert!(
        declared.len() > 30,
        "the headers were read: {}",
        declared.len()
    );
}

#[test]
fn every_nt_name_has_a_line_that_maps_it_to_its_prefixed_name() {
    let text = HEADERS.map(header).concat();
    let mapped: BTreeMap<&str, &str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("#define ")?.split_once(" rtlheap_"))
        .collect();
    for export in rtlheap::exports().filter(|export| export.has_nt_name) {
        assert_eq!(
            mapped.get(export.name),
            Some(&export.name),
            "{}",
            export.name
        );
    }
    let with_nt_name = rtlheap::exports()
        .filter(|export| export.has_nt_name)
        .count();
    assert_eq!(
        mapped.len(),
        with_nt_name,
        "no line for a function that is not there"
    );
}

#[test]
fn own_functions_carry_the_prefix() {
    for export in rtlheap::exports() {
        assert_eq!(
            export.name.starts_with("rtlheap_"),
            !export.has_nt_name,
            "{}",
            export.name
        );
    }
}
