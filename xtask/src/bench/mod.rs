//! `cargo xtask bench`: builds the peers and our libraries, then runs the measuring programs.
//!
//! This is no gate: a time proves nothing about the next machine. What counts as met is printed and
//! written to `target/bench`; [`crate::gates`] has the gate that compares instruction counts.

mod peers;
mod wine_rows;

use std::path::Path;

use anyhow::{Result, bail};

use self::wine_rows::WineRows;
use crate::gates;
use crate::libraries;
use crate::workspace::Workspace;

/// What the command line asks for.
pub struct Wishes {
    /// Only these parts.
    pub parts: Vec<String>,
    /// Fewer and shorter rounds.
    pub quick: bool,
    /// Only rows whose ids contain one of these.
    pub only: Vec<String>,
    /// Only peers whose names contain one of these.
    pub peers: Vec<String>,
}

/// The measuring programs, in the order in which they run.
const PARTS: &[&str] = &[
    "micro", "backend", "scaling", "memory", "looking", "programs",
];

/// glibc reserves little room for libraries that are opened later and want the fastest kind of
/// thread-local storage; jemalloc alone needs more.
const ROOM_FOR_TLS: (&str, &str) = ("GLIBC_TUNABLES", "glibc.rtld.optional_static_tls=16384");

/// Runs all of it, or the parts that are wanted.
pub fn run(workspace: &Workspace, wishes: &Wishes) -> Result<()> {
    if let Some(unknown) = wishes
        .parts
        .iter()
        .find(|part| !PARTS.contains(&part.as_str()))
    {
        bail!(
            "no part is called `{unknown}`; there are: {}",
            PARTS.join(", ")
        );
    }
    let peers = peers::build(workspace)?;
    let ours = libraries::build(workspace, &[libraries::HEAP, libraries::MALLOC])?;
    workspace
        .cargo()
        .args(["build", "--quiet", "--release", "-p", "rtl-heap-benches"])
        .run()?;
    let is_wanted =
        |part: &str| wishes.parts.is_empty() || wishes.parts.iter().any(|wanted| wanted == part);
    for part in PARTS.iter().filter(|part| is_wanted(part)) {
        println!("\n=== {part}");
        measure(workspace, &ours, part, &peers, wishes)?;
    }
    Ok(())
}

/// Prints what peers take, in instructions, for the operations of the table of instructions.
pub fn instructions_beside(workspace: &Workspace, names: &[String]) -> Result<()> {
    let peers = peers::build(workspace)?;
    for name in names {
        gates::instructions::program(workspace)?
            .env("RTLHEAP_PEERS", listed(&peers))
            .env(ROOM_FOR_TLS.0, ROOM_FOR_TLS.1)
            .args(["--beside", name])
            .run()?;
    }
    Ok(())
}

/// `NAME=FILE` of each peer, as the programs of `benches` want them.
fn listed(peers: &[peers::Peer]) -> String {
    let named: Vec<_> = peers
        .iter()
        .map(|peer| format!("{}={}", peer.name, peer.library.display()))
        .collect();
    named.join(":")
}

fn measure(
    workspace: &Workspace,
    ours: &Path,
    part: &str,
    peers: &[peers::Peer],
    wishes: &Wishes,
) -> Result<()> {
    let quick = wishes.quick.then_some("--quick");
    let only = wishes.only.iter().flat_map(|row| ["--only", row]);
    let chosen = wishes.peers.iter().flat_map(|peer| ["--peer", peer]);
    let wants_wine = part == "micro"
        && (wishes.peers.is_empty()
            || wishes
                .peers
                .iter()
                .any(|peer| "wine".contains(peer.as_str())));
    let wine = if wants_wine {
        WineRows::build(workspace)?
    } else {
        None
    };
    let mut command = workspace.command(workspace.native_target_dir().join("release").join(part));
    for (name, value) in wine.iter().flat_map(WineRows::environment) {
        command = command.env(name, value);
    }
    command
        .env("RTLHEAP_PEERS", listed(peers))
        .env("RTLHEAP_LIBRARY", ours.join("librtlheap.so"))
        .env("RTLHEAP_MALLOC", ours.join("librtlheap_malloc.so"))
        .env(ROOM_FOR_TLS.0, ROOM_FOR_TLS.1)
        .args(quick)
        .args(only)
        .args(chosen)
        .quiet()
        .run()?;
    Ok(())
}
