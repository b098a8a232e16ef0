//! The table people read and the JSON that machines do.

use std::env;
use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::rounds::Outcome;

/// A bound on a ratio that a row is measured against.
#[derive(Clone, Copy)]
pub struct Target {
    /// Which contestant it binds.
    pub contestant: usize,
    /// Its ratio to the yardstick is at most this.
    pub at_most: f64,
}

/// A table under construction: rows are printed as they come.
pub struct Report {
    rows: Vec<Value>,
    missed: Vec<String>,
    spreads: Vec<f64>,
}

impl Default for Report {
    fn default() -> Self {
        Report::new()
    }
}

impl Report {
    /// Nothing yet.
    pub const fn new() -> Report {
        Report {
            rows: Vec::new(),
            missed: Vec::new(),
            spreads: Vec::new(),
        }
    }

    /// A heading over the rows that follow; the last contestant is the yardstick.
    pub fn heading(&self, title: &str, contestants: &[&str]) {
        println!("\n{title}");
        print!("  {:28}", "");
        for name in contestants {
            print!("{name:>18}");
        }
        // A ratio column per contestant, in the same order.
        let (yardstick, others) = contestants.split_last().expect("a yardstick");
        for _ in others {
            print!("{:>18}", format!("x {yardstick}"));
        }
        println!();
    }

    /// One row.
    pub fn row(&mut self, section: &str, name: &str, outcome: &Outcome, target: Option<Target>) {
        print!("  {name:28}");
        for ns in &outcome.ns {
            print!("{:>18}", format!("{ns:.1} ns"));
        }
        let others = outcome.ratio.len() - 1;
        for ratio in &outcome.ratio[..others] {
            print!("{ratio:>18.2}");
        }
        if let Some(Target {
            contestant,
            at_most,
        }) = target
        {
            let ratio = outcome.ratio[contestant];
            print!("   {}", self.judge(section, name, ratio, at_most));
        }
        println!();
        self.spreads.extend(&outcome.spread[..others]);
        self.rows.push(json!({
            "section": section,
            "row": name,
            "ns": outcome.ns,
            "ratio": outcome.ratio,
            "spread": outcome.spread,
            "target": target.map(|target| target.at_most),
        }));
    }

    /// A figure that is not a row: a quotient of rows.
    pub fn figure(&mut self, section: &str, name: &str, value: f64, at_most: Option<f64>) {
        let verdict = at_most.map(|at_most| self.judge(section, name, value, at_most));
        println!("  {name}: {value:.2}   {}", verdict.unwrap_or_default());
        self.rows
            .push(json!({"section": section, "row": name, "figure": value, "target": at_most}));
    }

    fn judge(&mut self, section: &str, name: &str, value: f64, at_most: f64) -> String {
        if value <= at_most {
            return format!("met (at most {at_most})");
        }
        self.missed
            .push(format!("{section}, {name}: {value:.2} (at most {at_most})"));
        format!("MISSED (at most {at_most})")
    }

    /// Prints what was missed and how noisy the run was, and writes `NAME.json` below `target/`.
    pub fn finish(mut self, name: &str) {
        self.spreads.sort_by(f64::total_cmp);
        let noise = self
            .spreads
            .get(self.spreads.len() / 2)
            .copied()
            .unwrap_or(0.0);
        println!(
            "\nnoise: ratios of one row differ by {:.0} % between quartiles (median over rows)",
            noise * 100.0
        );
        if self.missed.is_empty() {
            println!("every target was met");
        }
        for miss in &self.missed {
            println!("missed: {miss}");
        }
        let path = folder().join(format!("{name}.json"));
        let text = json!({"noise": noise, "missed": self.missed, "rows": self.rows}).to_string();
        match fs::write(&path, text) {
            Ok(()) => println!("written to {}", path.display()),
            Err(error) => println!("cannot write {}: {error}", path.display()),
        }
    }
}

/// The target folder: above the profile's that the program lies in.
fn folder() -> PathBuf {
    let program = env::current_exe().unwrap_or_default();
    let release = program
        .ancestors()
        .find(|folder| folder.ends_with("release"));
    release
        .and_then(|folder| folder.parent())
        .map_or_else(env::temp_dir, PathBuf::from)
}
