//! The two forms of a trace: a line of text, and an object of JSON with the names of the Elastic Common Schema.

use super::limit::Limit;
use serde_json::{Map, Value, json};
use std::fmt::{self, Write as _};
use std::sync::Arc;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{Format, Full, Writer};
use tracing_subscriber::fmt::time::SystemTime;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// As tracing's own text, and after it how many of the same were left out before.
pub struct Text {
    inner: Format<Full, SystemTime>,
    limit: Arc<Limit>,
}

impl Text {
    pub fn new(limit: Arc<Limit>) -> Self {
        Self { inner: tracing_subscriber::fmt::format().with_target(false), limit }
    }
}

impl<S, N> FormatEvent<S, N> for Text
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        match self.limit.take(event.metadata()) {
            0 => self.inner.format_event(context, writer, event),
            count => {
                self.inner.format_event(context, writer.by_ref(), event)?;
                writeln!(writer, "  ({count} more like the line above were left out)")
            }
        }
    }
}

/// An object a line: `@timestamp`, `log.level`, `message`, `log.logger`, and the trace's own fields under `sluice`.
pub struct Json {
    limit: Arc<Limit>,
}

impl Json {
    pub fn new(limit: Arc<Limit>) -> Self {
        Self { limit }
    }
}

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let metadata = event.metadata();
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut object = Map::new();
        object.insert("@timestamp".to_owned(), jiff::Timestamp::now().to_string().into());
        object.insert("log.level".to_owned(), metadata.level().as_str().to_lowercase().into());
        object.insert("message".to_owned(), fields.message.into());
        object.insert("log.logger".to_owned(), metadata.target().into());
        object.insert("process.pid".to_owned(), std::process::id().into());
        if !fields.others.is_empty() {
            object.insert("sluice".to_owned(), Value::Object(fields.others));
        }
        match self.limit.take(metadata) {
            0 => {}
            count => drop(object.insert("sluice.left_out".to_owned(), count.into())),
        }
        writeln!(writer, "{}", Value::Object(object))
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    others: Map<String, Value>,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            // Writing to a string does not fail.
            "message" => drop(write!(self.message, "{value:?}")),
            name => drop(self.others.insert(name.to_owned(), json!(format!("{value:?}")))),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message.push_str(value),
            name => drop(self.others.insert(name.to_owned(), json!(value))),
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.others.insert(field.name().to_owned(), json!(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.others.insert(field.name().to_owned(), json!(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.others.insert(field.name().to_owned(), json!(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::sync::Mutex;
    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::layer::SubscriberExt;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("not poisoned").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Memory {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    #[test]
    fn a_line_of_json_has_the_fields() {
        let memory = Memory::default();
        let layer =
            tracing_subscriber::fmt::layer().event_format(Json::new(Arc::default())).with_writer(memory.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::warn!(bytes = 7, path = "a\nb", "the {} is full", "disk");
        });
        let text = String::from_utf8(memory.0.lock().expect("not poisoned").clone()).expect("text");
        let object: Value = serde_json::from_str(&text).expect("one object");
        assert_eq!(text.lines().count(), 1);
        assert_eq!(object["message"], "the disk is full");
        assert_eq!(object["log.level"], "warn");
        assert_eq!(object["sluice"], json!({"bytes": 7, "path": "a\nb"}));
        assert!(object["@timestamp"].as_str().is_some_and(|time| time.ends_with('Z')), "{text}");
    }
}
