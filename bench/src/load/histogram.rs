//! How long replies took: a count for each length of time, within three in a hundred.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Each power of two of nanoseconds is cut into so many equal parts.
const PARTS: u64 = 32;

/// Counts of durations, from 1 ns to centuries, in some hundred numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    /// Counts one duration.
    pub(crate) fn record(&mut self, duration: Duration) {
        self.add(index(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)), 1);
    }

    /// Counts what another has counted.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (index, &count) in other.counts.iter().enumerate().filter(|&(_, &count)| count > 0) {
            self.add(index, count);
        }
    }

    /// The duration that `percent` of all do not exceed, in microseconds; 0 of none.
    pub(crate) fn percentile_us(&self, percent: f64) -> f64 {
        let wanted = (self.total as f64 * percent / 100.0).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (index, &count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return middle(index) / 1e3;
            }
        }
        0.0
    }

    fn add(&mut self, index: usize, count: u64) {
        if self.counts.len() <= index {
            self.counts.resize(index + 1, 0);
        }
        self.counts[index] += count;
        self.total += count;
    }
}

/// Which count a number of nanoseconds belongs to.
fn index(ns: u64) -> usize {
    if ns < PARTS {
        return ns as usize;
    }
    let octave = u64::from(ns.ilog2() - PARTS.ilog2());
    ((octave + 1) * PARTS + ((ns >> octave) - PARTS)) as usize
}

/// The middle of what is counted there, in nanoseconds.
fn middle(index: usize) -> f64 {
    let (octave, part) = (index as u64 / PARTS, index as u64 % PARTS);
    match octave.checked_sub(1) {
        None => part as f64,
        Some(octave) => ((PARTS + part) as f64 + 0.5) * (octave as f64).exp2() - 0.5,
    }
}

/// `index:count` of all that is not 0, for another process to read.
impl fmt::Display for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.counts.iter().enumerate().filter(|&(_, &count)| count > 0);
        for (place, (index, count)) in counts.enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(f, "{comma}{index}:{count}")?;
        }
        Ok(())
    }
}

impl FromStr for Histogram {
    type Err = Box<dyn std::error::Error + Send + Sync>;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut histogram = Self::default();
        for pair in text.split(',').filter(|pair| !pair.is_empty()) {
            let (at, count) = pair.split_once(':').ok_or("a count without its place")?;
            let at = at.parse()?;
            if at > index(u64::MAX) {
                return Err("a place beyond the last".into());
            }
            histogram.add(at, count.parse()?);
        }
        Ok(histogram)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_within_three_in_a_hundred() {
        let mut histogram = Histogram::default();
        for us in 1..=10_000 {
            histogram.record(Duration::from_micros(us));
        }
        for (percent, expected) in [(50.0, 5_000.0), (99.0, 9_900.0), (99.9, 9_990.0)] {
            let found = histogram.percentile_us(percent);
            assert!((found / expected - 1.0).abs() < 0.03, "{percent}: {found}");
        }
    }

    #[test]
    fn every_duration_has_a_place_and_places_are_in_order() {
        let mut before = 0;
        for shift in 0..64 {
            for ns in [(1 << shift) - 1, 1 << shift, (1 << shift) + 1] {
                let place = index(ns);
                assert!(place >= before || ns < 2, "{ns}");
                assert!((middle(place) - ns as f64).abs() <= ns as f64 * 0.03 + 0.5, "{ns}");
                before = place;
            }
        }
    }

    #[test]
    fn what_is_written_is_read_and_merged() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.percentile_us(50.0), 0.0);
        assert_eq!("".parse::<Histogram>().unwrap(), histogram);
        for ns in [0, 7, 900, 900, 1_000_000] {
            histogram.record(Duration::from_nanos(ns));
        }
        let read: Histogram = histogram.to_string().parse().unwrap();
        assert_eq!(read, histogram);
        let mut twice = read.clone();
        twice.merge(&histogram);
        assert_eq!((twice.total, twice.percentile_us(100.0)), (10, read.percentile_us(100.0)));
        assert!("99999999:1".parse::<Histogram>().is_err());
    }
}
