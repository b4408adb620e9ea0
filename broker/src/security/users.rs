//! The file of users: who they are, their passwords, and what they may do.
//!
//! ```yaml
//! agent: {password: "...", write: [logs]}          # topics whose names begin with "logs"
//! reader: {password: "...", read: [logs, metrics-]}
//! operator: {password: "...", admin: true}         # everything
//! ```

use kafka_wire::sasl::scram::{Credential, Hash};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::rights::Rights;
use super::{SecurityError, changed_at};

/// Between two looks at whether the file has changed.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// Users of one file: each costs two rounds of hashing when it is read.
const USERS_MAX: usize = 1_000;

/// A user's entry in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    password: String,
    #[serde(default)]
    read: Vec<String>,
    #[serde(default)]
    write: Vec<String>,
    #[serde(default)]
    admin: bool,
}

/// A user; neither password nor keys are shown by `Debug`.
pub(crate) struct User {
    pub name: String,
    pub rights: Arc<Rights>,
    sha_256: Credential,
    sha_512: Credential,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("name", &self.name).field("rights", &self.rights).finish_non_exhaustive()
    }
}

impl User {
    pub fn credential(&self, hash: Hash) -> &Credential {
        match hash {
            Hash::Sha256 => &self.sha_256,
            Hash::Sha512 => &self.sha_512,
        }
    }
}

/// The users as the file has them now.
#[derive(Debug)]
pub(crate) struct UsersFile {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    users: Arc<BTreeMap<String, Arc<User>>>,
    changed_at: Vec<Option<SystemTime>>,
    looked_at: Instant,
}

impl UsersFile {
    /// # Errors
    /// The file cannot be read, or is none of users.
    pub fn open(path: PathBuf) -> Result<Self, SecurityError> {
        let changed_at = changed_at([&path]);
        let users = read(&path)?;
        let state = State { users: Arc::new(users), changed_at, looked_at: Instant::now() };
        Ok(Self { path, state: Mutex::new(state) })
    }

    /// The user of this name. A file that has changed is read again; one that is broken leaves the users as they were.
    pub fn find(&self, name: &str) -> Option<Arc<User>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.looked_at.elapsed() >= LOOK_INTERVAL {
            state.looked_at = Instant::now();
            let now = changed_at([&self.path]);
            if now != state.changed_at {
                state.changed_at = now;
                match read(&self.path) {
                    Ok(users) => {
                        tracing::info!(users = users.len(), "read the file of users again");
                        state.users = Arc::new(users);
                    }
                    Err(error) => tracing::error!("users stay as they were: {error}"),
                }
            }
        }
        state.users.get(name).cloned()
    }
}

fn read(path: &Path) -> Result<BTreeMap<String, Arc<User>>, SecurityError> {
    let failed = |reason: String| SecurityError::File { path: path.to_owned(), reason };
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    // The error's own words, without the lines around it: they may hold a password.
    let entries: BTreeMap<String, Entry> =
        serde_saphyr::from_str(&text).map_err(|error| failed(first_line(&error.without_snippet().to_string())))?;
    if entries.len() > USERS_MAX {
        return Err(failed(format!("{} users are too many: at most {USERS_MAX}", entries.len())));
    }
    let mut users = BTreeMap::new();
    for (name, entry) in entries {
        if name.is_empty() || entry.password.is_empty() {
            return Err(failed(format!("user {name:?} needs a name and a password")));
        }
        // "*" says all, as people write it.
        let prefixes = |of: Vec<String>| of.into_iter().map(|one| one.trim_end_matches('*').to_owned()).collect();
        let salt = || *uuid::Uuid::new_v4().as_bytes();
        let user = User {
            rights: Arc::new(Rights { read: prefixes(entry.read), write: prefixes(entry.write), admin: entry.admin }),
            sha_256: Credential::new(Hash::Sha256, &entry.password, salt()),
            sha_512: Credential::new(Hash::Sha512, &entry.password, salt()),
            name: name.clone(),
        };
        users.insert(name, Arc::new(user));
    }
    warn_of_readers(path);
    Ok(users)
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// Passwords are nobody else's business.
fn warn_of_readers(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).map_or(0, |about| about.permissions().mode());
    if mode & 0o077 != 0 {
        tracing::warn!("{} holds passwords, and others may read it; hint: chmod 600", path.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(text: &str) -> Result<UsersFile, SecurityError> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("users.yaml");
        std::fs::write(&path, text).expect("a disk");
        UsersFile::open(path)
    }

    #[test]
    fn users_have_rights() {
        let file = users(
            "agent: {password: a, write: [logs]}\nops: {password: b, admin: true}\nall: {password: c, read: [\"*\"]}\n",
        )
        .expect("three users");
        let agent = file.find("agent").expect("a user");
        assert!(agent.rights.may_write("logs-1") && !agent.rights.may_read("logs-1") && !agent.rights.admin);
        assert!(agent.credential(Hash::Sha256).is_password("a") && agent.credential(Hash::Sha512).is_password("a"));
        assert!(file.find("ops").expect("a user").rights.admin);
        assert!(file.find("all").expect("a user").rights.may_read("x"));
        assert!(file.find("nobody").is_none());
        assert!(!format!("{agent:?}").contains("password"));
    }

    #[test]
    fn broken_files_are_refused_without_their_passwords() {
        for text in
            ["agent: {pasword: geheim}", "agent: {password: \"\"}", "agent: [", "agent: {password: geheim, roles: [x]}"]
        {
            let error = users(text).expect_err("a broken file").to_string();
            assert!(error.contains("users.yaml") && !error.contains("geheim"), "{error}");
        }
    }
}
