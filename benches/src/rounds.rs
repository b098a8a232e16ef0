//! Taking turns: every contestant runs a short stretch in every round, and what is compared are
//! stretches of the same round.

use crate::clock::thread_ns;
use crate::width;

/// One contestant's work: does the operation as many times as it is told, and returns the
/// nanoseconds of CPU time that took.
pub type Work = Box<dyn FnMut(u64) -> u64>;

/// How a row is run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Rounds that count.
    pub rounds: usize,
    /// How long a stretch is to take, in nanoseconds: far more than reading the clock costs.
    pub stretch_ns: u64,
}

impl Plan {
    /// The plan for so many threads that are to meet: with two of them a stretch is longer than the
    /// scheduler's slices are, with more it is shorter, because they keep everybody else waiting.
    pub fn for_threads(mut self, threads: usize) -> Plan {
        self.stretch_ns *= (10 / threads as u64).clamp(1, 5);
        self
    }
}

/// What the rounds of one row showed, per contestant. One more entry stands at the end: the first
/// contestant's time in a second turn of each round, a control that shows what the method cannot
/// tell apart. (A second instance of it would not do: two sets of blocks in one allocator are
/// slower than one.)
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Median CPU time of one operation in nanoseconds.
    pub ns: Vec<f64>,
    /// What each round showed: the same, not yet condensed.
    pub rounds: Vec<Vec<f64>>,
}

impl Outcome {
    /// Median of the rounds' ratios of one contestant to another, and the distance between the
    /// quartiles of those ratios relative to the median, which is the noise.
    pub fn ratio(&self, who: usize, yardstick: usize) -> (f64, f64) {
        let pairs = self.rounds[who].iter().zip(&self.rounds[yardstick]);
        let ratios: Vec<f64> = pairs.map(|(own, other)| own / other).collect();
        let median = quantile(&ratios, 0.5);
        (
            median,
            (quantile(&ratios, 0.75) - quantile(&ratios, 0.25)) / median,
        )
    }
}

/// A loop on the calling thread as a contestant's work.
pub fn timed(mut run: impl FnMut(u64) + 'static) -> Work {
    Box::new(move |count| {
        let start = thread_ns();
        run(count);
        thread_ns() - start
    })
}

/// Runs the plan's rounds after one for warming up, which is not counted.
pub fn run(plan: Plan, works: &mut [Work]) -> Outcome {
    let counts: Vec<u64> = works
        .iter_mut()
        .map(|work| calibrate(plan.stretch_ns, work))
        .collect();
    let turns = works.len() + 1;
    let mut times = vec![Vec::new(); turns];
    for round in 0..=plan.rounds {
        width::sample();
        for turn in 0..turns {
            let turn = (turn + round) % turns;
            // Nobody always runs first, or after the same other one.
            let entry = if round % 2 == 0 {
                turn
            } else {
                turns - 1 - turn
            };
            let who = entry % works.len();
            let elapsed = works[who](counts[who]);
            if round > 0 {
                times[entry].push(elapsed as f64 / counts[who] as f64);
            }
        }
    }
    Outcome {
        ns: times.iter().map(|own| quantile(own, 0.5)).collect(),
        rounds: times,
    }
}

/// How many operations fill a stretch.
fn calibrate(stretch_ns: u64, work: &mut Work) -> u64 {
    let mut count = 1;
    loop {
        let elapsed = work(count);
        if elapsed >= stretch_ns / 4 {
            return (count * stretch_ns / elapsed).max(1);
        }
        count *= 4;
    }
}

/// The value below which `part` of the values lie.
pub fn quantile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = part * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    low + (high - low) * at.fract()
}

/// The geometric mean; 1 of nothing.
pub fn geometric_mean(values: impl IntoIterator<Item = f64>) -> f64 {
    let (sum, count) = values.into_iter().fold((0.0, 0), |(sum, count), value| {
        (sum + value.ln(), count + 1)
    });
    if count == 0 {
        1.0
    } else {
        (sum / f64::from(count)).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_the_values_around_them() {
        let values = [4.0, 1.0, 3.0, 2.0, 5.0];
        assert_eq!(quantile(&values, 0.5), 3.0);
        assert_eq!(quantile(&values, 0.25), 2.0);
        assert_eq!(quantile(&values[..4], 0.5), 2.5);
    }

    #[test]
    fn the_geometric_mean_of_a_number_and_its_inverse_is_one() {
        assert!((geometric_mean([4.0, 0.25]) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_ratio_is_the_median_of_the_ratios_within_rounds() {
        let plan = Plan {
            rounds: 5,
            stretch_ns: 1,
        };
        let first: Work = Box::new(|count| 10 * count);
        let mut turn = 0;
        // 20, 30 or 40 by turns.
        let second: Work = Box::new(move |count| {
            turn = (turn + 1) % 3;
            (20 + 10 * turn) * count
        });
        let outcome = run(plan, &mut [first, second]);
        assert_eq!(outcome.ratio(1, 0).0, 3.0);
        assert_eq!(outcome.ratio(2, 0), (1.0, 0.0));
        assert_eq!(outcome.rounds[1].len(), 5);
    }
}
