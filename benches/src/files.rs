//! Where results are written, and what has to be known about the machine besides.

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

/// How many processes wanted to run, on average over the last minutes: how busy the machine was.
/// Only Linux tells; elsewhere a question mark.
pub fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let averages: Vec<&str> = text.split_whitespace().take(3).collect();
    match averages[..] {
        [one, five, fifteen] => {
            format!("{one} (1 min), {five} (5 min), {fifteen} (15 min)")
        }
        _ => "?".to_owned(),
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
