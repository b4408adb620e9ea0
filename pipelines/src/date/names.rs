//! English names of months and days; their first three letters are the short forms.

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// From Monday.
pub(super) const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// The name at the start of a text: its index and length. No two names begin with the same three letters.
pub(super) fn at_start(text: &str, names: &[&str], full: bool) -> Option<(usize, usize)> {
    let short = text.as_bytes().first_chunk::<3>()?;
    let index = names.iter().position(|name| name.as_bytes().first_chunk() == Some(short))?;
    match full {
        true => text.starts_with(names[index]).then_some((index, names[index].len())),
        false => Some((index, short.len())),
    }
}
