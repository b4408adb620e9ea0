//! One connection's authentication (KIP-12, KIP-43, KIP-152): the mechanism, then its messages, until there is a user.

use kafka_wire::sasl::scram::{self, Credential};
use kafka_wire::sasl::{Mechanism, SaslError, plain};
use std::sync::Arc;

use super::rights::Rights;
use super::users::{User, UsersFile};

/// How far a connection is.
#[derive(Debug)]
pub(crate) enum Authentication {
    /// Nobody has to say who they are.
    NotAsked,
    /// A mechanism has to be chosen.
    Wanted,
    Chosen(Mechanism),
    /// The server's first message of SCRAM went out; no user where there is none of that name.
    Proving(Box<scram::Server>, Option<Arc<User>>),
    Done(Arc<User>),
    /// The connection is about to be closed.
    Failed,
}

impl Authentication {
    /// The rights of who is at the other end, as soon as that is known.
    pub fn rights(&self, anonymous: &Arc<Rights>) -> Option<Arc<Rights>> {
        match self {
            Self::NotAsked => Some(Arc::clone(anonymous)),
            Self::Done(user) => Some(Arc::clone(&user.rights)),
            _ => None,
        }
    }

    /// Chooses the mechanism. `false`: this is not the time, or nobody asks for authentication here.
    pub fn choose(&mut self, mechanism: Mechanism) -> bool {
        let in_time = matches!(self, Self::Wanted | Self::Chosen(_));
        if in_time {
            *self = Self::Chosen(mechanism);
        }
        in_time
    }

    /// Reads a message of the client; gives the answer.
    ///
    /// # Errors
    /// The exchange has failed, and the connection has to be closed.
    pub fn step(&mut self, message: &[u8], users: &UsersFile) -> Result<Vec<u8>, SaslError> {
        match std::mem::replace(self, Self::Failed) {
            Self::Chosen(Mechanism::Plain) => {
                let (name, password) = plain::read(message)?;
                let user = users.find(name);
                // A name that does not exist takes as long as one that does.
                let stranger = || stranger(scram::Hash::Sha256);
                let credential =
                    user.as_ref().map_or_else(stranger, |user| user.credential(scram::Hash::Sha256).clone());
                match (credential.is_password(password), user) {
                    (true, Some(user)) => {
                        *self = Self::Done(user);
                        Ok(Vec::new())
                    }
                    _ => Err(SaslError::Refused),
                }
            }
            Self::Chosen(Mechanism::Scram(hash)) => {
                let name = scram::Server::user(message)?;
                let user = users.find(&name);
                let credential = user.as_ref().map_or_else(|| stranger(hash), |user| user.credential(hash).clone());
                let nonce = uuid::Uuid::new_v4().simple().to_string();
                let (server, answer) = scram::Server::start(message, credential, &nonce)?;
                *self = Self::Proving(Box::new(server), user);
                Ok(answer)
            }
            Self::Proving(server, user) => {
                let answer = server.finish(message)?;
                *self = Self::Done(user.ok_or(SaslError::Refused)?);
                Ok(answer)
            }
            _ => Err(SaslError::Malformed("this is not the time for it")),
        }
    }
}

/// Of a user that does not exist: no password fits.
fn stranger(hash: scram::Hash) -> Credential {
    let password = uuid::Uuid::new_v4().simple().to_string();
    Credential::new(hash, &password, *uuid::Uuid::new_v4().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(directory: &tempfile::TempDir) -> UsersFile {
        let path = directory.path().join("users.yaml");
        std::fs::write(&path, "anna: {password: secret, read: [a]}").expect("a disk");
        UsersFile::open(path).expect("one user")
    }

    fn attempt(mechanism: Mechanism, name: &str, password: &str) -> Result<Option<String>, SaslError> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let users = users(&directory);
        let mut authentication = Authentication::Wanted;
        assert!(authentication.choose(mechanism));
        match mechanism {
            Mechanism::Plain => drop(authentication.step(&plain::message(name, password), &users)?),
            Mechanism::Scram(hash) => {
                let (mut client, first) = scram::Client::start(hash, name, "nonce");
                let last = client.prove(password, &authentication.step(&first, &users)?)?;
                client.finish(&authentication.step(&last, &users)?)?;
            }
        }
        let Authentication::Done(user) = authentication else { return Ok(None) };
        Ok(Some(user.name.clone()))
    }

    #[test]
    fn users_with_their_passwords_get_in() {
        for mechanism in Mechanism::ALL {
            assert_eq!(attempt(mechanism, "anna", "secret"), Ok(Some("anna".to_owned())));
            assert_eq!(attempt(mechanism, "anna", "Secret"), Err(SaslError::Refused));
            assert_eq!(attempt(mechanism, "otto", "secret"), Err(SaslError::Refused));
        }
    }

    #[test]
    fn nothing_goes_out_of_turn() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let users = users(&directory);
        for mut authentication in [Authentication::NotAsked, Authentication::Wanted, Authentication::Failed] {
            assert!(authentication.step(b"\0anna\0secret", &users).is_err());
        }
        assert!(!Authentication::NotAsked.choose(Mechanism::Plain));
        let mut authentication = Authentication::Chosen(Mechanism::Plain);
        assert!(authentication.step(b"\0anna\0wrong", &users).is_err());
        assert!(authentication.step(b"\0anna\0secret", &users).is_err(), "one attempt for a connection");
    }
}
