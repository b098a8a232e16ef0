//! The table for people, the verdicts, and the same as JSON.

use serde_json::{Value, json};

use super::rows::{
    MI_HEAP_V3, MIMALLOC_V3, OURS, OURS_MALLOC, OURS_UNSERIALIZED, WINE, WINE_TARGET,
};
use super::threads::together;
use super::{CONTROL, Measured};
use crate::files;
use crate::plot::{self, BarRow};
use crate::rounds::{geometric_mean, quantile};
use crate::width;

/// Whose ratios have a column, and what stands above it.
const COLUMNS: &[(&str, &str)] = &[
    (OURS, "ours"),
    (OURS_UNSERIALIZED, "no_ser"),
    (OURS_MALLOC, "malloc"),
    (MI_HEAP_V3, "mi_heap3"),
    ("mi_heap-v2", "mi_heap2"),
    ("mimalloc-v2", "mi-v2"),
    ("snmalloc", "snmall"),
    ("rpmalloc", "rpmall"),
    ("jemalloc", "jemall"),
    ("glibc", "glibc"),
    (WINE, "wine"),
    (CONTROL, "control"),
];

/// How a ratio compares with its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As good as was hoped.
    Dream,
    /// Good enough.
    Met,
    /// Not good enough.
    Missed,
}

impl Verdict {
    /// Judges a ratio by what is good enough and what is hoped for.
    pub fn of(ratio: f64, (reach, dream): (f64, f64)) -> Verdict {
        match ratio {
            _ if ratio <= dream => Verdict::Dream,
            _ if ratio <= reach => Verdict::Met,
            _ => Verdict::Missed,
        }
    }

    /// A word for the table.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Dream => "met, dream",
            Verdict::Met => "met",
            Verdict::Missed => "MISSED",
        }
    }
}

/// The line above the rows.
pub fn print_heading() {
    print!(
        "{:30}{:>9}{:>9}",
        "ratios to the row's yardstick", "yard ns", "ours ns"
    );
    for (_, heading) in COLUMNS {
        print!("{heading:>9}");
    }
    println!("{:>8}{:>7}", "reach", "dream");
}

/// One row, as soon as it is measured.
pub fn print(measured: &Measured) {
    let ns = |name: &str| measured.position(name).map(|at| measured.outcome.ns[at]);
    let number = |value: Option<f64>| match value {
        None => "-".to_owned(),
        Some(value) if value >= 1_000.0 => format!("{value:.0}"),
        Some(value) if value >= 100.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.2}"),
    };
    print!(
        "{:30}{:>9}{:>9}",
        measured.row.what,
        number(Some(measured.outcome.ns[0])),
        number(ns(OURS))
    );
    for (name, _) in COLUMNS {
        print!(
            "{:>9}",
            number(measured.ratio(name).map(|(ratio, _)| ratio))
        );
    }
    let Some((reach, dream)) = measured.row.target else {
        println!();
        return;
    };
    let verdict = verdict(measured).map_or("not run", Verdict::word);
    println!("{reach:>8}{dream:>7}  {verdict}");
}

fn verdict(measured: &Measured) -> Option<Verdict> {
    let (ratio, _) = measured.ratio(OURS)?;
    Some(Verdict::of(ratio, measured.row.target?))
}

/// What all rows say together.
pub struct Summary {
    /// Spread of the ratios of a row, between quartiles and relative to the median: the median
    /// over rows and contestants.
    pub noise: f64,
    /// By how much the yardstick differs from itself: median and worst over rows.
    pub control: (f64, f64),
    /// Our heap to Wine's, geometric mean, if Wine took part.
    pub wine: Option<f64>,
}

impl Summary {
    /// Of these rows.
    pub fn of(rows: &[Measured]) -> Summary {
        let spreads: Vec<f64> = rows
            .iter()
            .flat_map(|row| (1..row.names.len()).map(|at| row.outcome.ratio(at, 0).1))
            .collect();
        let differences: Vec<f64> = rows
            .iter()
            .filter_map(|row| row.ratio(CONTROL))
            .map(|(ratio, _)| (ratio - 1.0).abs())
            .collect();
        let to_wine: Vec<f64> = rows
            .iter()
            .filter_map(|row| {
                Some(
                    row.outcome
                        .ratio(row.position(OURS)?, row.position(WINE)?)
                        .0,
                )
            })
            .collect();
        let some = |values: &[f64], part| {
            if values.is_empty() {
                0.0
            } else {
                quantile(values, part)
            }
        };
        Summary {
            noise: some(&spreads, 0.5),
            control: (some(&differences, 0.5), some(&differences, 1.0)),
            wine: (!to_wine.is_empty()).then(|| geometric_mean(to_wine)),
        }
    }

