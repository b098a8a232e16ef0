//! A row, measured.

use std::iter;

use super::field::Contestant;
use super::rows::Row;
use crate::rounds::{self, Outcome, Plan, Work};

/// A row that was run.
pub struct Measured {
    /// Which.
    pub row: Row,
    /// Contestants in the order of the outcome: the yardstick first, [`CONTROL`] last.
    pub names: Vec<String>,
    /// Times by contestant.
    pub outcome: Outcome,
}

/// What the yardstick's second turn is called.
pub const CONTROL: &str = "control";

impl Measured {
    /// Ratio to the yardstick, and its spread.
    pub fn ratio(&self, name: &str) -> Option<(f64, f64)> {
        Some(self.outcome.ratio(self.position(name)?, 0))
    }

    /// Where a contestant stands. The yardstick may have the name of a contestant that does
    /// something else, so it is looked for last.
    pub fn position(&self, name: &str) -> Option<usize> {
        let behind = self.names.iter().skip(1).position(|known| known == name);
        behind
            .map(|at| at + 1)
            .or_else(|| (self.names[0] == name).then_some(0))
    }
}

/// Runs one row; `None` without its yardstick.
pub fn measure(row: Row, field: &[Contestant], plan: Plan) -> Option<Measured> {
    let yardstick = field
        .iter()
        .find(|contestant| contestant.name == row.yardstick.name)?;
    let plan = row
        .task
        .threads()
        .map_or(plan, |threads| plan.for_threads(threads));
    let first = yardstick.work(row.yardstick.task)?;
    let first = (row.yardstick.name.to_owned(), first);
    let others = field.iter().map(|contestant| {
        // The yardstick's own time is there already, if it does the same as the others.
        let is_new = !std::ptr::eq(contestant, yardstick) || row.differs_from_yardstick();
        let work = is_new.then(|| contestant.work(row.task)).flatten();
        work.map(|work| (contestant.name.clone(), work))
    });
    let others = others.flatten();
    let (mut names, mut works): (Vec<String>, Vec<Work>) = iter::once(first).chain(others).unzip();
    let outcome = rounds::run(plan, &mut works);
    names.push(CONTROL.to_owned());
    Some(Measured {
        row,
        names,
        outcome,
    })
}
