//! The allocators we are measured against, as the shared libraries their projects would install.
//!
//! Their sources come from crates.io, pinned by `benches/peers`, and are compiled here with the
//! optimisations and the thread-local storage model of a release build; jemalloc is Debian's. None
//! of their code is part of this project.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::workspace::Workspace;

/// A peer that is compiled from a crate's sources.
struct Source {
    /// Its name in tables.
    name: &'static str,
    /// The crate that carries the sources.
    package: &'static str,
    compiler: &'static str,
    /// The file to compile, below the crate's folder; it includes all others.
    file: &'static str,
    /// Folders to include from, below the crate's folder.
    include: &'static [&'static str],
    /// What its own build would say besides the flags all have.
    flags: &'static [&'static str],
}

const MIMALLOC_FLAGS: &[&str] = &[
    "-DMI_MALLOC_OVERRIDE",
    "-DMI_SHARED_LIB",
    "-DMI_SHARED_LIB_EXPORT",
    "-DMI_BUILD_RELEASE",
    "-DMI_DEBUG=0",
];

const SOURCES: &[Source] = &[
    Source {
        name: "mimalloc-v3",
        package: "libmimalloc-sys",
        compiler: "gcc",
        file: "c_src/mimalloc/v3/src/static.c",
        include: &["c_src/mimalloc/v3/include", "c_src/mimalloc/v3/src"],
        flags: MIMALLOC_FLAGS,
    },
    Source {
        name: "mimalloc-v2",
        package: "libmimalloc-sys",
        compiler: "gcc",
        file: "c_src/mimalloc/v2/src/static.c",
        include: &["c_src/mimalloc/v2/include", "c_src/mimalloc/v2/src"],
        flags: MIMALLOC_FLAGS,
    },
    Source {
        name: "snmalloc",
        package: "snmalloc-sys",
        compiler: "g++",
        file: "upstream/src/snmalloc/override/malloc.cc",
        include: &["upstream/src"],
        flags: &[
            "-std=c++20",
            "-mcx16",
            "-fno-exceptions",
            "-fno-rtti",
            "-fvisibility=default",
            "-DSNMALLOC_USE_WAIT_ON_ADDRESS=1",
        ],
    },
    Source {
        name: "rpmalloc",
        package: "rpmalloc-sys",
        compiler: "gcc",
        file: "rpmalloc/rpmalloc/rpmalloc.c",
        include: &[],
        flags: &["-D_GNU_SOURCE", "-DENABLE_PRELOAD=1", "-DENABLE_OVERRIDE=1"],
    },
];

/// For all: a release build for a shared library whose names are bound inside it, with the fastest
/// thread-local storage.
const FLAGS: &[&str] = &[
    "-O3",
    "-DNDEBUG",
    "-w",
    "-fPIC",
    "-shared",
    "-fvisibility=hidden",
    "-ftls-model=initial-exec",
    "-fno-builtin-malloc",
    "-Wl,-Bsymbolic",
    "-pthread",
    "-ldl",
];

/// Where Debian's libjemalloc2 puts it.
const JEMALLOC: &str = "/usr/lib/x86_64-linux-gnu/libjemalloc.so.2";

/// A peer, ready to be opened or preloaded.
pub struct Peer {
    /// Its name in tables.
    pub name: &'static str,
    /// The shared library.
    pub library: PathBuf,
}

/// All peers, built where they are not yet.
pub fn build(workspace: &Workspace) -> Result<Vec<Peer>> {
    let folder = workspace.cache.join("peers");
    fs::create_dir_all(&folder)?;
    let packages = packages(workspace)?;
    let mut peers = Vec::new();
    for source in SOURCES {
        let package = packages
            .iter()
            .find(|(name, ..)| name == source.package)
            .with_context(|| format!("{} is not in benches/peers", source.package))?;
        let library = compile(workspace, &folder, source, package)?;
        peers.push(Peer {
            name: source.name,
            library,
        });
    }
    if Path::new(JEMALLOC).exists() {
        peers.push(Peer {
            name: "jemalloc",
            library: JEMALLOC.into(),
        });
    } else {
        println!("jemalloc takes no part: libjemalloc2 is not installed (cargo xtask setup)");
    }
    Ok(peers)
}

/// Name, version and folder of the crates that `benches/peers` asks for, fetched if need be.
fn packages(workspace: &Workspace) -> Result<Vec<(String, String, PathBuf)>> {
    let manifest = workspace.root.join("benches/peers/Cargo.toml");
    let metadata = workspace
        .cargo()
        .args([
            "metadata",
            "--locked",
            "--format-version=1",
            "--manifest-path",
        ])
        .arg(manifest)
        .quiet()
        .read()
        .context("fetching the peers' sources")?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    let packages = metadata["packages"].as_array().context("no packages")?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let described = packages.iter().map(|package| {
        let manifest = PathBuf::from(text(&package["manifest_path"]));
        let folder = manifest.parent().map(Path::to_owned).unwrap_or_default();
        (text(&package["name"]), text(&package["version"]), folder)
    });
    Ok(described.collect())
}

fn compile(
    workspace: &Workspace,
    folder: &Path,
    source: &Source,
    (_, version, crate_folder): &(String, String, PathBuf),
) -> Result<PathBuf> {
    let library = folder.join(format!("lib{}-{version}.so", source.name));
    // The command that made a library lies beside it, so that a change of flags builds it anew.
    let recipe_file = library.with_extension("recipe");
    let recipe = format!(
        "{} {} {FLAGS:?} {:?}",
        source.compiler, source.file, source.flags
    );
    let is_made =
        library.exists() && fs::read_to_string(&recipe_file).is_ok_and(|old| old == recipe);
    if is_made {
        return Ok(library);
    }
    println!("building {} {version}", source.name);
    let include = source.include.iter().map(|folder| {
        let folder = crate_folder.join(folder);
        format!("-I{}", folder.display())
    });
    workspace
        .command(source.compiler)
        .args(FLAGS)
        .args(source.flags)
        .args(include)
        .arg(crate_folder.join(source.file))
        .arg("-o")
        .arg(&library)
        .quiet()
        .run()
        .with_context(|| format!("building {}", source.name))?;
    ensure!(library.exists(), "{} was not built", source.name);
    fs::write(recipe_file, recipe)?;
    Ok(library)
}
