//! Finds the program, and says beforehand what would keep it off the heap.
//!
//! The loader ignores a preloaded library without a word where it may not or cannot load it. The
//! program would run, on its own heap, and nobody would know.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::image::{Image, Kind};
use super::launch;
use super::library::Library;
use super::problem::Problem;

/// Interpreters of interpreters that a kernel follows.
const SCRIPT_DEPTH: usize = 4;

/// Bytes of a script's first line that a kernel reads.
const FIRST_LINE: u64 = 256;

/// Where the program is, by the rules of a shell: with a slash a path, without one in `PATH`.
///
/// # Errors
///
/// [`Problem::NotFound`], or [`Problem::NotExecutable`] when something of that name is there.
pub fn find(name: &OsStr) -> Result<PathBuf, Problem> {
    let not_found = || Problem::NotFound {
        name: name.to_owned(),
    };
    if name.is_empty() {
        return Err(not_found());
    }
    let path = Path::new(name);
    if path.components().count() > 1 || path.is_absolute() || name == "." || name == ".." {
        return match obstacle(path) {
            None => Ok(path.to_owned()),
            Some(_) if !path.exists() => Err(not_found()),
            Some(because) => Err(Problem::NotExecutable {
                path: path.to_owned(),
                because,
            }),
        };
    }
    let mut seen = None;
    for folder in std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()) {
        let candidate = folder.join(path);
        match obstacle(&candidate) {
            None => return Ok(candidate),
            Some(because) if candidate.exists() => seen = seen.or(Some((candidate, because))),
            Some(_) => {}
        }
    }
    match seen {
        Some((path, because)) => Err(Problem::NotExecutable { path, because }),
        None => Err(not_found()),
    }
}

/// What keeps the file from being executed at all.
fn obstacle(path: &Path) -> Option<String> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) => return Some(format!("cannot be looked at: {error}")),
    };
    if metadata.is_dir() {
        return Some("is a directory, and no program".to_owned());
    }
    (!launch::is_executable(path)).then(|| {
        "is not executable.\n  `chmod +x` it if it is a program; if it is a script, run its \
         interpreter."
            .to_owned()
    })
}

/// Whether the program will take the library.
///
/// # Errors
///
/// [`Problem::CannotPreload`] with the reason, or [`Problem::NotExecutable`] when it is no program
/// of this system.
pub fn check(path: &Path, library: &Library) -> Result<(), Problem> {
    let mut path = path.to_owned();
    for _ in 0..=SCRIPT_DEPTH {
        if let Some((because, instead)) = launch::privilege(&path) {
            return Err(Problem::CannotPreload {
                path,
                because,
                instead,
            });
        }
        match interpreter(&path)? {
            Some(next) => path = next,
            None => return check_image(&path, library),
        }
    }
    Err(Problem::NotExecutable {
        path,
        because: "is a script run by scripts without end".into(),
    })
}

/// The program that a script's first line names; `None` for what is no script.
fn interpreter(path: &Path) -> Result<Option<PathBuf>, Problem> {
    let mut first = Vec::new();
    let opened =
        fs::File::open(path).and_then(|file| file.take(FIRST_LINE).read_to_end(&mut first));
    if opened.is_err() {
        // A program may be executable and not readable; the system will have to judge it.
        return Ok(None);
    }
    let Some(line) = first.strip_prefix(b"#!") else {
        return Ok(None);
    };
    let line = String::from_utf8_lossy(line.split(|byte| *byte == b'\n').next().unwrap_or(line));
    let Some(name) = line.split_whitespace().next() else {
        return Ok(None);
    };
    let name = OsString::from(name);
    match obstacle(Path::new(&name)) {
        None => Ok(Some(PathBuf::from(name))),
        Some(_) => Err(Problem::NotExecutable {
            path: path.to_owned(),
            because: format!(
                "is a script for {}, which is missing or not executable.\n  Install it, or correct \
                 the script's first line.",
                name.display()
            ),
        }),
    }
}

fn check_image(path: &Path, library: &Library) -> Result<(), Problem> {
    let cannot = |because: String, instead: &str| {
        Err(Problem::CannotPreload {
            path: path.to_owned(),
            because,
            instead: instead.to_owned(),
        })
    };
    let image = match Image::read(path) {
        Ok(image) => image,
        Err(_) if fs::File::open(path).is_err() => return Ok(()),
        Err(error) => {
            return Err(Problem::NotExecutable {
                path: path.to_owned(),
                because: format!(
                    "is no program of this system: {error}.\n  If it is a script, give it a first \
                     line like #!/bin/sh, or run its interpreter."
                ),
            });
        }
    };
    let own = library.image();
    if !image.runs_on(own) {
        return cannot(
            format!(
                "is a program for {}, and this ntheap is for {}",
                image.machines(),
                own.machines()
            ),
            "Build ntheap for that machine: cargo build --release -p ntheap --target TARGET.",
        );
    }
    match image.kind() {
        Kind::Static => cannot(
            "is statically linked: it carries its own malloc, and no loader runs that could put \
             another before it"
                .to_owned(),
            "Use a dynamically linked build of it, or link it with librtlheap.a.",
        ),
        Kind::Library => cannot(
            "is a shared library, and no program".to_owned(),
            "Give the program that uses it.",
        ),
        Kind::Dynamic { loader } => match other_c_library(loader.as_deref()) {
            Some((theirs, ours)) => cannot(
                format!("is linked with {theirs}, and this ntheap with {ours}"),
                "Build ntheap for that C library: cargo build --release -p ntheap --target TARGET.",
            ),
            None => Ok(()),
        },
    }
}

/// The names of the program's C library and of ours, where they differ.
fn other_c_library(loader: Option<&str>) -> Option<(&'static str, &'static str)> {
    let theirs = loader?.contains("musl");
    let ours = env!("NTHEAP_TARGET").contains("musl");
    let name = |musl| if musl { "musl" } else { "the GNU C library" };
    (theirs != ours).then(|| (name(theirs), name(ours)))
}