    /// For people.
    pub fn print(&self, rows: &[Measured]) {
        if let Some(ratio) = self.wine {
            let verdict = Verdict::of(ratio, WINE_TARGET);
            println!(
                "against Wine's heap, geometric mean: {ratio:.3} (reach {}, dream {}): {}",
                WINE_TARGET.0,
                WINE_TARGET.1,
                verdict.word()
            );
        }
        let mut count = [0; 3];
        for verdict in rows.iter().filter_map(verdict) {
            count[verdict as usize] += 1;
        }
        let [dream, met, missed] = count;
        println!(
            "{} rows met, {dream} of them at the dream; {missed} missed",
            met + dream
        );
        println!(
            "noise: a row's ratios differ by {:.0} % between quartiles; the yardstick differs from \
             itself by {:.1} % (median), {:.1} % (worst row)",
            self.noise * 100.0,
            self.control.0 * 100.0,
            self.control.1 * 100.0
        );
        if let Some(part) = together::part() {
            println!(
                "two threads that were to run at once ran for {:.0} % of the time",
                part * 100.0
            );
        }
        if let Some((median, best)) = width::seen() {
            println!(
                "the core finished {median:.1} additions a cycle (median; 95th percentile {best:.1}): half of \
                 what it can do may mean another hyperthread at work"
            );
        }
        println!("load average {}", files::load());
    }

    /// For machines.
    pub fn json(&self, rows: &[Measured]) -> Value {
        let rows: Vec<Value> = rows.iter().map(row_json).collect();
        json!({
            "yardstick": MIMALLOC_V3,
            "load": files::load(),
            "together": together::part(),
            "additions_a_cycle": width::seen().map(|(median, best)| json!({"median": median, "best": best})),
            "noise": self.noise,
            "control": {"median": self.control.0, "worst": self.control.1},
            "wine": self.wine,
            "rows": rows,
        })
    }
}

/// Bars, a group a row.
pub fn picture(rows: &[Measured]) -> String {
    let is_there = |name: &str| rows.iter().any(|row| row.position(name).is_some());
    let shown: Vec<_> = COLUMNS
        .iter()
        .filter(|(name, _)| *name != CONTROL && is_there(name))
        .collect();
    let bars: Vec<BarRow> = rows
        .iter()
        .map(|row| BarRow {
            label: row.row.what.to_owned(),
            ratios: shown
                .iter()
                .map(|(name, _)| row.ratio(name).map(|(ratio, _)| ratio))
                .collect(),
            reach: row.row.target.map(|(reach, _)| reach),
        })
        .collect();
    let names: Vec<&str> = shown.iter().map(|(name, _)| *name).collect();
    plot::bars("CPU time against mimalloc v3 = 1", &names, &bars)
}

fn row_json(measured: &Measured) -> Value {
    let contestants: Vec<Value> = (0..measured.names.len())
        .map(|at| {
            let (ratio, spread) = measured.outcome.ratio(at, 0);
            json!({
                "name": measured.names[at],
                "ns": measured.outcome.ns[at],
                "ratio": ratio,
                "spread": spread,
            })
        })
        .collect();
    json!({
        "id": measured.row.id,
        "what": measured.row.what,
        "reach": measured.row.target.map(|(reach, _)| reach),
        "dream": measured.row.target.map(|(_, dream)| dream),
        "verdict": verdict(measured).map(Verdict::word),
        "contestants": contestants,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_met_by_the_target_itself() {
        assert_eq!(Verdict::of(1.15, (1.15, 1.0)), Verdict::Met);
        assert_eq!(Verdict::of(1.0, (1.15, 1.0)), Verdict::Dream);
        assert_eq!(Verdict::of(1.16, (1.15, 1.0)), Verdict::Missed);
    }
}
