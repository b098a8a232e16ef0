//! The conformance tests against the system's own heap: Windows's, or Wine's.
//!
//! On Windows the system is right, and a strict line that fails says that the table of lines is
//! wrong. Wine is known to be wrong on some lines; there the gate shows that the tests can fail.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use xshell::Cmd;

use crate::build_std;
use crate::conformance::lines::{self, Kind, Line, Target, line_of_test};
use crate::conformance::{self, Results};
use crate::gate::{Gate, Verdict};
use crate::toolchain::{BUILD_STD_CARGO, WIN64};
use crate::wine::{self, Prefix};
use crate::workspace::{Workspace, find_program};

/// The tests agree with Windows, or differ from Wine where Wine is known to differ.
pub const GATE: Gate = Gate {
    name: "oracle",
    proves: "Windows's own heap gives the strict lines' answers; under Wine, the tests notice where it does not",
    run,
};

/// A program that does not end by itself is ended after so long.
const SECONDS_MOST: &str = "60";

/// How the programs are built and run here.
struct Oracle<'a> {
    workspace: &'a Workspace,
    /// `wine`, or nothing on Windows.
    wine: Option<Prefix>,
}

fn run(workspace: &Workspace) -> Result<Verdict> {
    let wine = if cfg!(windows) {
        None
    } else {
        if let Some(why) = build_std::missing() {
            return Verdict::skipped(why);
        }
        if find_program(&["wine"]).is_none() {
            return Verdict::skipped("wine is not installed (cargo xtask setup)");
        }
        let prefix = Prefix::open_64(workspace)?;
        prefix.keep_server()?;
        Some(prefix)
    };
    let oracle = Oracle { workspace, wine };
    let mut results = Results::default();
    for program in oracle.build()? {
        oracle.ask(&program, &mut results)?;
    }
    oracle.judge(&results)?;
    Ok(Verdict::Passed)
}

impl Oracle<'_> {
    /// Builds the tests; the programs' paths.
    fn build(&self) -> Result<Vec<PathBuf>> {
        let command = match self.wine {
            Some(_) => build_std::command(self.workspace, BUILD_STD_CARGO)
                .args(["test", "-Zbuild-std", "--target", WIN64])
                .arg("--target-dir")
                .arg(self.workspace.target_dir("build-std")),
            None => self.workspace.cargo().arg("test"),
        };
        let output = command
            .args([
                "-p",
                "rtl-heap-tests",
                "--features",
                "oracle",
                "--tests",
                "--no-run",
            ])
            .ignore_status()
            .output()?;
        let log = String::from_utf8_lossy(&output.stderr);
        print!("{log}");
        ensure!(output.status.success(), "the tests do not build");
        // `  Executable tests/free.rs (/path/of/the/program)`
        let paths = log.lines().filter_map(|line| {
            let (source, path) = line.trim().strip_prefix("Executable ")?.split_once(" (")?;
            let is_test = source.starts_with("tests");
            is_test.then(|| self.workspace.root.join(path.trim_end_matches(')')))
        });
        Ok(paths.collect())
    }

    /// A command that runs `program`, and ends it if it hangs.
    fn command(&self, program: &Path) -> Cmd<'_> {
        let Some(prefix) = &self.wine else {
            return self.workspace.command(program);
        };
        let mut command = self.workspace.command("timeout");
        for (name, value) in prefix.environment() {
            command = command.env(name, value);
        }
        command
            .env("RUST_BACKTRACE", "0")
            .arg(SECONDS_MOST)
            .args(wine::runner())
            .arg(program)
    }

    /// Runs a program's tests of lines: together, and each that got no answer by itself, since a
    /// test may end the process.
    fn ask(&self, program: &Path, results: &mut Results) -> Result<()> {
        let listing = self
            .command(program)
            .args(["--list", "--format=terse"])
            .ignore_status()
            .ignore_stderr()
            .quiet()
            .read()?;
        let tests: BTreeMap<u16, &str> = listing
            .lines()
            .filter_map(|line| line.trim_end().strip_suffix(": test"))
            .filter_map(|name| Some((line_of_test(name)?, name)))
            .collect();
        if tests.is_empty() {
            return Ok(());
        }
        let read = |command: Cmd<'_>, results: &mut Results| -> Result<()> {
            let output = command.ignore_status().ignore_stderr().quiet().read();
            output?
                .lines()
                .for_each(|line| results.note(line.trim_end()));
            Ok(())
        };
        let together = self.command(program).arg("--test-threads=1");
        read(together, results)?;
        for (line, name) in tests {
            if results.of(line).is_none() {
                let alone = self
                    .command(program)
                    .args([name, "--exact", "--test-threads=1"]);
                read(alone, results)?;
            }
        }
        Ok(())
    }

    /// Prints where the system differs, and says whether that is as it should be.
    fn judge(&self, results: &Results) -> Result<()> {
        let target = Target {
            pointer_bits: if self.wine.is_some() { 64 } else { usize::BITS },
            system: "windows",
            oracle: true,
        };
        let tested = lines::tested(&self.workspace.root.join("tests/tests"));
        let (mut agree, mut apart) = (0, 0);
        let mut differ: Vec<Line> = Vec::new();
        for line in lines::lines() {
            let is_excepted = conformance::exception(&line, &target) == Some(Kind::Excepted);
            if is_excepted || !tested.contains_key(&line.id) {
                apart += 1;
                continue;
            }
            let answer = match results.of(line.id) {
                Some(true) => {
                    agree += 1;
                    continue;
                }
                Some(false) => "differs",
                None => "no answer",
            };
            let known = if line.wine_differs {
                ", known of Wine"
            } else {
                ""
            };
            println!(
                "{answer}: C{:03} [{}{known}] {}",
                line.id, line.tag, line.statement
            );
            differ.push(line);
        }
        println!(
            "the system's own heap: {agree} lines agree, {} do not, {apart} are not asked",
            differ.len()
        );
        if self.wine.is_some() {
            let noticed = differ.iter().filter(|line| line.wine_differs).count();
            println!("{noticed} of the lines that Wine is known to get wrong do not agree");
            ensure!(
                noticed > 0,
                "Wine's known differences go unnoticed: the tests cannot fail"
            );
        } else {
            let strict: Vec<_> = differ
                .iter()
                .filter(|line| line.is_strict())
                .map(|line| format!("C{:03}", line.id))
                .collect();
            ensure!(
                strict.is_empty(),
                "strict lines do not hold on Windows: {}",
                strict.join(" ")
            );
        }
        ensure!(agree > 0, "nothing was answered");
        Ok(())
    }
}
