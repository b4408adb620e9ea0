//! `sluice setup`: prepares Elasticsearch or OpenSearch, and writes the objects for Kibana.

use super::bar::waiting_for;
use super::{comma_lists, elasticsearch, index};
use crate::cli::SetupArgs;
use crate::config::{ConfigFile, ElasticsearchSection};
use crate::failure::Failure;
use crate::screen::Screen;
use anyhow::Context;
use pipelines::worker::IndexPattern;
use sink_elasticsearch::setup::{Options, OptionsError, Plan, SetUpError, SetUpFirst, State, saved_objects};
use sink_elasticsearch::{Connection, ElasticsearchSink};
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

/// Index of a worker when nothing else is said.
pub const INDEX_DEFAULT: &str = "sluice-<dataset>-<yyyy.MM>";

pub async fn run(args: SetupArgs, config: ConfigFile, screen: &Screen) -> anyhow::Result<ExitCode> {
    let (index, data_stream) = (index::index(&config.worker)?, index::is_data_stream(&config.worker));
    let mut section = config.worker.elasticsearch.unwrap_or_default();
    if !args.elasticsearch.is_empty() {
        section.urls = comma_lists(&args.elasticsearch);
    }
    let index = args.index.or(index);
    let data_stream = args.data_stream || data_stream;
    let options = options(index.as_deref(), data_stream, args.retention.as_deref(), args.overwrite)?;
    if section.urls.is_empty() && args.kibana.is_none() {
        let hint = "for example: --elasticsearch http://127.0.0.1:9200; --kibana FILE alone needs no server";
        return Err(Failure::new("no Elasticsearch URL is given", hint).into());
    }
    if !section.urls.is_empty() {
        let settings = elasticsearch::connection(&section)?;
        let connection = Connection::new(&settings).context("worker.elasticsearch")?;
        let set_up = async {
            let plan = Plan::make(&connection, &options).await?;
            if !args.dry_run {
                plan.apply(&connection).await?;
            }
            Ok::<_, SetUpError>(plan)
        };
        let whom = connection.describe();
        let plan = waiting_for(screen, &whom, settings.request_timeout, set_up).await.map_err(explain)?;
        show(&plan, &connection, args.dry_run).context("write to standard output")?;
    }
    if let Some(path) = args.kibana {
        let file = path.display();
        if !args.dry_run {
            std::fs::write(&path, saved_objects(&options)).with_context(|| format!("write {file}"))?;
        }
        let done = if args.dry_run { "would write" } else { "wrote" };
        println!("{done} {file}: import it in Kibana under Stack Management > Saved Objects");
    }
    Ok(ExitCode::SUCCESS)
}

/// Checks what was asked for.
fn options(
    index: Option<&str>,
    data_stream: bool,
    retention: Option<&str>,
    overwrite: bool,
) -> anyhow::Result<Options> {
    let index = index.unwrap_or(INDEX_DEFAULT);
    IndexPattern::parse(index).with_context(|| format!("index {index:?}"))?;
    let hint = "--index as the worker has it, such as sluice-<dataset>-<yyyy.MM>; --retention 30d";
    let refuse = |error: OptionsError| Failure::new(error.to_string(), hint);
    let mut options = Options::for_index(index).map_err(refuse)?;
    options.data_stream = data_stream;
    options.retention = retention.map(str::parse).transpose().map_err(refuse)?;
    options.overwrite = overwrite;
    options.check().map_err(refuse)?;
    Ok(options)
}

/// `sink`, behind a set-up for `index`: the worker's key `setup`.
pub fn first(
    sink: Arc<ElasticsearchSink>,
    section: &ElasticsearchSection,
    index: Option<&str>,
    data_stream: bool,
) -> anyhow::Result<Arc<SetUpFirst>> {
    let options = options(index, data_stream, None, false)?;
    let connection = Connection::new(&elasticsearch::connection(section)?).context("worker.elasticsearch")?;
    Ok(SetUpFirst::new(sink, connection, options))
}

fn show(plan: &Plan, connection: &Connection, dry_run: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{} at {}", plan.server, connection.describe())?;
    for step in &plan.steps {
        let done = match (step.state, dry_run) {
            (State::Missing, false) => "made",
            (State::Missing, true) => "would make",
            (State::Outdated | State::Overwritten, false) => "replaced",
            (State::Outdated | State::Overwritten, true) => "would replace",
            (State::Same, _) => "is there",
            (State::Others, _) => "left alone",
        };
        let why = match step.state {
            State::Others => ": made or changed by somebody else; --overwrite replaces it",
            _ => "",
        };
        writeln!(out, "  {done:<13} {}{why}", step.what)?;
        if dry_run && step.state.is_written() {
            writeln!(out, "PUT {}\n{:#}", step.path, step.body)?;
        }
    }
    for note in &plan.notes {
        writeln!(out, "  note: {note}")?;
    }
    Ok(())
}

fn explain(error: SetUpError) -> anyhow::Error {
    let hint = match &error {
        SetUpError::NoAnswer(_) => "is it running, and is the address right?",
        SetUpError::NotElasticsearch { .. } => "for example: --elasticsearch http://127.0.0.1:9200",
        SetUpError::Forbidden { .. } => {
            "give the user of worker.elasticsearch the privileges monitor, manage_index_templates and manage_ilm, or run \
             this once with one who has them"
        }
        SetUpError::Refused { .. } => "that is the server's own reason; --dry-run shows what it was sent",
        SetUpError::Options(_) => "see sluice setup --help",
    };
    Failure::new(error.to_string(), hint).into()
}
