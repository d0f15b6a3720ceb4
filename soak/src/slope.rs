//! How a process grows with what it has done.

/// Bytes for each creation that are no leak either, as less cannot be told from pages.
const NEGLIGIBLE: f64 = 0.1;

/// Memory over creations.
#[derive(Debug, Default)]
pub(crate) struct Series(Vec<(f64, f64)>);

impl Series {
    pub(crate) fn add(&mut self, creations: u64, bytes: u64) {
        self.0.push((creations as f64, bytes as f64));
    }

    /// Without what came before so many creations.
    pub(crate) fn after(&self, creations: u64) -> Series {
        Series(self.0.iter().copied().filter(|(at, _)| *at >= creations as f64).collect())
    }

    /// Bytes for each creation: least squares. `None` if there is nothing to be told from.
    pub(crate) fn slope(&self) -> Option<f64> {
        let count = self.0.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| self.0.iter().map(of).sum::<f64>() / count;
        let (x, y) = (mean(|point| point.0), mean(|point| point.1));
        let covariance: f64 = self.0.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
        let variance: f64 = self.0.iter().map(|point| (point.0 - x).powi(2)).sum();
        (variance > 0.0).then(|| covariance / variance)
    }

    /// From the first to the last.
    pub(crate) fn grown(&self) -> f64 {
        self.0.last().map_or(0.0, |last| last.1 - self.0[0].1)
    }

    /// How many creations it goes over.
    pub(crate) fn span(&self) -> f64 {
        self.0.last().map_or(0.0, |last| last.0 - self.0[0].0)
    }

    /// Whether it grows by more than a little in all, and by more than a little each time.
    pub(crate) fn leaks(&self, allowance: f64) -> bool {
        self.slope().is_some_and(|slope| slope * self.span() > allowance.max(NEGLIGIBLE * self.span()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(count: u64, bytes: impl Fn(u64) -> u64) -> Series {
        let mut series = Series::default();
        (0..=100).map(|step| step * count / 100).for_each(|at| series.add(at, bytes(at)));
        series
    }

    /// As the kernel counts.
    fn pages(bytes: f64) -> u64 {
        (bytes / 4096.0) as u64 * 4096
    }

    #[test]
    fn a_leak_is_told_from_pages() {
        let slope = series(1_000_000, |at| pages(0.5 * at as f64)).slope().expect("a slope");
        assert!((0.49..0.51).contains(&slope), "{slope}");
        assert!(series(1_000_000, |at| pages(0.12 * at as f64)).leaks(32_768.0));
        assert!(!series(1_000_000, |at| pages(0.08 * at as f64)).leaks(32_768.0));
        assert!(series(100_000, |at| pages(0.5 * at as f64)).leaks(32_768.0));
        assert!(!series(100_000, |at| 4096 * u64::from(at > 50_000)).leaks(32_768.0));
    }

    #[test]
    fn nothing_is_told_from_nothing() {
        assert_eq!(Series::default().slope(), None);
        assert!(!Series::default().leaks(32_768.0));
        let warm = series(1000, |at| if at < 100 { 1 << 20 } else { 0 }).after(100);
        assert_eq!(warm.slope(), Some(0.0));
    }
}
