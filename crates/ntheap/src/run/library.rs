//! The library to preload: built into this executable, and needed as a file.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::image::{Image, Kind};
use super::launch;
use super::problem::Problem;

/// The library this executable was built with.
#[cfg(embedded)]
const EMBEDDED: Option<&[u8]> = Some(include_bytes!(env!("NTHEAP_LIBRARY_FILE")));
#[cfg(not(embedded))]
const EMBEDDED: Option<&[u8]> = None;

/// A library that can be preloaded.
#[derive(Debug)]
pub struct Library {
    path: PathBuf,
    image: Image,
    /// Where it was unpacked; removed with this.
    _folder: Option<TempDir>,
}

impl Library {
    /// The given library, or the built-in one.
    ///
    /// The built-in one is unpacked into a folder of its own that goes when the program has ended,
    /// unless the very same bytes are already beside this executable.
    ///
    /// # Errors
    ///
    /// There is none, it is none, or it could not be unpacked.
    pub fn locate(given: Option<&Path>) -> Result<Library, Problem> {
        if let Some(given) = given {
            return Self::given(given);
        }
        let bytes = EMBEDDED.ok_or_else(|| {
            unusable(
                "this ntheap was built without the library.\n  Build it with \
                 `cargo build --release -p rtl-heap-malloc`, and give it with --library.",
            )
        })?;
        let image = Image::parse(bytes).map_err(unusable)?;
        if let Some(path) = beside_executable(bytes) {
            return Ok(Library {
                path,
                image,
                _folder: None,
            });
        }
        let (folder, path) = unpack(bytes).map_err(|error| Problem::System {
            doing: "unpack the library",
            error,
        })?;
        if !is_preloadable(&path) {
            return Err(unusable(format!(
                "the loader cannot be given {}, because of the separator in it.\n  Set TMPDIR to a \
                 folder whose path has neither space nor colon.",
                path.display()
            )));
        }
        Ok(Library {
            path,
            image,
            _folder: Some(folder),
        })
    }

    /// Where it is, absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it is.
    pub fn image(&self) -> &Image {
        &self.image
    }

    fn given(path: &Path) -> Result<Library, Problem> {
        let wrong = |why: String| unusable(format!("--library {}: {why}", path.display()));
        let whole = fs::canonicalize(path).map_err(|error| wrong(error.to_string()))?;
        let image = Image::read(&whole).map_err(wrong)?;
        if matches!(
            image.kind(),
            Kind::Static | Kind::Dynamic { loader: Some(_) }
        ) {
            return Err(wrong("it is a program, and no library".into()));
        }
        if !is_preloadable(&whole) {
            return Err(wrong(
                "its path has a space or a colon in it, which separates".into(),
            ));
        }
        Ok(Library {
            path: whole,
            image,
            _folder: None,
        })
    }
}

fn unusable(because: impl Into<String>) -> Problem {
    Problem::Library {
        because: because.into(),
    }
}

/// The loaders split their variable at these, and know no quoting.
fn is_preloadable(path: &Path) -> bool {
    path.is_absolute()
        && path
            .to_str()
            .is_some_and(|path| !path.contains([' ', ':', ';']))
}

/// A file with these bytes where a build or an installation would put it.
fn beside_executable(bytes: &[u8]) -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?;
    let folder = own.parent()?;
    ["", "deps", "../lib"]
        .into_iter()
        .filter_map(|place| fs::canonicalize(folder.join(place).join(launch::LIBRARY_FILE)).ok())
        .find(|path| is_preloadable(path) && fs::read(path).is_ok_and(|found| found == bytes))
}

fn unpack(bytes: &[u8]) -> io::Result<(TempDir, PathBuf)> {
    let folder = tempfile::Builder::new().prefix("ntheap-").tempdir()?;
    let path = fs::canonicalize(folder.path())?.join(launch::LIBRARY_FILE);
    fs::File::create_new(&path)?.write_all(bytes)?;
    Ok((folder, path))
}
