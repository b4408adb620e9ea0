//! What the program itself says on standard error: as text or JSON, and no more of the same than anybody reads.

mod form;
mod limit;

use crate::cli::LogFormat;
use crate::screen::Screen;
use form::{Json, Text};
use limit::{Limit, WINDOW};
use std::sync::Arc;
use std::time::Instant;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

/// Traces go to `screen`, above the live line. `SLUICE_LOG` takes a filter such as `info` or `agent=debug`.
pub fn init(screen: &Screen, default_level: &str, format: LogFormat) {
    let filter = EnvFilter::try_from_env("SLUICE_LOG").unwrap_or_else(|_| EnvFilter::new(default_level));
    let limit = Arc::new(Limit::default());
    let layer = fmt::layer().with_writer(screen.clone()).with_ansi(screen.is_terminal() && format == LogFormat::Text);
    let layer = match format {
        LogFormat::Text => layer.event_format(Text::new(limit.clone())).boxed(),
        LogFormat::Json => layer.event_format(Json::new(limit.clone())).boxed(),
    };
    tracing_subscriber::registry().with(layer.with_filter(limit::Passed(limit.clone()))).with(filter).init();
    // What is left out at the end of a burst is told also when nothing of its kind comes any more.
    let told = std::thread::Builder::new().name("traces".to_owned()).spawn(move || {
        loop {
            std::thread::sleep(WINDOW);
            for (place, count) in limit.overdue(Instant::now()) {
                tracing::warn!("{count} more traces like those from {place} were left out");
            }
        }
    });
    if let Err(error) = told {
        tracing::warn!("traces that are left out are told only with the next of their kind: {error}");
    }
}
