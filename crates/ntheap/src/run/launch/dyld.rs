//! macOS: `DYLD_INSERT_LIBRARIES`, which the system strips from programs it protects.

use std::path::Path;

/// The variable that names what is preloaded.
pub const VARIABLE: &str = "DYLD_INSERT_LIBRARIES";

/// The name of the library's file.
pub const LIBRARY_FILE: &str = "librtlheap_malloc.dylib";

/// The folders under System Integrity Protection, and the one among them that is not.
const PROTECTED: [&str; 4] = ["/bin", "/sbin", "/usr", "/System"];
const UNPROTECTED: &str = "/usr/local";

/// Why the system would strip the variable, and what to do instead.
pub fn privilege(path: &Path) -> Option<(String, String)> {
    let whole = std::fs::canonicalize(path).ok()?;
    let protected = PROTECTED.iter().any(|folder| whole.starts_with(folder));
    (protected && !whole.starts_with(UNPROTECTED)).then(|| {
        (
            "is under System Integrity Protection: the system lets no library be inserted into it"
                .to_owned(),
            "Use a build of it from elsewhere (Homebrew, for example), or run a copy of it that \
             you have signed yourself: codesign --force --sign - COPY."
                .to_owned(),
        )
    })
}
