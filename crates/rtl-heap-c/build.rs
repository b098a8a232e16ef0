//! How the dynamic library is linked: its name, that it stays loaded, and on Windows its NT names.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(nt_symbols)");
    let nt_names = env::var_os("CARGO_FEATURE_NT_NAMES").is_some();
    let is_windows = env::var_os("CARGO_CFG_WINDOWS").is_some();
    if nt_names && !is_windows {
        println!("cargo::rustc-cfg=nt_symbols");
    }
    if is_windows {
        if nt_names {
            add_nt_names_to_export_table();
        }
    } else if env::var("CARGO_CFG_TARGET_VENDOR").is_ok_and(|vendor| vendor == "apple") {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-install_name,@rpath/librtlheap.0.dylib");
    } else {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,librtlheap.so.0");
        // Threads run this library's code when they end, and blocks outlive whoever loaded it, so
        // dlclose must not unload it.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}

/// Exports `HeapAlloc` as another name of `rtlheap_HeapAlloc`, undecorated, for each function the
/// headers declare: by option with Microsoft's linker, by module definition file with GNU's.
fn add_nt_names_to_export_table() {
    let stdcall = env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "x86");
    let msvc = env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|env| env == "msvc");
    let mut definitions = String::from("EXPORTS\n");
    for header in [
        "include/rtlheap.h",
        "include/heapapi.h",
        "include/rtlheap/memory.h",
    ] {
        println!("cargo::rerun-if-changed={header}");
        let text = fs::read_to_string(header).expect("the header lies beside build.rs");
        for declaration in text.split("\nRTLHEAP_FN(").skip(1) {
            let (head, tail) = declaration.split_once('(').expect("a parameter list");
            let (parameters, _) = tail.split_once(')').expect("its end");
            let name = head.split(',').nth(1).expect("a name").trim();
            let count = if parameters == "VOID" {
                0
            } else {
                parameters.split(',').count()
            };
            let suffix = if stdcall {
                format!("@{}", 4 * count)
            } else {
                String::new()
            };
            if msvc {
                let underscore = if stdcall { "_" } else { "" };
                let target = format!("{underscore}rtlheap_{name}{suffix}");
                println!("cargo::rustc-cdylib-link-arg=/EXPORT:{name}={target}");
            } else {
                writeln!(definitions, "    {name} = rtlheap_{name}{suffix}").expect("it grows");
            }
        }
    }
    if !msvc {
        let out = env::var("OUT_DIR").expect("cargo sets it");
        let path = Path::new(&out).join("nt-names.def");
        fs::write(&path, definitions).expect("cargo's output folder is writable");
        println!("cargo::rustc-cdylib-link-arg={}", path.display());
    }
}
