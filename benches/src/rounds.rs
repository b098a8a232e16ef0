//! Taking turns: every contestant runs a short stretch in every round, and what is compared are
//! stretches of the same round.

use crate::clock::thread_ns;

/// One contestant's work: does the operation as many times as it is told.
pub type Work<'w> = Box<dyn FnMut(u64) + 'w>;

/// How long a stretch is to take, in nanoseconds: far more than reading the clock costs.
const STRETCH_NS: u64 = 1_000_000;

/// What the rounds of one row showed, per contestant.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Median CPU time of one operation in nanoseconds.
    pub ns: Vec<f64>,
    /// Median of the rounds' ratios to the last contestant, which is the yardstick.
    pub ratio: Vec<f64>,
    /// Distance between the quartiles of those ratios, relative to their median: the noise.
    pub spread: Vec<f64>,
}

/// Runs `rounds` rounds, of which the first, for warming up, is not counted.
pub fn run(rounds: usize, works: &mut [Work<'_>]) -> Outcome {
    let counts: Vec<u64> = works.iter_mut().map(calibrate).collect();
    let mut times = vec![Vec::new(); works.len()];
    for round in 0..=rounds {
        for turn in 0..works.len() {
            // Nobody always runs after the same other one.
            let who = (turn + round) % works.len();
            let start = thread_ns();
            works[who](counts[who]);
            let elapsed = thread_ns() - start;
            if round > 0 {
                times[who].push(elapsed as f64 / counts[who] as f64);
            }
        }
    }
    let yardstick = times.last().expect("at least one contestant").clone();
    let ratios: Vec<Vec<f64>> = times
        .iter()
        .map(|own| own.iter().zip(&yardstick).map(|(a, b)| a / b).collect())
        .collect();
    Outcome {
        ns: times.iter().map(|own| quantile(own, 0.5)).collect(),
        ratio: ratios.iter().map(|own| quantile(own, 0.5)).collect(),
        spread: ratios
            .iter()
            .map(|own| (quantile(own, 0.75) - quantile(own, 0.25)) / quantile(own, 0.5))
            .collect(),
    }
}

/// How many operations fill a stretch.
fn calibrate(work: &mut Work<'_>) -> u64 {
    let mut count = 1;
    loop {
        let start = thread_ns();
        work(count);
        let elapsed = thread_ns() - start;
        if elapsed >= STRETCH_NS / 4 {
            return (count * STRETCH_NS / elapsed).max(1);
        }
        count *= 4;
    }
}

fn quantile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = part * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    low + (high - low) * at.fract()
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
    fn the_yardstick_has_ratio_one() {
        let spin = || -> Work<'static> {
            Box::new(|count| {
                for step in 0..count {
                    std::hint::black_box(step);
                }
            })
        };
        let outcome = run(3, &mut [spin(), spin()]);
        assert_eq!(outcome.ratio[1], 1.0);
        assert_eq!(outcome.spread[1], 0.0);
        assert!(outcome.ns[0] > 0.0);
    }
}
