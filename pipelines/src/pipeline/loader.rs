//! What reading a pipeline needs and finds beside its own text: settings, and the pipelines that it calls.

use std::cell::RefCell;
use std::path::PathBuf;

/// What a pipeline may use of the machine that it runs on.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Folder of the databases (`*.mmdb`) that `geoip` names.
    pub geoip_folder: PathBuf,
}

impl Default for Settings {
    /// Where MaxMind's own updater puts its databases.
    fn default() -> Settings {
        Settings { geoip_folder: PathBuf::from("/usr/share/GeoIP") }
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
}

impl<'s> Loader<'s> {
    pub fn new(settings: &'s Settings) -> Loader<'s> {
        Loader { settings, calls: RefCell::new(Vec::new()) }
    }

    pub fn calls(&self, call: Call) {
        self.calls.borrow_mut().push(call);
    }

    pub fn into_calls(self) -> Vec<Call> {
        self.calls.into_inner()
    }
}
