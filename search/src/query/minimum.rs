//! `minimum_should_match`: how many of several clauses must match.

use super::ast::{Amount, MinimumShouldMatch};
use super::error::Refusal;
use serde_json::Value;

impl MinimumShouldMatch {
    /// A number, or a text such as `75%` or `2<-25% 9<-3`.
    pub fn parse(value: &Value) -> Result<Self, Refusal> {
        let text = match value {
            Value::String(text) => text.trim().to_owned(),
            number => number.to_string(),
        };
        let wrong = || Refusal::new("number_format_exception", format!("For input string: {text:?}"));
        let amount = |text: &str| {
            let (number, make): (_, fn(i64) -> Amount) = match text.strip_suffix('%') {
                Some(number) => (number, Amount::Percent),
                None => (text, Amount::Count),
            };
            number.trim().parse::<i32>().map(|number| make(i64::from(number))).map_err(|_| wrong())
        };
        if !text.contains('<') {
            return Ok(Self(vec![(None, amount(&text)?)]));
        }
        let conditions = text.split_whitespace().map(|condition| {
            let (above, then) = condition.split_once('<').ok_or_else(wrong)?;
            Ok((Some(above.parse().map_err(|_| wrong())?), amount(then)?))
        });
        Ok(Self(conditions.collect::<Result<_, _>>()?))
    }

    /// How many of `clauses` must match. With conditions, the last one whose number is exceeded counts; none: all.
    pub fn of(&self, clauses: usize) -> usize {
        let mut chosen = None;
        for (above, amount) in &self.0 {
            match above {
                Some(above) if clauses <= *above => break,
                _ => chosen = Some(*amount),
            }
        }
        let all = i64::try_from(clauses).unwrap_or(i64::MAX);
        let count = match chosen {
            None => all,
            Some(Amount::Count(count)) => count,
            Some(Amount::Percent(percent)) => (all as f64 * percent as f64 / 100.0) as i64,
        };
        let least = if count < 0 { all + count } else { count };
        usize::try_from(least.max(0)).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn counts_as_lucene_does() {
        let check = |value, clauses, expect| {
            assert_eq!(MinimumShouldMatch::parse(&value).map(|minimum| minimum.of(clauses)), Ok(expect), "{value}");
        };
        check(json!(2), 3, 2);
        check(json!(-1), 3, 2);
        check(json!("75%"), 5, 3);
        check(json!("-25%"), 5, 4);
        check(json!("3<90%"), 3, 3);
        check(json!("3<90%"), 10, 9);
        check(json!("2<-25% 9<-3"), 2, 2);
        check(json!("2<-25% 9<-3"), 8, 6);
        check(json!("2<-25% 9<-3"), 12, 9);
        check(json!(5), 3, 5);
        assert!(MinimumShouldMatch::parse(&json!("most")).is_err());
    }
}
