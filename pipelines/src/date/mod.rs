//! Times in texts: the formats of Elasticsearch's date processor.

/// Reads the times that Elasticsearch's default format for dates writes, in milliseconds since 1970.
pub(crate) fn iso8601_ms(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>().ok().map(|time| time.as_millisecond())
}
