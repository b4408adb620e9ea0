//! Percentiles of any number of values in bounded memory: a merging t-digest.

/// Centroids are at most about this many. Elasticsearch has 100 of them, and is off by some percent at the ends.
const COMPRESSION: f64 = 400.0;
/// Values that are collected before they are merged into centroids. As long as there are no more, percentiles are exact.
const BUFFER_VALUES: usize = 1000;

/// What is known of the values: `(mean, weight)`.
#[derive(Debug, Clone, Default)]
pub struct Digest {
    /// Ascending.
    centroids: Vec<(f64, f64)>,
    buffer: Vec<(f64, f64)>,
    least: Option<f64>,
    most: Option<f64>,
}

impl Digest {
    pub fn add(&mut self, value: f64) {
        self.least = Some(self.least.map_or(value, |least| least.min(value)));
        self.most = Some(self.most.map_or(value, |most| most.max(value)));
        self.buffer.push((value, 1.0));
        if self.buffer.len() >= BUFFER_VALUES {
            self.compress();
        }
    }

    pub fn merge(&mut self, other: Digest) {
        for end in [other.least, other.most].into_iter().flatten() {
            self.least = Some(self.least.map_or(end, |least| least.min(end)));
            self.most = Some(self.most.map_or(end, |most| most.max(end)));
        }
        self.buffer.extend(other.centroids);
        self.buffer.extend(other.buffer);
        if self.buffer.len() >= BUFFER_VALUES {
            self.compress();
        }
    }

    /// Joins neighbours as long as the scale function k1 allows: few in the middle, single ones at the ends.
    fn compress(&mut self) {
        let mut all = std::mem::take(&mut self.buffer);
        all.append(&mut self.centroids);
        all.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let total: f64 = all.iter().map(|(_, weight)| weight).sum();
        let scale = |q: f64| COMPRESSION / std::f64::consts::TAU * (2.0 * q.clamp(0.0, 1.0) - 1.0).asin();
        let mut before = 0.0;
        let mut begin = scale(0.0);
        for (mean, weight) in all {
            let end = scale((before + weight) / total);
            match self.centroids.last_mut() {
                Some((last, sum)) if end - begin <= 1.0 => {
                    *sum += weight;
                    *last += (mean - *last) * weight / *sum;
                }
                _ => {
                    begin = scale(before / total);
                    self.centroids.push((mean, weight));
                }
            }
            before += weight;
        }
    }

    /// The value below which `percent` of the values are; `None`: there are none.
    pub fn percentile(&self, percent: f64) -> Option<f64> {
        let (least, most) = (self.least?, self.most?);
        let mut all = self.centroids.clone();
        all.extend(&self.buffer);
        all.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let total: f64 = all.iter().map(|(_, weight)| weight).sum();
        let wanted = percent / 100.0 * total;
        // A centroid stands in the middle of its values; between two of them lies a straight line.
        let (mut place, mut value) = (0.5f64.min(total / 2.0), least);
        let mut before = 0.0;
        for (mean, weight) in all {
            let middle = before + weight / 2.0;
            if wanted < middle {
                let share = if middle > place { ((wanted - place) / (middle - place)).max(0.0) } else { 0.0 };
                return Some((value + (mean - value) * share).clamp(least, most));
            }
            (place, value) = (middle, mean);
            before += weight;
        }
        let end = total - 0.5;
        let share = if end > place { ((wanted - place) / (end - place)).clamp(0.0, 1.0) } else { 1.0 };
        Some((value + (most - value) * share).clamp(least, most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_values_are_exact_and_many_are_near() {
        let mut few = Digest::default();
        (1..=4).for_each(|value| few.add(f64::from(value)));
        assert_eq!([0.0, 50.0, 100.0].map(|percent| few.percentile(percent)), [Some(1.0), Some(2.5), Some(4.0)]);
        assert_eq!(Digest::default().percentile(50.0), None);

        let mut many = Digest::default();
        for part in 0..4 {
            let mut digest = Digest::default();
            (0..25_000).for_each(|value| digest.add(f64::from(value * 4 + part)));
            many.merge(digest);
        }
        for percent in [1.0, 5.0, 25.0, 50.0, 75.0, 95.0, 99.0] {
            let found = many.percentile(percent).expect("there are values");
            assert!((found - percent * 1000.0).abs() < 500.0, "{percent}: {found}");
        }
        assert!(many.centroids.len() < 800, "{}", many.centroids.len());
    }
}
