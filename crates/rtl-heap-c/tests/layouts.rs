//! Every structure of the headers has the size and the offsets that the library pins for it
//! (`pin_layout!`), for 32 bit and 64 bit, as a C compiler sees it; and none is forgotten.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

const HEADERS: [&str; 4] = [
    "heapapi.h",
    "rtlheap.h",
    "rtlheap/memory.h",
    "rtlheap/types.h",
];

/// What the library pins under names of its own: structures that have none in C.
const NAMELESS: [(&str, &str, &str); 5] = [
    ("RTL_HEAP_WALK_BLOCK", "RTL_HEAP_WALK_ENTRY", "u.Block"),
    ("RTL_HEAP_WALK_SEGMENT", "RTL_HEAP_WALK_ENTRY", "u.Segment"),
    ("PROCESS_HEAP_ENTRY_BLOCK", "PROCESS_HEAP_ENTRY", "Block"),
    ("PROCESS_HEAP_ENTRY_REGION", "PROCESS_HEAP_ENTRY", "Region"),
    ("RTL_HEAP_ENTRY_REGION", "RTL_HEAP_ENTRY", "u.Region"),
];
/// Of this a program is told the size only.
const OPAQUE: &str = "ERESOURCE";
/// Structures of this library's own have a tag that begins so, which is their name.
const OWN: &str = "rtlheap_";
/// In C a structure's union, where the library has one member.
const UNION: &str = "u";

/// A pinned structure: sizes and offsets for 32 bit and 64 bit.
#[derive(Debug, Default)]
struct Pin {
    size: [usize; 2],
    members: BTreeMap<String, [usize; 2]>,
}

fn pair(text: &str) -> [usize; 2] {
    let (narrow, wide) = text.split_once('/').expect("two numbers");
    [narrow, wide].map(|number| number.trim().parse().expect("a number"))
}

/// Every `pin_layout!` of the library's source.
fn pins() -> BTreeMap<String, Pin> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut pins = BTreeMap::new();
    for entry in fs::read_dir(source).expect("the source") {
        let text = fs::read_to_string(entry.expect("an entry").path()).expect("text");
        for invocation in text.split("pin_layout!(").skip(1) {
            let (list, _) = invocation.split_once(");").expect("its end");
            let mut parts = list
                .split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty());
            let name = parts.next().expect("a name").to_owned();
            let mut pin = Pin {
                size: pair(parts.next().expect("sizes")),
                ..Pin::default()
            };
            for part in parts {
                let (member, offsets) = part.split_once('=').expect("a member's offsets");
                pin.members.insert(member.trim().to_owned(), pair(offsets));
            }
            let earlier = pins.insert(name.clone(), pin);
            assert!(earlier.is_none(), "{name} is pinned twice");
        }
    }
    pins
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

/// Each structure of the headers by the name it is pinned under, and its members' names. Members of
/// unions inside it are not among them, but the union's.
fn declared() -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    for header in HEADERS {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("include")
            .join(header);
        let text = without_comments(&fs::read_to_string(path).expect("a header"));
        for rest in text.split("typedef struct ").skip(1) {
            let (body, name) = body_and_name(rest);
            let members = if name == OPAQUE {
                Vec::new()
            } else {
                members(body)
            };
            found.insert(name, members);
        }
    }
    found
}

/// What stands between the outer braces, and the structure's name: its tag, or the first word behind
/// them.
fn body_and_name(text: &str) -> (&str, String) {
    let start = text.find('{').expect("a body") + 1;
    let end = start + closing(&text[start..]);
    let behind = text[end + 1..].trim_start();
    let name = behind.split([',', ';', ' ']).next().expect("a name");
    let tag = text[..start - 1].trim();
    let name = if tag.starts_with(OWN) { tag } else { name };
    (&text[start..end], name.to_owned())
}

/// Where the brace closes that was open before `text`.
fn closing(text: &str) -> usize {
    let mut depth = 1;
    for (at, c) in text.char_indices() {
        depth += match c {
            '{' => 1,
            '}' => -1,
            _ => 0,
        };
        if depth == 0 {
            return at;
        }
    }
    panic!("a brace that does not close");
}

