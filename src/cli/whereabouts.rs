//! The command lines of `sluice explain` and `sluice verify`.

use super::PlaceArgs;
use clap::Args;
use std::path::PathBuf;
use std::str::FromStr;

/// Lines that `verify` lists when nothing else is said: a screen.
const LISTED_DEFAULT: usize = 20;

#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Lines, counted from 1, such as /var/log/app.log:17; of a rotated file under the name that it has now.
    #[arg(value_name = "FILE:LINE", required = true)]
    pub lines: Vec<FileLine>,

    /// An object of JSON for each line.
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub chain: ChainArgs,
}

#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Files whose lines are compared; compressed ones too.
    #[arg(value_name = "FILES", required = true)]
    pub files: Vec<PathBuf>,

    /// One object of JSON: the sums and all lines that are listed.
    #[arg(long)]
    pub json: bool,

    /// List at most so many lines that are not a document.
    #[arg(long, value_name = "N", default_value_t = LISTED_DEFAULT)]
    pub limit: usize,

    #[command(flatten)]
    pub chain: ChainArgs,
}

/// The chain that lines go through.
#[derive(Debug, Args)]
pub struct ChainArgs {
    /// Directory of the agent's checkpoints; that of `sluice up` is DATA/agent [default: ./sluice-data/agent].
    #[arg(long, value_name = "DIR")]
    pub checkpoints: Option<PathBuf>,

    /// Address of the agent's status server, which is asked where there are no checkpoints [default: 127.0.0.1:9602, then
    /// port 9600].
    #[arg(long, value_name = "HOST:PORT")]
    pub status_listen: Option<std::net::SocketAddr>,

    /// Broker that has the topics [default: 127.0.0.1:9092].
    #[arg(long, value_name = "HOST:PORT")]
    pub broker: Vec<String>,

    /// Consumer group of the workers [default: sluice].
    #[arg(long, value_name = "NAME")]
    pub group: Option<String>,

    #[command(flatten)]
    pub place: PlaceArgs,
}

/// A line of a file, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileLine {
    pub file: PathBuf,
    pub line: u64,
}

impl FromStr for FileLine {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (file, line) = text.rsplit_once(':')?;
            let line = line.parse().ok().filter(|line| *line > 0)?;
            (!file.is_empty()).then(|| Self { file: file.into(), line })
        };
        read().ok_or_else(|| format!("got {text:?}; want FILE:LINE, such as app.log:17, counted from 1"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_lines() {
        let check = |text: &str, want: Option<(&str, u64)>| {
            let want = want.map(|(file, line)| FileLine { file: file.into(), line });
            assert_eq!(text.parse::<FileLine>().ok(), want, "{text:?}");
        };
        check("a.log:1", Some(("a.log", 1)));
        check("/x:y/a:b:20", Some(("/x:y/a:b", 20)));
        for wrong in ["", "a.log", "a.log:", ":1", "a.log:0", "a.log:-1", "a.log:x"] {
            check(wrong, None);
        }
    }
}
