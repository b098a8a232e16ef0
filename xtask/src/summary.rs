//! Runs gates one after the other and sums up how they ended.

use std::time::{Duration, Instant};

use crate::gate::{Gate, Verdict};
use crate::workspace::Workspace;

/// How one gate ended.
enum End {
    Passed,
    Failed(String),
    Skipped(String),
}

/// Runs every gate, also after a failure, and prints the table; true when none failed.
pub fn run_all(workspace: &Workspace, gates: &[Gate]) -> bool {
    let rows: Vec<_> = gates
        .iter()
        .map(|gate| (gate.name, run_one(workspace, gate)))
        .collect();
    print_table(&rows);
    !rows
        .iter()
        .any(|(_, (end, _))| matches!(end, End::Failed(_)))
}

fn run_one(workspace: &Workspace, gate: &Gate) -> (End, Duration) {
    println!("\n=== {}: {}", gate.name, gate.proves);
    let start = Instant::now();
    let end = match (gate.run)(workspace) {
        Ok(Verdict::Passed) => End::Passed,
        Ok(Verdict::Skipped(why)) => End::Skipped(why),
        Err(error) => End::Failed(format!("{error:#}")),
    };
    let seconds = start.elapsed();
    match &end {
        End::Passed => println!("=== {} ok in {:.0} s", gate.name, seconds.as_secs_f64()),
        End::Skipped(why) => println!("=== {} skipped: {why}", gate.name),
        End::Failed(why) => println!("=== {} FAILED: {why}", gate.name),
    }
    (end, seconds)
}

fn print_table(rows: &[(&str, (End, Duration))]) {
    println!("\n{:<14} {:>7}  result", "gate", "seconds");
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for (name, (end, duration)) in rows {
        let result = match end {
            End::Passed => {
                passed += 1;
                "ok".to_owned()
            }
            End::Failed(why) => {
                failed += 1;
                format!("FAILED: {}", first_line(why))
            }
            End::Skipped(why) => {
                skipped += 1;
                format!("skipped: {why}")
            }
        };
        println!("{name:<14} {:>7.0}  {result}", duration.as_secs_f64());
    }
    println!("\ngates: {passed} passed, {failed} failed, {skipped} skipped");
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
