//! Where results are written.

use std::env;
use std::fs;
use std::path::PathBuf;

/// Writes `target/bench/NAME` and says so; a failure is said as well, and is no reason to lose
/// what was printed.
pub fn write(name: &str, text: &str) {
    let folder = folder();
    let path = folder.join(name);
    match fs::create_dir_all(&folder).and_then(|()| fs::write(&path, text)) {
        Ok(()) => println!("written: {}", path.display()),
        Err(error) => println!("cannot write {}: {error}", path.display()),
    }
}

/// `bench` in the target folder, which is above the profile's that the program lies in.
pub fn folder() -> PathBuf {
    let program = env::current_exe().unwrap_or_default();
    let release = program
        .ancestors()
        .find(|folder| folder.ends_with("release"));
    let target = release.and_then(|folder| folder.parent());
    target
        .map_or_else(env::temp_dir, PathBuf::from)
        .join("bench")
}
