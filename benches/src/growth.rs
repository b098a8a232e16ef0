//! How a time grows with the number of blocks, threads or heaps.

/// What a contestant showed at each step.
pub struct Line {
    /// Who.
    pub name: String,
    /// The step, and the time there.
    pub points: Vec<(f64, f64)>,
}

impl Line {
    /// By which power of the step the time grows: the slope of the straight line that fits the
    /// logarithms best.
    pub fn slope(&self) -> f64 {
        let logs: Vec<_> = self.points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
        let mean =
            |of: fn(&(f64, f64)) -> f64| logs.iter().map(of).sum::<f64>() / logs.len() as f64;
        let (x, y) = (mean(|log| log.0), mean(|log| log.1));
        let above: f64 = logs.iter().map(|log| (log.0 - x) * (log.1 - y)).sum();
        let below: f64 = logs.iter().map(|log| (log.0 - x).powi(2)).sum();
        if below == 0.0 { 0.0 } else { above / below }
    }

    /// Throughput at the last step, in parts of that at `step`.
    pub fn kept(&self, step: usize) -> Option<f64> {
        let (_, then) = self.points.iter().find(|(x, _)| *x == step as f64)?;
        Some(then / self.points.last()?.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slope_is_the_power_of_growth() {
        let line = |power| Line {
            name: String::new(),
            points: [1.0_f64, 10.0, 100.0]
                .map(|x| (x, 3.0 * x.powi(power)))
                .into(),
        };
        assert!(line(0).slope().abs() < 1e-9);
        assert!((line(1).slope() - 1.0).abs() < 1e-9);
        assert!((line(1).kept(10).unwrap_or(0.0) - 0.1).abs() < 1e-9);
        assert_eq!(line(1).kept(11), None);
    }
}
