//! What container runtimes wrap lines in: Docker's json-file driver and Kubernetes' CRI.
//!
//! ```text
//! docker  {"log":"a line\n","stream":"stdout","time":"2026-01-02T03:04:05.678901234Z"}   a piece has no \n at its end
//! cri     2026-01-02T03:04:05.678901234Z stdout F a line                                 a piece has the tag P
//! ```
//!
//! Sources: moby `daemon/logger/jsonfilelog/jsonlog`, kubernetes `pkg/kubelet/kuberuntime/logs`. Both cut lines at 16 KiB
//! into pieces, and the pieces of stdout and stderr may alternate.

use super::Container;
use serde::Deserialize;
use std::borrow::Cow;

/// A line, or a piece of one, without its wrapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece<'a> {
    pub stream: Cow<'a, [u8]>,
    pub time: Cow<'a, [u8]>,
    pub text: Cow<'a, [u8]>,
    /// It is the last one of its line.
    pub whole: bool,
}

#[derive(Deserialize)]
struct Docker<'a> {
    #[serde(borrow)]
    log: Cow<'a, str>,
    #[serde(borrow)]
    stream: Cow<'a, str>,
    #[serde(borrow)]
    time: Cow<'a, str>,
}

impl<'a> Piece<'a> {
    /// `None`: no runtime wrote this.
    pub fn read(container: Container, line: &'a [u8]) -> Option<Self> {
        match container {
            Container::Docker => Self::docker(line),
            Container::Cri => Self::cri(line),
            Container::Auto if line.first() == Some(&b'{') => Self::docker(line),
            Container::Auto => Self::cri(line),
        }
    }

    fn docker(line: &'a [u8]) -> Option<Self> {
        let Docker { log, stream, time } = serde_json::from_slice(line).ok()?;
        let mut text = bytes_of(log);
        let whole = text.ends_with(b"\n");
        if whole {
            let rest = text[..text.len() - 1].strip_suffix(b"\r").map_or(text.len() - 1, <[u8]>::len);
            shorten(&mut text, rest);
        }
        Some(Self { stream: bytes_of(stream), time: bytes_of(time), text, whole })
    }

    fn cri(line: &'a [u8]) -> Option<Self> {
        let (time, rest) = word(line)?;
        let (stream, rest) = word(rest)?;
        // An empty line may have lost the space before it.
        let (tags, text) = word(rest).unwrap_or((rest, &[]));
        let is_time = time.len() >= 20 && time[4] == b'-' && time[10] == b'T' && time[0].is_ascii_digit();
        if !is_time || !matches!(stream, b"stdout" | b"stderr") {
            return None;
        }
        // Tags beyond the first are for later versions, says the interface.
        let whole = match tags.split(|&byte| byte == b':').next() {
            Some(b"F") => true,
            Some(b"P") => false,
            _ => return None,
        };
        let text = if whole { text.strip_suffix(b"\r").unwrap_or(text) } else { text };
        let borrowed = Cow::Borrowed;
        Some(Self { stream: borrowed(stream), time: borrowed(time), text: borrowed(text), whole })
    }

    pub fn into_owned(self) -> Piece<'static> {
        let owned = |bytes: Cow<'_, [u8]>| Cow::Owned(bytes.into_owned());
        Piece { stream: owned(self.stream), time: owned(self.time), text: owned(self.text), whole: self.whole }
    }
}

fn word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = memchr::memchr(b' ', text)?;
    Some((&text[..space], &text[space + 1..]))
}

fn bytes_of(text: Cow<'_, str>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

fn shorten(text: &mut Cow<'_, [u8]>, bytes: usize) {
    match text {
        Cow::Borrowed(text) => *text = &text[..bytes],
        Cow::Owned(text) => text.truncate(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(container: Container, line: &str, expect: Option<(&str, &str, &str, bool)>) {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
        let got = Piece::read(container, line.as_bytes());
        let got = got.map(|piece| (text(&piece.stream), text(&piece.time), text(&piece.text), piece.whole));
        let want =
            expect.map(|(stream, time, text, whole)| (stream.to_owned(), time.to_owned(), text.to_owned(), whole));
        assert_eq!(got, want, "{line}");
    }

    const TIME: &str = "2026-01-02T03:04:05.678901234Z";

    #[test]
    fn docker_lines_end_with_a_newline_and_pieces_do_not() {
        let docker = |log: &str| format!("{{\"log\":\"{log}\",\"stream\":\"stderr\",\"time\":\"{TIME}\"}}");
        for container in [Container::Docker, Container::Auto] {
            check(container, &docker("a \\\"b\\\" \\u003c\\t\\n"), Some(("stderr", TIME, "a \"b\" <\t", true)));
            check(container, &docker("crlf\\r\\n"), Some(("stderr", TIME, "crlf", true)));
            check(container, &docker("piece\\r"), Some(("stderr", TIME, "piece\r", false)));
            check(container, &docker("\\n"), Some(("stderr", TIME, "", true)));
            check(container, "{\"log\":\"x\\n\"}", None);
            check(container, "{\"log\":\"x", None);
        }
        let attributes =
            format!("{{\"log\":\"x\\n\",\"stream\":\"stdout\",\"attrs\":{{\"a\":\"b\"}},\"time\":\"{TIME}\"}}");
        check(Container::Auto, &attributes, Some(("stdout", TIME, "x", true)));
    }

    #[test]
    fn cri_lines_say_whether_they_are_whole() {
        for container in [Container::Cri, Container::Auto] {
            check(container, &format!("{TIME} stdout F a  b "), Some(("stdout", TIME, "a  b ", true)));
            check(container, &format!("{TIME} stderr P:x piece\r"), Some(("stderr", TIME, "piece\r", false)));
            check(container, &format!("{TIME} stdout F "), Some(("stdout", TIME, "", true)));
            check(container, &format!("{TIME} stdout F"), Some(("stdout", TIME, "", true)));
            check(container, &format!("{TIME} stdin F x"), None);
            check(container, &format!("{TIME} stdout X x"), None);
            check(container, "a b c d", None);
            check(container, "", None);
        }
    }
}