fn members(body: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = body.trim_start();
    while !rest.is_empty() {
        let end = rest.find(';').expect("a declaration ends");
        if rest.starts_with("union") {
            let start = rest.find('{').expect("a body") + 1;
            let close = start + closing(&rest[start..]);
            let end = close + rest[close..].find(';').expect("its end");
            names.push(UNION.to_owned());
            rest = rest[end + 1..].trim_start();
            continue;
        }
        let declaration = &rest[..end];
        // `R (*name)(...)`, or `T name` and `T *name[n]`.
        let name = match declaration.split_once("(*") {
            Some((_, pointer)) => pointer.split(')').next().expect("a name"),
            None => {
                let plain = declaration.split('[').next().expect("a declaration");
                let words = plain.rsplit([' ', '*', '\n']);
                words.into_iter().next().expect("a name")
            }
        };
        names.push(name.to_owned());
        rest = rest[end + 1..].trim_start();
    }
    names
}

#[test]
fn every_structure_of_the_headers_is_pinned_with_all_its_members() {
    let pins = pins();
    let declared = declared();
    assert!(declared.len() > 25, "the headers were read: {declared:?}");
    for (name, members) in &declared {
        let pin = pins
            .get(name)
            .unwrap_or_else(|| panic!("{name} is not pinned"));
        let pinned: Vec<_> = pin.members.keys().collect();
        for member in members {
            assert!(
                pin.members.contains_key(member),
                "{name}.{member} is not among {pinned:?}"
            );
        }
        assert_eq!(
            pin.members.len(),
            members.len(),
            "{name}: {pinned:?}, {members:?}"
        );
    }
    for name in pins.keys() {
        let nameless = NAMELESS.iter().any(|(own, ..)| own == name);
        assert!(
            declared.contains_key(name) || nameless,
            "{name} is in no header"
        );
    }
}

/// A program that does not compile unless everything is as pinned.
fn program(width: usize) -> String {
    let mut text = "#include <stddef.h>\n#include \"rtlheap.h\"\n".to_owned();
    let mut claim = |left: String, right: usize| {
        writeln!(text, "_Static_assert({left} == {right}, \"{left}\");").expect("a string grows");
    };
    let nameless: BTreeMap<_, _> = NAMELESS
        .map(|(own, outer, path)| (own, (outer, path)))
        .into();
    for (name, pin) in pins() {
        let Some((outer, path)) = nameless.get(name.as_str()) else {
            let structure = if name.starts_with(OWN) {
                format!("struct {name}")
            } else {
                name.clone()
            };
            claim(format!("sizeof({structure})"), pin.size[width]);
            for (member, offsets) in pin.members {
                let has_no_name = name == "PROCESS_HEAP_ENTRY" && member == UNION;
                let member = if has_no_name { "Region" } else { &member };
                claim(format!("offsetof({structure}, {member})"), offsets[width]);
            }
            continue;
        };
        claim(format!("sizeof((({outer} *)0)->{path})"), pin.size[width]);
        for (member, offsets) in pin.members {
            let inner = format!("offsetof({outer}, {path}.{member}) - offsetof({outer}, {path})");
            claim(inner, offsets[width]);
        }
    }
    text
}

fn compile(width: usize, options: &[&str]) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let source = folder.join(format!("layouts-{width}-{}.c", options.concat()));
    fs::write(&source, program(width)).expect("cargo's folder is writable");
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let output = Command::new(compiler)
        .args(["-std=c11", "-fsyntax-only", "-I"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("include"))
        .args(options)
        .arg(source)
        .output()
        .expect("a C compiler");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{options:?}: {errors}");
}

#[test]
fn a_c_compiler_sees_the_same_sizes_and_offsets() {
    let options: &[&str] = if cfg!(target_arch = "x86") {
        &["-m32"]
    } else {
        &[]
    };
    compile(usize::from(size_of::<usize>() == 8), options);
}

/// The compiler's own headers are all that is needed, so no other system's have to be installed.
#[cfg(target_arch = "x86_64")]
#[test]
fn a_c_compiler_for_32_bit_sees_the_same_sizes_and_offsets() {
    compile(0, &["-m32", "-ffreestanding"]);
}
