//! ELF systems: `LD_PRELOAD`, which the loader ignores where a program gains privileges.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The variable that names what is preloaded.
pub const VARIABLE: &str = "LD_PRELOAD";

/// The name of the library's file.
pub const LIBRARY_FILE: &str = "librtlheap_malloc.so";

const SET_USER: u32 = 0o4000;
const SET_GROUP: u32 = 0o2000;

/// What the program gains by being run, and what to do instead.
pub fn privilege(path: &Path) -> Option<(String, String)> {
    let metadata = fs::metadata(path).ok()?;
    let user = rustix::process::geteuid();
    let group = rustix::process::getegid();
    let gain = if metadata.mode() & SET_USER != 0 && metadata.uid() != user.as_raw() {
        "set-user-ID"
    } else if metadata.mode() & SET_GROUP != 0 && metadata.gid() != group.as_raw() {
        "set-group-ID"
    } else if !user.is_root() && has_capabilities(path) {
        "given capabilities"
    } else {
        return None;
    };
    Some((
        format!("is {gain}: for safety the loader preloads nothing into it"),
        "Run a copy of it without that privilege, or run ntheap as the user it would become."
            .to_owned(),
    ))
}

fn has_capabilities(path: &Path) -> bool {
    rustix::fs::getxattr(path, "security.capability", &mut [0u8; 64][..]).is_ok()
}
