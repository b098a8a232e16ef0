//! Inside the core a module uses only modules of its own layer or below.

use super::Finding;
use super::source::Source;

/// The core's source.
const CORE: &str = "crates/rtl-heap/src";

/// The layers of the core from top to bottom. A name is a file or folder of [`CORE`]; names in one
/// line may use each other. A module that stands nowhere here is a finding: decide where it
/// belongs.
const LAYERS: &[&[&str]] = &[
    &["lib"],
    &["face"],
    &["fork", "movable", "nt"],
    &["verify"],
    &["inspect"],
    &["ops"],
    &["frontend"],
    &["lifecycle"],
    &["backend"],
    &["alone"],
    &["heap"],
    &[
        "buckets",
        "free_index",
        "kept_large",
        "lane",
        "lookaside",
        "parked_middle",
        "slab",
        "tags",
    ],
    &["caller_memory"],
    &["regions"],
    &["region"],
    &["starts"],
    &["kept"],
    &["block_traces"],
    &["stack_database"],
    &["bits", "metadata", "belonging", "side", "slab_map"],
    &["global_flags"],
    &[
        "biased_lock",
        "fork_lock",
        "heap_lock",
        "host",
        "raw_lock",
        "sync",
        "system_vm",
    ],
    &["hooks", "report"],
    &["failure"],
    &["entry"],
    &["layout", "params", "pattern"],
    &["flags", "limits", "status", "units"],
];

/// Names at the crate's root that are no module of the source: macros and the like.
const NOT_A_MODULE: &[&str] = &["self"];

/// The upward edges of one file of the core.
pub fn check(source: &Source) -> Vec<Finding> {
    let Ok(within) = source.file.strip_prefix(CORE) else {
        return Vec::new();
    };
    let first = within
        .iter()
        .next()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let module = first.strip_suffix(".rs").unwrap_or(&first);
    let Some(own) = layer_of(module) else {
        let message = format!(
            "`{module}` has no place in the list of layers (xtask/src/gates/tidy/layers.rs)"
        );
        return vec![Finding::new(&source.file, 0, message)];
    };
    let mut findings = Vec::new();
    for (line, name) in root_names(source) {
        match layer_of(&name) {
            Some(used) if used < own => {
                let message = format!("`{module}` uses `crate::{name}`, a layer above it");
                findings.push(Finding::new(&source.file, line, message));
            }
            None if !NOT_A_MODULE.contains(&name.as_str()) && starts_lowercase(&name) => {
                let message = format!("`crate::{name}` has no place in the list of layers");
                findings.push(Finding::new(&source.file, line, message));
            }
            _ => {}
        }
    }
    findings
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// A module or function; a type re-exported at the root says nothing about layers.
fn starts_lowercase(name: &str) -> bool {
    name.starts_with(|first: char| first.is_lowercase())
}

/// What follows `crate::` in shipped code, each name with its line, through the braces of a `use`
/// list.
fn root_names(source: &Source) -> Vec<(usize, String)> {
    let mut names = Vec::new();
    let text: String = source
        .shipped()
        .flat_map(|(_, line)| [line, "\n"])
        .collect();
    for (start, _) in text.match_indices("crate::") {
        if text[..start].ends_with('$') {
            continue;
        }
        let rest = &text[start + "crate::".len()..];
        for (offset, name) in names_at_root(rest) {
            let line = text[..start + "crate::".len() + offset]
                .matches('\n')
                .count()
                + 1;
            names.push((line, name));
        }
    }
    names
}

/// The names directly below the root in `a::b…` or `{a::b, c::{d, e}, f}`, with their offsets.
fn names_at_root(rest: &str) -> Vec<(usize, String)> {
    let word = |from: usize| -> String {
        rest[from..]
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect()
    };
    if !rest.starts_with('{') {
        return vec![(0, word(0))];
    }
    let (mut depth, mut expects_name, mut names) = (0, false, Vec::new());
    for (at, character) in rest.char_indices() {
        match character {
            '{' => (depth, expects_name) = (depth + 1, depth == 0),
            '}' => depth -= 1,
            ',' => expects_name = depth == 1,
            _ if character.is_whitespace() => {}
            _ if expects_name => {
                names.push((at, word(at)));
                expects_name = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(file: &str, text: &str) -> Vec<String> {
        let source = Source::new(format!("{CORE}/{file}").into(), text.to_owned());
        check(&source).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_upward_edge_is_found() {
        let found = findings("backend/split.rs", "use crate::ops::allocate;\n");
        assert_eq!(found.len(), 1);
        assert!(
            found[0].contains("split.rs:1: `backend` uses `crate::ops`"),
            "{found:?}"
        );
    }

    #[test]
    fn a_list_is_read_name_by_name() {
        let text = "use crate::{\n    entry::Entry,\n    units::{Bytes, Pages},\n    ops,\n};\n";
        let found = findings("regions.rs", text);
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("regions.rs:4"), "{found:?}");
    }

    #[test]
    fn downward_sideways_and_tests_are_fine() {
        assert!(
            findings(
                "backend/mod.rs",
                "use crate::backend::split; use crate::entry;"
            )
            .is_empty()
        );
        let in_tests = "#[cfg(test)]\nmod tests {\n    use crate::ops;\n}\n";
        assert!(findings("units.rs", in_tests).is_empty());
    }

    #[test]
    fn a_module_without_a_layer_is_found() {
        assert_eq!(findings("helpers.rs", "").len(), 1);
    }
}
