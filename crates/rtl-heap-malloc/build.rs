//! Says how the library takes over `malloc` on the target, and how the shared object is linked.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(takeover, values(\"elf\", \"dyld\", \"none\"))");

    let vendor = env::var("CARGO_CFG_TARGET_VENDOR").unwrap_or_default();
    let family = env::var("CARGO_CFG_TARGET_FAMILY").unwrap_or_default();
    let takeover = match (vendor.as_str(), family.as_str()) {
        ("apple", _) => "dyld",
        (_, "unix") => "elf",
        _ => "none",
    };
    println!("cargo::rustc-cfg=takeover=\"{takeover}\"");
    if takeover == "elf" {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,librtlheap_malloc.so");
        // Blocks outlive every `dlclose`, and so must the code that frees them.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }

    // Read by the build script of `ntheap` as DEP_RTLHEAP_MALLOC_MANIFEST.
    println!(
        "cargo::metadata=manifest={}/Cargo.toml",
        env::var("CARGO_MANIFEST_DIR").unwrap()
    );
}
