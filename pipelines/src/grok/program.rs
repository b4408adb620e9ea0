//! The program that patterns are lowered to, and that the matcher runs.

use memchr::memmem::Finder;

use super::charset::{CharSet, First};
use super::ranges::Ranges;

/// Bytes of a literal that are compared at once: those between fields are hardly ever longer.
pub(super) const LITERAL_SHORT: usize = 8;

/// Index of an instruction.
pub(super) type Pc = u32;

/// One step. Everything that follows a step is named in it: there is no next instruction by position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Instruction {
    /// The pattern has matched, or the part of it that a [`Instruction::Sub`] runs.
    Accept,
    Fail,
    Byte {
        byte: u8,
        next: Pc,
    },
    /// Bytes of [`Program::literals`].
    Literal {
        start: u32,
        length: u32,
        next: Pc,
    },
    /// One character of a set.
    Set {
        set: u32,
        next: Pc,
    },
    /// As many characters of a set as there are.
    Span {
        span: u32,
        next: Pc,
    },
    /// One of several ways, in this order.
    Choice {
        choice: u32,
    },
    Save {
        slot: u32,
        next: Pc,
    },
    Assert {
        place: Place,
        next: Pc,
    },
    /// Whether a character of a set stands beside the place.
    Look {
        set: u32,
        look: Look,
        next: Pc,
    },
    /// A part of the program that is run on its own: once it has matched, there is no way back into it.
    Sub {
        sub: u32,
        next: Pc,
    },
    Native {
        native: Native,
        next: Pc,
    },
    /// Code of its own for the usual form; what it stands for, an index into [`Program::targets`], is tried behind it.
    Quick {
        native: Native,
        /// Where the usual form is there, what it stands for has no other end that could be followed.
        is_sure: bool,
        target: u32,
        next: Pc,
    },
    /// The start of a capture, a [`Instruction::Span`], [`Instruction::Native`] or [`Instruction::Quick`], the end of the capture,
    /// and a few bytes.
    Take(Take),
    /// The end of a loop's body, which goes on only when the body took something.
    Progress {
        slot: u32,
        head: Pc,
        next: Pc,
    },
    /// Only goes on where a literal that is needed later still comes.
    Require {
        literal: u32,
        next: Pc,
    },
    /// The text that a capture has.
    Backreference {
        capture: u32,
        ignore_case: bool,
        next: Pc,
    },
}

/// An [`Instruction::Take`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Take {
    /// An edge of a word is before the part and behind it.
    pub is_word: bool,
    /// Bytes of [`Program::literals`] that come behind it: none, or at most [`LITERAL_SHORT`].
    pub behind: u32,
    pub behind_length: u8,
    pub slot: u32,
    /// What stands behind the start of the capture.
    pub inner: Pc,
    pub part: Part,
    /// The part's own instruction.
    pub part_pc: Pc,
    pub next: Pc,
}

/// What an [`Instruction::Take`] takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Span(u32),
    Native(Native),
    Quick { native: Native, is_sure: bool, target: u32 },
}

/// A place in a line, without a look at sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    LineStart,
    LineEnd,
    TextStart,
    TextEnd,
    TextEndOrNewline,
    WordBoundary,
    NotWordBoundary,
}

impl Place {
    pub fn name(self) -> &'static str {
        match self {
            Place::LineStart => "the start of a line",
            Place::LineEnd => "the end of the line",
            Place::TextStart => "the start of the text",
            Place::TextEnd | Place::TextEndOrNewline => "the end of the text",
            Place::WordBoundary => "the edge of a word",
            Place::NotWordBoundary => "no edge of a word",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    Ahead,
    NotAhead,
    Behind,
    NotBehind,
}

/// What is matched by code of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Native {
    /// `IPV4`: four numbers up to 255 with dots between them, no digit beside them.
    Ipv4,
    /// Where no colon follows at most four hexadecimal digits no `IPV6` begins.
    Ipv6Ahead,
    /// `BASE10NUM`: sign, digits and fraction, not in the middle of such.
    Base10,
    /// `QUOTEDSTRING`: to the quote that ends it, past what a backslash takes the meaning from.
    Quoted,
    /// `HTTPDATE` in its usual form, `23/Nov/2025:07:08:09 +0000`.
    HttpDate,
    /// `SYSLOGTIMESTAMP` in its usual form, `Nov  3 07:08:09`.
    SyslogTimestamp,
    /// `IP` and `IPORHOST`: an address of version 4 that goes on neither as one of version 6 nor as a name.
    Ip,
    /// `HTTPDUSER`: no user, `- `.
    NoUser,
}

