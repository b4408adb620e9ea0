//! The commands that the documentation has, for the test that parses them and for the one that runs them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Markdown that may have commands in it: README.md, ARCHITECTURE.md, and everything in docs/.
pub fn pages(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut pages = vec![root.join("README.md"), root.join("ARCHITECTURE.md")];
    let docs = fs::read_dir(root.join("docs"))?.flatten().map(|entry| entry.path());
    pages.extend(docs.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    Ok(pages)
}

/// The commands in the blocks for a shell, with the comments behind them; a line that ends with `\` goes on.
pub fn shell_lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let (mut is_shell, mut goes_on) = (false, false);
    for line in text.lines() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            is_shell = !is_shell && matches!(language.trim(), "sh" | "bash" | "console");
            continue;
        }
        if !is_shell {
            continue;
        }
        let line = line.trim_end();
        let (part, more) = line.strip_suffix('\\').map_or((line, false), |part| (part, true));
        match lines.last_mut() {
            Some(last) if goes_on => last.push_str(part),
            _ if part.is_empty() || part.starts_with('#') => {}
            _ => lines.push(part.to_owned()),
        }
        goes_on = more;
    }
    lines
}
