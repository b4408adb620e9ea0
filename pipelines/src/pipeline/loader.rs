//! What reading a pipeline needs and finds beside its own text: settings, and the pipelines that it calls.

use std::cell::RefCell;
use std::path::PathBuf;

use super::MissingYear;

/// What a pipeline may use of the machine that it runs on.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Folder of the databases (`*.mmdb`) that `geoip` names.
    pub geoip_folder: PathBuf,
    /// How `date` completes a time without a year; none as the run's context says.
    pub missing_year: Option<MissingYear>,
}

impl Default for Settings {
    /// Where MaxMind's own updater puts its databases.
    fn default() -> Settings {
        Settings { geoip_folder: PathBuf::from("/usr/share/GeoIP"), missing_year: None }
    }
}

/// A place in a pipeline that calls another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// None when a template gives the name: then any pipeline beside this one may be meant.
    pub name: Option<String>,
    pub line: u64,
    pub may_be_missing: bool,
}

/// Goes along while one pipeline is read.
#[derive(Debug)]
pub(crate) struct Loader<'s> {
    pub settings: &'s Settings,
    calls: RefCell<Vec<Call>>,
    databases: RefCell<Vec<PathBuf>>,
}

impl<'s> Loader<'s> {
    pub fn new(settings: &'s Settings) -> Loader<'s> {
        Loader { settings, calls: RefCell::default(), databases: RefCell::default() }
    }

    pub fn calls(&self, call: Call) {
        self.calls.borrow_mut().push(call);
    }

    /// Notes a database that is read, or would be if it were there.
    pub fn reads(&self, database: PathBuf) {
        self.databases.borrow_mut().push(database);
    }

    /// What was called, and which databases were read.
    pub fn into_parts(self) -> (Vec<Call>, Vec<PathBuf>) {
        (self.calls.into_inner(), self.databases.into_inner())
    }
}