impl Native {
    /// Whether it only looks, and what it looks for is matched by the instructions behind it.
    pub fn is_only_ahead(self) -> bool {
        self == Native::Ipv6Ahead
    }

    /// Whether it knows only the usual form of what it stands for, and of the ways through that the first.
    pub fn is_quick(self) -> bool {
        matches!(self, Native::HttpDate | Native::SyslogTimestamp | Native::Ip | Native::NoUser)
    }

    /// Of a quick one whether what it stands for has no other end, where it has the usual form and these bytes can follow. All
    /// other ends would be before the usual one.
    pub fn is_sure_before(self, after: &First) -> bool {
        let can_follow = |mut bytes: std::ops::RangeInclusive<u8>| bytes.any(|byte| after.contains(byte));
        match self {
            Native::HttpDate | Native::SyslogTimestamp => !can_follow(b'0'..=b'9'),
            Native::Ip => !can_follow(b'0'..=b'9') && !after.contains(b'.'),
            Native::NoUser => true,
            _ => false,
        }
    }
}

/// A row of characters of one set.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub set: u32,
    pub min: u32,
    pub max: Option<u32>,
    pub way: Way,
    pub scan: Scan,
    /// Bytes that are surely in the row, where ranges say it; the rest is for `scan`.
    pub ranges: Option<Ranges>,
    /// Index into [`Program::follows`]: the bytes that can follow, when they tell anything.
    pub follow: Option<u32>,
    /// The only byte that can follow.
    pub follow_byte: Option<u8>,
    /// Where its visits are noted.
    pub point: u32,
}

impl Span {
    /// How many bytes are surely in a row from the start on, and whether it ends there.
    #[inline]
    pub fn sure_row(&self, bytes: &[u8]) -> (usize, bool) {
        self.ranges.as_ref().map_or((0, false), |ranges| ranges.row(bytes))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// The longest row is the only one that can be followed by what follows.
    Only,
    Greedy,
    Lazy,
}

/// How the end of a row is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scan {
    /// Byte by byte in the set's table.
    Table,
    /// By the bytes that are not in the set.
    Until(u8),
    UntilTwo(u8, u8),
    UntilThree(u8, u8, u8),
    /// Everything is in the set.
    Rest,
    /// Character by character.
    Chars,
}

/// What can follow a row of characters.
#[derive(Clone, Debug)]
pub(super) struct Follow {
    pub table: [bool; 256],
    /// Whether the line's end can.
    pub end: bool,
}

/// Ways to go on, by the next byte.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    /// For each byte, and behind them for the line's end, an index into `lists`.
    pub table: Box<[u16; 257]>,
    /// Start and end in [`Program::targets`].
    pub lists: Vec<(u32, u32)>,
    pub point: u32,
}

/// A part that is run on its own.
#[derive(Clone, Debug)]
pub(super) struct Sub {
    pub kind: SubKind,
    pub start: Pc,
    pub has_captures: bool,
    /// Index into [`Program::follows`]: the bytes with which it can begin, when they tell anything.
    pub first: Option<u32>,
    /// Whether it has a length of its own, whatever the line's.
    pub is_short: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SubKind {
    Atomic,
    Ahead {
        negative: bool,
    },
    /// Each way with the number of characters that it takes.
    Behind {
        negative: bool,
        ways: Vec<(Pc, u32)>,
    },
}

/// Compiled patterns.
#[derive(Debug, Default)]
pub(super) struct Program {
    pub instructions: Vec<Instruction>,
    pub start: Pc,
    pub sets: Vec<CharSet>,
    pub spans: Vec<Span>,
    pub choices: Vec<Choice>,
    pub targets: Vec<Pc>,
    pub subs: Vec<Sub>,
    /// Behind them there are [`LITERAL_SHORT`] bytes, so that so many can be looked at wherever one begins.
    pub literals: Vec<u8>,
    pub follows: Vec<Follow>,
    pub required: Vec<Finder<'static>>,
    /// What a match needs somewhere, for a program without [`Instruction::Require`].
    pub needs: Option<Finder<'static>>,
    /// Slots of captures (two each) and of loops behind them.
    pub slots: usize,
    /// Places whose visits are noted: see the matcher.
    pub points: usize,
    /// Bytes with which a match can begin; none when that tells nothing.
    pub begin: Option<Box<[bool; 256]>>,
    /// Whether a match can begin at the end of a line only if it can be empty.
    pub begin_at_end: bool,
    /// A match begins where a line does.
    pub at_line_start: bool,
    pub at_text_start: bool,
    /// Notes of visits are of no use, since what follows depends on captures.
    pub has_backreferences: bool,
    /// For each instruction the index of the part of the pattern that it comes from.
    pub origins: Vec<u32>,
    pub labels: Vec<String>,
}
