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

/// 1 to 12, by the first three letters of an English name. All twelve are compared at once, so that no month takes longer.
#[inline]
pub(crate) fn month(name: [u8; 3]) -> Option<u32> {
    const SHORT: [u32; 12] = {
        let mut short = [0; 12];
        let mut month = 0;
        while month < MONTHS.len() {
            let Some(name) = MONTHS[month].as_bytes().first_chunk() else { panic!("no name is so short") };
            short[month] = word(*name);
            month += 1;
        }
        short
    };
    let name = word(name);
    let number = (1..).zip(SHORT).map(|(number, short)| if short == name { number } else { 0 }).sum();
    (number > 0).then_some(number)
}

/// Three letters as a number: to compare texts is a call.
const fn word([first, second, third]: [u8; 3]) -> u32 {
    u32::from_le_bytes([first, second, third, 0])
}

/// From Monday.
pub(super) const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// The name at the start of a text: its index and length. No two names begin with the same three letters.
pub(super) fn at_start(text: &str, names: &[&str], full: bool) -> Option<(usize, usize)> {
    let short = text.as_bytes().first_chunk::<3>()?;
    let index =
        names.iter().position(|name| name.as_bytes().first_chunk().is_some_and(|name| word(*name) == word(*short)))?;
    match full {
        true => text.starts_with(names[index]).then_some((index, names[index].len())),
        false => Some((index, short.len())),
    }
}
