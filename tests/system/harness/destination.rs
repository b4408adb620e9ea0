//! Where documents go in a test: a real server, or the stand-in.

use super::documents::{self, Found};
use super::log_file::Written;
use super::oracle::Comparison;
use super::wait;
use crate::harness::scene::Skipped;
use crate::real::{self, SearchServer};
use anyhow::ensure;
use elasticsearch_stand_in::StandIn;
use std::collections::HashSet;
use std::time::Duration;

/// Characters of the `_id` that the worker makes: 18 bytes in base64url.
const ID_CHARACTERS: usize = 24;

/// Documents of one test.
pub enum Destination {
    Real { url: String, pattern: String },
    StandIn(StandIn),
}

impl Destination {
    pub fn stand_in() -> Self {
        Self::StandIn(StandIn::start_blocking())
    }

    /// Indices of `server` whose names begin with `index`, which belongs to one test.
    pub fn real(server: &SearchServer, index: &str) -> Self {
        Self::Real { url: server.url.clone(), pattern: format!("{index}*") }
    }

    /// OpenSearch where there is Java, else the stand-in.
    pub fn opensearch_or_stand_in(index: &str) -> anyhow::Result<Self> {
        match real::opensearch() {
            Ok(server) => Ok(Self::real(server, index)),
            Err(error) if error.is::<Skipped>() && !real::is_required() => {
                eprintln!("{index}: the stand-in instead of OpenSearch: {error}");
                Ok(Self::stand_in())
            }
            Err(error) => Err(error),
        }
    }

    pub fn url(&self) -> String {
        match self {
            Self::Real { url, .. } => url.clone(),
            Self::StandIn(stand_in) => stand_in.url(),
        }
    }

    pub fn count(&self) -> anyhow::Result<u64> {
        match self {
            Self::Real { url, pattern } => documents::count(url, pattern),
            Self::StandIn(stand_in) => Ok(stand_in.document_count() as u64),
        }
    }

    pub fn read(&self) -> anyhow::Result<Vec<Found>> {
        match self {
            Self::Real { url, pattern } => documents::read(url, pattern),
            Self::StandIn(stand_in) => documents::of_stand_in(stand_in),
        }
    }

    /// Waits until there are at least as many documents as lines, as long as they become more.
    pub fn wait(&self, lines: u64, patience: Duration) -> anyhow::Result<()> {
        wait::until_count("documents", patience, lines, || self.count())
    }

    /// Every line is in exactly one document, whose `_id` says that it can be delivered twice without harm.
    pub fn check(&self, written: &[Written]) -> anyhow::Result<Vec<Found>> {
        let found = self.read()?;
        let mut check = Check::new(written);
        for found in &found {
            check.look(found.clone())?;
        }
        check.end()?;
        Ok(found)
    }

    /// The same of millions of documents, which are not kept.
    pub fn check_many(&self, written: &[Written]) -> anyhow::Result<()> {
        let Self::Real { url, pattern } = self else { return self.check(written).map(drop) };
        let mut check = Check::new(written);
        documents::each(url, pattern, |found| check.look(found))?;
        check.end()
    }
}

/// Looks at one document after the other.
struct Check<'w> {
    ids: HashSet<String>,
    lines: Comparison<'w>,
}

impl<'w> Check<'w> {
    fn new(written: &'w [Written]) -> Self {
        Self { ids: HashSet::new(), lines: Comparison::new(written) }
    }

    fn look(&mut self, found: Found) -> anyhow::Result<()> {
        let (index, id) = (&found.index, &found.id);
        ensure!(id.len() == ID_CHARACTERS, "{index}/{id}: an id of {ID_CHARACTERS} characters");
        ensure!(self.ids.insert(id.clone()), "{index}/{id}: the id of another document, too");
        self.lines.arrive(found.arrived());
        Ok(())
    }

    fn end(self) -> anyhow::Result<()> {
        self.lines.end().check("documents")
    }
}
