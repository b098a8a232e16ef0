//! Which conformance lines hold on a target, read from what the tests printed there.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use xshell::Cmd;

use self::lines::{Kind, Line, Target, exceptions, line_of_test};
use crate::workspace::Workspace;

/// The table of lines and of exceptions, as the tests read it.
#[path = "../../tests/src/lines.rs"]
#[allow(dead_code, reason = "the tests use all of it")]
pub mod lines;

/// How the tests of lines ended.
#[derive(Default)]
pub struct Results {
    passed: BTreeSet<u16>,
    failed: BTreeSet<u16>,
}

impl Results {
    /// Notes a line of a test program's output: `test c001_… ... ok`.
    pub fn note(&mut self, text: &str) {
        let Some((name, ending)) = text
            .strip_prefix("test ")
            .and_then(|rest| rest.rsplit_once(" ... "))
        else {
            return;
        };
        let Some(line) = line_of_test(name.rsplit("::").next().unwrap_or(name)) else {
            return;
        };
        match ending.split_whitespace().next() {
            Some("ok") => self.passed.insert(line),
            Some("FAILED") => self.failed.insert(line),
            _ => false,
        };
    }

    /// Whether the line's test passed; `None` without a result.
    pub fn of(&self, line: u16) -> Option<bool> {
        if self.failed.contains(&line) {
            return Some(false);
        }
        self.passed.contains(&line).then_some(true)
    }

    /// Prints the count of lines for `target`, which `name` names.
    ///
    /// # Errors
    /// A line that has a test, and no exception there, has not been seen to hold.
    pub fn print_count(
        &self,
        name: &str,
        workspace: &Workspace,
        target: &Target<'_>,
    ) -> Result<()> {
        let tested = lines::tested(&workspace.root.join("tests/tests"));
        let (mut hold, mut strict, mut excepted, mut later) = (0, 0, 0, 0);
        let mut missing = Vec::new();
        let all = lines::lines();
        for line in &all {
            match exception(line, target) {
                Some(Kind::Excepted) => excepted += 1,
                Some(Kind::Later) if !tested.contains_key(&line.id) => later += 1,
                _ if self.of(line.id) == Some(true) => {
                    hold += 1;
                    strict += usize::from(line.is_strict());
                }
                _ => missing.push(format!("C{:03}", line.id)),
            }
        }
        println!(
            "conformance lines on {name}: {hold} of {} hold ({strict} strict), {excepted} excepted, \
             {later} of what is not built, {} not seen to hold",
            all.len(),
            missing.len()
        );
        ensure!(
            missing.is_empty(),
            "not seen to hold: {}",
            missing.join(" ")
        );
        Ok(())
    }
}

/// What the list of exceptions says of a line on a target.
pub fn exception(line: &Line, target: &Target<'_>) -> Option<Kind> {
    let kinds: Vec<_> = exceptions()
        .into_iter()
        .filter(|exception| exception.applies_to(target) && exception.names(line.id))
        .map(|exception| exception.kind)
        .collect();
    let excepted = kinds.iter().find(|kind| **kind == Kind::Excepted);
    excepted.or(kinds.first()).copied()
}

/// Runs tests, shows what they print, and reads it.
///
/// # Errors
/// The command failed. What it printed until then was noted.
pub fn watch(command: Cmd<'_>, results: &mut Results) -> Result<()> {
    println!("$ {command}");
    let mut child = Command::from(command)
        .stdout(Stdio::piped())
        .stdin(Stdio::null())
        .spawn()
        .context("starting the tests")?;
    let output = child.stdout.take().context("it was asked for")?;
    let mut shown = std::io::stdout().lock();
    for line in BufReader::new(output).split(b'\n') {
        let line = line?;
        let text = String::from_utf8_lossy(&line);
        results.note(text.trim_end());
        writeln!(shown, "{text}")?;
    }
    drop(shown);
    let status = child.wait()?;
    ensure!(status.success(), "the tests ended with {status}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(output: &str) -> Results {
        let mut results = Results::default();
        output.lines().for_each(|line| results.note(line));
        results
    }

    #[test]
    fn a_line_holds_when_all_of_its_results_are_good() {
        let results = results(
            "running 5 tests\ntest c001_a ... ok\ntest c002_b ... FAILED\ntest inner::c003_c ... ok\n\
             test c004_d ... ignored\ntest c003_again ... FAILED\ntest nothing_of_ours ... ok",
        );
        assert_eq!(
            [1, 2, 3, 4, 5].map(|line| results.of(line)),
            [Some(true), Some(false), Some(false), None, None]
        );
    }

    #[test]
    fn a_line_s_exception_is_the_target_s() {
        let lines = lines::lines();
        let line = lines
            .iter()
            .find(|line| line.id == 68)
            .expect("it is there");
        let target = |pointer_bits| Target {
            pointer_bits,
            system: "linux",
            oracle: false,
        };
        assert_eq!(exception(line, &target(32)), Some(Kind::Excepted));
        assert_eq!(exception(line, &target(64)), None);
    }
}
