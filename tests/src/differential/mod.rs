//! One stream of operations on two heaps in one process, the library's and the system's own, and
//! every result that the specification fixes compared.
//!
//! What the specification leaves open is not compared: addresses, whether a block can grow where
//! it is, what compaction finds. Where the two differ and the system is known to be wrong the
//! difference stands in [`known`] with its reason.

pub mod heaps;
pub mod known;
pub mod objects;
pub mod random;
pub mod side;

use core::fmt::Debug;
use std::collections::BTreeMap;

use self::heaps::Heaps;
use self::known::{KNOWN, Known};
use self::objects::Objects;
use self::random::Random;

/// Two answers that are not the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// The operation.
    pub operation: &'static str,
    /// What of it.
    pub what: &'static str,
    /// The library's answer.
    pub ours: String,
    /// The system's.
    pub theirs: String,
}

/// What was compared, and what differed.
#[derive(Debug, Default)]
pub struct Comparison {
    /// Answers compared.
    pub compared: u64,
    operations: usize,
    /// How often each difference was seen, and in which operation first.
    differences: BTreeMap<Difference, (usize, usize)>,
}

impl Comparison {
    /// Compares two answers; true if they are the same.
    pub fn of<T: PartialEq + Debug>(
        &mut self,
        operation: &'static str,
        what: &'static str,
        ours: T,
        theirs: T,
    ) -> bool {
        self.compared += 1;
        let same = ours == theirs;
        if !same {
            let difference = Difference {
                operation,
                what,
                ours: format!("{ours:?}"),
                theirs: format!("{theirs:?}"),
            };
            let seen = self.differences.entry(difference);
            seen.or_insert((0, self.operations)).0 += 1;
        }
        same
    }

    /// Compares whether something holds on either side with that it has to.
    pub fn holds(&mut self, operation: &'static str, what: &'static str, sides: [bool; 2]) {
        let said = sides.map(|holds| if holds { "holds" } else { "does not hold" });
        let neither = "does not hold either";
        let theirs = if sides == [false, false] {
            neither
        } else {
            said[1]
        };
        self.of(operation, what, said[0], theirs);
    }

    /// The differences that nothing explains, as lines to print.
    pub fn unexplained(&self) -> Vec<String> {
        let unknown = |difference: &&Difference| Known::of(difference).is_none();
        let differences = self.differences.keys().filter(unknown);
        differences.map(|it| self.describe(it)).collect()
    }

    /// The known differences, each with how often it was seen.
    pub fn explained(&self) -> Vec<(&'static Known, usize)> {
        KNOWN
            .iter()
            .map(|known| {
                let of_it = self.differences.iter();
                let of_it =
                    of_it.filter(|(it, _)| Known::of(it).is_some_and(|k| core::ptr::eq(k, known)));
                (known, of_it.map(|(_, (count, _))| count).sum())
            })
            .collect()
    }

    fn describe(&self, difference: &Difference) -> String {
        let (count, first) = self.differences[difference];
        format!(
            "{}, {}: ours {}, the system's {} ({count} times, first in operation {first})",
            difference.operation, difference.what, difference.ours, difference.theirs
        )
    }
}

/// Performs `operations` operations made of `seed` on both heaps.
pub fn run(seed: u64, operations: usize) -> Comparison {
    let mut random = Random::new(seed);
    let mut comparison = Comparison::default();
    let mut heaps = Heaps::new(&mut comparison);
    let mut objects = Objects::default();
    for operation in 0..operations {
        comparison.operations = operation;
        if random.below(4) == 0 {
            objects.step(&mut random, &mut comparison);
        } else {
            heaps.step(&mut random, &mut comparison);
        }
    }
    heaps.end(&mut comparison);
    objects.end(&mut comparison);
    comparison
}
