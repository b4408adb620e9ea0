//! Which files `up` follows when none were named, and how files and sizes are shown.

use crate::failure::Failure;
use std::path::Path;

/// Where system services log by convention (Filesystem Hierarchy Standard, /var/log).
const LOG_DIRECTORY: &str = "/var/log";
/// Deepest directory below [`LOG_DIRECTORY`] that is looked into: services keep at most a few levels there.
const DEPTH_MAX: usize = 4;

/// The readable `*.log` under /var/log.
pub fn readable_logs() -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    collect(Path::new(LOG_DIRECTORY), DEPTH_MAX, &mut found);
    found.sort();
    if found.is_empty() {
        return Err(Failure::new(
            format!("no file was named, and no readable *.log is under {LOG_DIRECTORY}"),
            "name files or globs, for example: sluice up ./app.log '/srv/*/logs/*.log'",
        ));
    }
    Ok(found)
}

fn collect(directory: &Path, depth_left: usize, found: &mut Vec<String>) {
    // What cannot be read is left out: nobody named it.
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() && depth_left > 0 {
            collect(&path, depth_left - 1, found);
        } else if kind.is_file()
            && path.extension().is_some_and(|extension| extension == "log")
            && let (Ok(_), Some(path)) = (std::fs::File::open(&path), path.to_str())
        {
            found.push(path.to_owned());
        }
    }
}

/// `bytes` with a binary unit, for people.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    match unit {
        0 => format!("{bytes} B"),
        _ => format!("{value:.1} {}", UNITS[unit]),
    }
}

/// `number` with thousands separated, for people.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        assert_eq!(size(0), "0 B");
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(u64::MAX), "16777216.0 TiB");
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1000), "1,000");
        assert_eq!(count(1234567), "1,234,567");
    }
}
