//! The crates `regex` and `fancy-regex` over the same trees: what the tests compare the matcher with.

mod assertion;
mod print;

use super::syntax::{NESTING_MAX, Node};
use print::Printed;

/// How many steps `fancy-regex` may take for one line.
const BACKTRACK_STEPS_MAX: usize = 1_000_000;
/// Largest compiled program.
const PROGRAM_BYTES_MAX: usize = 256 << 20;

/// Patterns compiled for the crates.
pub(super) enum Oracle {
    /// `fallback` answers for lines whose match fails a check; it is there when there are checks.
    Linear {
        regex: regex::Regex,
        groups: Vec<usize>,
        checks: Vec<(usize, assertion::Assertion)>,
        fallback: Option<Backtracking>,
    },
    Backtracking(Backtracking),
}

pub(super) struct Backtracking {
    regex: fancy_regex::Regex,
    groups: Vec<usize>,
}

/// Places of captures.
type Places = Vec<Option<(usize, usize)>>;

impl Oracle {
    pub fn compile(patterns: Vec<Node>, captures: usize) -> Result<Oracle, String> {
        let node = Node::Alternatives(patterns);
        Ok(match print::for_regex(&node, captures) {
            Some(printed) => linear(printed, &node, captures)?,
            None => Oracle::Backtracking(backtracking(&node, captures)?),
        })
    }

    /// The captures of the first match; an error when an engine gives up.
    pub fn find(&self, line: &str) -> Result<Option<Places>, String> {
        match self {
            Oracle::Linear { regex, groups, checks, fallback } => {
                let Some(captures) = regex.captures(line) else { return Ok(None) };
                let holds = checks.iter().all(|(group, assertion)| {
                    captures.get(*group).is_none_or(|place| assertion.holds(line, place.start()))
                });
                match fallback {
                    Some(fallback) if !holds => fallback.find(line),
                    _ => Ok(Some(
                        groups
                            .iter()
                            .map(|group| captures.get(*group).map(|found| (found.start(), found.end())))
                            .collect(),
                    )),
                }
            }
            Oracle::Backtracking(backtracking) => backtracking.find(line),
        }
    }
}

impl Backtracking {
    fn find(&self, line: &str) -> Result<Option<Places>, String> {
        let captures = self.regex.captures(line).map_err(|error| error.to_string())?;
        Ok(captures.map(|captures| {
            self.groups.iter().map(|group| captures.get(*group).map(|found| (found.start(), found.end()))).collect()
        }))
    }
}

fn linear(printed: Printed, node: &Node, captures: usize) -> Result<Oracle, String> {
    let regex = regex::RegexBuilder::new(&printed.text)
        .size_limit(PROGRAM_BYTES_MAX)
        .nest_limit(4 * NESTING_MAX as u32)
        .build()
        .map_err(|error| error.to_string())?;
    let fallback = if printed.checks.is_empty() { None } else { Some(backtracking(node, captures)?) };
    Ok(Oracle::Linear { regex, groups: printed.groups, checks: printed.checks, fallback })
}

fn backtracking(node: &Node, captures: usize) -> Result<Backtracking, String> {
    let printed = print::for_fancy_regex(node, captures);
    let regex = fancy_regex::RegexBuilder::new(&printed.text)
        .backtrack_limit(BACKTRACK_STEPS_MAX)
        .delegate_size_limit(PROGRAM_BYTES_MAX)
        .build()
        .map_err(|error| error.to_string())?;
    Ok(Backtracking { regex, groups: printed.groups })
}
