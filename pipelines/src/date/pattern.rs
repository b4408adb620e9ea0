//! Java's patterns for times, such as `dd/MMM/yyyy:HH:mm:ss Z`, compiled to a row of parts.
//!
//! Letters and widths have the meaning of `java.time.format.DateTimeFormatter`, in English.

use thiserror::Error;

/// One part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Literal(char),
    Number {
        field: NumberField,
        digits_min: usize,
        digits_max: usize,
    },
    /// The last two digits of a year from 2000 to 2099.
    ShortYear,
    Fraction {
        digits: usize,
    },
    MonthName {
        full: bool,
    },
    DayName {
        full: bool,
    },
    AmPm,
    Offset(OffsetStyle),
    /// A zone's name or abbreviation.
    Zone,
    /// Between square brackets: may be missing.
    Optional(Vec<Part>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NumberField {
    Year,
    Month,
    Day,
    DayOfYear,
    /// 0 to 23.
    Hour,
    /// 1 to 24.
    ClockHour,
    /// 1 to 12, with AM or PM.
    ClockHourOfHalf,
    /// 0 to 11, with AM or PM.
    HourOfHalf,
    Minute,
    Second,
    Nanosecond,
}

/// How a distance to UTC is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OffsetStyle {
    pub colon: bool,
    /// Whether minutes may be missing: `+02`.
    pub short: bool,
    /// Whether zero is written `Z`.
    pub zulu: bool,
    /// `GMT+02:00`.
    pub gmt: bool,
}

/// Why a text is not a pattern that can be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(crate) enum PatternError {
    #[error("unknown pattern letter {letter:?} in {pattern:?}")]
    UnknownLetter { letter: char, pattern: String },
    #[error("pattern letter {letter:?} cannot stand {count} times in {pattern:?}")]
    TooMany { letter: char, count: usize, pattern: String },
    #[error("pattern {pattern:?} has an unclosed {what}")]
    Unclosed { what: &'static str, pattern: String },
    #[error("pattern {pattern:?} has a reserved character {c:?}")]
    Reserved { c: char, pattern: String },
    #[error("pattern {pattern:?} has {what}")]
    Brackets { what: &'static str, pattern: String },
}

/// How deep square brackets may lie in each other.
const NESTING_MAX: usize = 16;

/// Compiles a pattern.
pub(super) fn compile(pattern: &str) -> Result<Vec<Part>, PatternError> {
    let owned = || pattern.to_owned();
    let mut open: Vec<Vec<Part>> = vec![Vec::new()];
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        let part = match c {
            'a'..='z' | 'A'..='Z' => {
                let mut count = 1;
                while chars.next_if_eq(&c).is_some() {
                    count += 1;
                }
                letters(c, count, pattern)?
            }
            '\'' if chars.next_if_eq(&'\'').is_some() => Part::Literal('\''),
            '\'' => {
                loop {
                    match chars.next() {
                        Some('\'') if chars.next_if_eq(&'\'').is_some() => push(&mut open, Part::Literal('\'')),
                        Some('\'') => break,
                        Some(c) => push(&mut open, Part::Literal(c)),
                        None => return Err(PatternError::Unclosed { what: "quote", pattern: owned() }),
                    }
                }
                continue;
            }
            '[' if open.len() > NESTING_MAX => {
                return Err(PatternError::Brackets { what: "too many brackets in each other", pattern: owned() });
            }
            '[' => {
                open.push(Vec::new());
                continue;
            }
            ']' => match open.pop() {
                Some(parts) if !open.is_empty() => Part::Optional(parts),
                _ => {
                    let what = "a closing bracket without an opening one";
                    return Err(PatternError::Brackets { what, pattern: owned() });
                }
            },
            '{' | '}' | '#' => return Err(PatternError::Reserved { c, pattern: owned() }),
            _ => Part::Literal(c),
        };
        push(&mut open, part);
    }
    // Java closes what is open at the end.
    while open.len() > 1 {
        if let Some(parts) = open.pop() {
            push(&mut open, Part::Optional(parts));
        }
    }
    Ok(open.pop().unwrap_or_default())
}

fn push(open: &mut [Vec<Part>], part: Part) {
    if let Some(last) = open.last_mut() {
        last.push(part);
    }
}

fn letters(letter: char, count: usize, pattern: &str) -> Result<Part, PatternError> {
    let too_many = || Err(PatternError::TooMany { letter, count, pattern: pattern.to_owned() });
    // Java reads up to 19 digits where one letter stands; no value has more than these.
    let number = |field, digits_max: usize| {
        let part = |digits_min, digits_max| Ok(Part::Number { field, digits_min, digits_max });
        match count {
            1 => part(1, digits_max),
            2 => part(2, 2),
            _ => Err(PatternError::TooMany { letter, count, pattern: pattern.to_owned() }),
        }
    };
    match letter {
        'y' | 'u' => match count {
            1 => Ok(Part::Number { field: NumberField::Year, digits_min: 1, digits_max: 4 }),
            2 => Ok(Part::ShortYear),
            3 | 4 => Ok(Part::Number { field: NumberField::Year, digits_min: count, digits_max: 4 }),
            _ => too_many(),
        },
        'M' | 'L' => match count {
            1 | 2 => number(NumberField::Month, 2),
            3 => Ok(Part::MonthName { full: false }),
            4 => Ok(Part::MonthName { full: true }),
            _ => too_many(),
        },
        'd' => number(NumberField::Day, 2),
        'D' if count <= 3 => {
            let digits_max = if count == 1 { 3 } else { count.max(3) };
            Ok(Part::Number { field: NumberField::DayOfYear, digits_min: count, digits_max })
        }
        'E' => match count {
            1..=3 => Ok(Part::DayName { full: false }),
            4 => Ok(Part::DayName { full: true }),
            _ => too_many(),
        },
        'H' => number(NumberField::Hour, 2),
        'k' => number(NumberField::ClockHour, 2),
        'K' => number(NumberField::HourOfHalf, 2),
        'h' => number(NumberField::ClockHourOfHalf, 2),
        'm' => number(NumberField::Minute, 2),
        's' => number(NumberField::Second, 2),
        'S' if count <= 9 => Ok(Part::Fraction { digits: count }),
        'n' if count <= 9 => Ok(Part::Number { field: NumberField::Nanosecond, digits_min: count, digits_max: 9 }),
        'a' if count == 1 => Ok(Part::AmPm),
        'Z' => match count {
            1..=3 => Ok(Part::Offset(OffsetStyle { colon: false, short: false, zulu: false, gmt: false })),
            4 => Ok(Part::Offset(OffsetStyle { colon: true, short: true, zulu: false, gmt: true })),
            5 => Ok(Part::Offset(OffsetStyle { colon: true, short: false, zulu: true, gmt: false })),
            _ => too_many(),
        },
        'X' | 'x' if count <= 5 => Ok(Part::Offset(OffsetStyle {
            colon: count == 3 || count == 5,
            short: count == 1,
            zulu: letter == 'X',
            gmt: false,
        })),
        'O' if count == 1 || count == 4 => {
            Ok(Part::Offset(OffsetStyle { colon: true, short: true, zulu: false, gmt: true }))
        }
        'z' | 'v' if count <= 4 => Ok(Part::Zone),
        'V' if count == 2 => Ok(Part::Zone),
        'D' | 'S' | 'n' | 'a' | 'X' | 'x' | 'O' | 'z' | 'v' | 'V' => too_many(),
        _ => Err(PatternError::UnknownLetter { letter, pattern: pattern.to_owned() }),
    }
}
