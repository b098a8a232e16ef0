//! git packs a repository made for the purpose, and finds every object of it intact.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Result, ensure};

use super::{OnNtHeap, Program};

pub(super) const PROGRAM: Program = Program { name: "git", check };

const COMMITS: usize = 40;
const FILES: usize = 60;

fn check(on_nt_heap: &OnNtHeap<'_>) -> Result<()> {
    let repository = on_nt_heap.scratch.join("repository");
    fs::create_dir_all(&repository)?;
    let git = |arguments: &[&str]| {
        on_nt_heap
            .command("git")
            .arg("-C")
            .arg(&repository)
            .args([
                "-c",
                "user.name=nobody",
                "-c",
                "user.email=nobody@localhost",
            ])
            .args(arguments)
            .quiet()
            .ignore_stdout()
            .ignore_stderr()
    };
    git(&["init", "--quiet"]).run()?;
    for commit in 0..COMMITS {
        for file in (0..FILES).filter(|file| (file + commit) % 3 == 0) {
            fs::write(
                repository.join(format!("file{file}.txt")),
                content(file, commit),
            )?;
        }
        git(&["add", "."]).run()?;
        git(&["commit", "--quiet", "-m", "more"]).run()?;
    }
    git(&[
        "repack",
        "-a",
        "-d",
        "-f",
        "--depth=50",
        "--window=50",
        "--threads=2",
    ])
    .run()?;
    git(&["fsck", "--full", "--strict"]).run()?;

    // The same repository, read by a git on the system's heap.
    let plain = on_nt_heap.plainly("git").arg("-C").arg(&repository);
    plain
        .args(["fsck", "--full", "--strict"])
        .quiet()
        .ignore_stderr()
        .run()?;
    let count = on_nt_heap.plainly("git").arg("-C").arg(&repository);
    let commits = count.args(["rev-list", "--count", "HEAD"]).quiet().read()?;
    ensure!(
        commits.trim() == COMMITS.to_string(),
        "{commits} commits instead of {COMMITS}"
    );
    Ok(())
}

/// Lines that differ a little from commit to commit, so that repack finds deltas.
fn content(file: usize, commit: usize) -> String {
    let mut text = String::new();
    for line in 0..400 {
        let changed = if line % 40 == commit { commit } else { 0 };
        let _ = writeln!(
            text,
            "file {file} line {line} value {}",
            (line * 7919 + file * 31 + changed) % 65_521
        );
    }
    text
}
