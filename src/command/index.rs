//! Which index, or data stream, a worker writes to.

use crate::config::WorkerSection;
use crate::failure::Failure;

/// The data stream when no index is said: the server begins a new index behind it by age and size, so no date is needed.
pub const DATA_STREAM_DEFAULT: &str = "sluice-<dataset>";

/// The index pattern that the section says, if any.
///
/// # Errors
/// A data stream with a date in its name would be a new one each month, and each would roll over on its own.
pub fn index(section: &WorkerSection) -> Result<Option<String>, Failure> {
    match (&section.index, is_data_stream(section)) {
        (None, true) => Ok(Some(DATA_STREAM_DEFAULT.to_owned())),
        (Some(index), true) if index.contains("<yyyy") => {
            let message = format!("worker.index {index:?} has a date in it, and worker.data_stream is true");
            Err(Failure::new(
                message,
                "leave the date out, as in sluice-<dataset>: the server begins new indices behind it",
            ))
        }
        (index, _) => Ok(index.clone()),
    }
}

pub fn is_data_stream(section: &WorkerSection) -> bool {
    section.data_stream.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_or_a_data_stream() {
        // `None`: it is refused.
        let check = |yaml: &str, want: Option<Option<&str>>| {
            let section: WorkerSection = serde_saphyr::from_str(yaml).expect("a section");
            let got = index(&section).ok();
            assert_eq!(got.as_ref().map(Option::as_deref), want, "{yaml}");
        };
        check("{}", Some(None));
        check("index: a-<yyyy.MM>", Some(Some("a-<yyyy.MM>")));
        check("data_stream: false", Some(None));
        check("data_stream: true", Some(Some(DATA_STREAM_DEFAULT)));
        check("{data_stream: true, index: logs-<dataset>}", Some(Some("logs-<dataset>")));
        check("{data_stream: true, index: logs-<yyyy.MM.dd>}", None);
    }
}
