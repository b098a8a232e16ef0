//! The libraries as they are released.

use std::path::PathBuf;

use anyhow::Result;

use crate::workspace::Workspace;

/// A package that a library for other languages is made of.
pub struct Library {
    package: &'static str,
    kinds: &'static str,
}

/// `librtlheap`, shared and static.
pub const HEAP: Library = Library {
    package: "rtl-heap-c",
    kinds: "cdylib,staticlib",
};

/// `librtlheap_malloc`, which is only ever preloaded.
pub const MALLOC: Library = Library {
    package: "rtl-heap-malloc",
    kinds: "cdylib",
};

/// Builds libraries in release mode and returns the directory that they are in.
///
/// `cargo build` makes each together with an `rlib` and does not optimise any of them as a whole then: calls between
/// our crates go through the table that is there for other libraries' functions. So they are built alone, and apart,
/// since another build in the same place would put its own there again.
pub fn build(workspace: &Workspace, libraries: &[Library]) -> Result<PathBuf> {
    let built = workspace.native_target_dir().join("libraries");
    for library in libraries {
        workspace
            .cargo()
            .args(["rustc", "--quiet", "--release", "--lib"])
            .args(["-p", library.package, "--crate-type", library.kinds])
            .arg("--target-dir")
            .arg(&built)
            .run()?;
    }
    Ok(built.join("release"))
}
