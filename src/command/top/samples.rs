//! Samples of OpenMetrics texts, summed over all status ports.

use std::collections::HashMap;

/// Values by name and labels, as they are written: `name{a="b"}`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Samples {
    values: HashMap<String, f64>,
}

impl Samples {
    /// Adds those of one text; what is no sample is passed over.
    pub fn read(&mut self, text: &str) {
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            // A label's value may have spaces in it, what stands behind the labels has none.
            let split = line.rfind('}').map_or_else(|| line.find(' '), |end| Some(end + 1));
            let Some((key, rest)) = split.and_then(|at| line.split_at_checked(at)) else { continue };
            let Some(value) = rest.split_whitespace().next().and_then(|text| text.parse::<f64>().ok()) else {
                continue;
            };
            if !value.is_nan() {
                *self.values.entry(key.to_owned()).or_default() += value;
            }
        }
    }

    /// Those of a metric, whatever labels they have.
    fn of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        let is_it =
            move |key: &str| key.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('{'));
        self.values.iter().filter(move |(key, _)| is_it(key)).map(|(key, value)| (key.as_str(), *value))
    }

    /// The sum of a metric over its labels; `None`: there is no such metric.
    pub fn sum(&self, name: &str) -> Option<f64> {
        self.of(name).map(|(_, value)| value).reduce(|one, other| one + other)
    }

    /// The sum of those that have a label.
    pub fn sum_with(&self, name: &str, label: &str, value: &str) -> Option<f64> {
        let wanted = format!("{label}=\"{value}\"");
        self.of(name).filter(|(key, _)| key.contains(&wanted)).map(|(_, value)| value).reduce(|one, other| one + other)
    }

    pub fn largest(&self, name: &str) -> Option<f64> {
        self.of(name).map(|(_, value)| value).reduce(f64::max)
    }

    pub fn has(&self, prefix: &str) -> bool {
        self.values.keys().any(|key| key.starts_with(prefix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_several_parts_are_summed() {
        let mut samples = Samples::default();
        samples.read("# TYPE a counter\na_total 3\nb{x=\"1 } 2\",y=\"z\"} 4.5\nb{x=\"2\",y=\"q\"} 1\n# EOF\n");
        samples.read("a_total 2 1700000000\nbroken\nnan NaN\nab_total 100\n");
        assert_eq!(samples.sum("a_total"), Some(5.0));
        assert_eq!(samples.sum("b"), Some(5.5));
        assert_eq!(samples.sum_with("b", "y", "q"), Some(1.0));
        assert_eq!(samples.largest("b"), Some(4.5));
        assert_eq!((samples.sum("nan"), samples.sum("broken"), samples.sum("a")), (None, None, None));
        assert!(samples.has("a_") && !samples.has("c"));
    }
}
