//! What can be wrong in the section `broker`.

use super::findings::Findings;
use crate::command::broker as part;
use crate::config::BrokerSection;
use ::broker::SecurityError;

pub fn check(section: &BrokerSection, found: &mut Findings<'_>) {
    let checked = |section: &BrokerSection| part::checked(section, Vec::new(), None, part::DATA_DEFAULT.into());
    // One by one, so that each has its place.
    for (name, value) in &section.set {
        let alone = BrokerSection { set: [(name.clone(), value.clone())].into(), ..BrokerSection::default() };
        if let Err(failure) = checked(&alone) {
            found.failure(&format!("broker.set.{name}"), &failure);
        }
    }
    let rest = BrokerSection { set: Default::default(), ..section.clone() };
    let config = match checked(&rest) {
        Ok(config) => config,
        Err(failure) => {
            let key =
                if failure.to_string().starts_with("broker.listen") { "broker.listen" } else { "broker.advertise" };
            return found.failure(key, &failure);
        }
    };
    for (at, listener) in config.listen.iter().enumerate() {
        let twice = config.listen.iter().take(at).any(|other| other.address == listener.address);
        if twice && listener.address.port() != 0 {
            let cause = format!("{} is listened on twice", listener.address);
            found.error(&format!("broker.listen.{at}"), cause, "give each listener an address of its own");
        }
    }
    if let Err(error) = config.check_security() {
        let key = match &error {
            SecurityError::NoCertificate(listener)
            | SecurityError::NoUsers(listener)
            | SecurityError::InTheClear(listener) => {
                let at = config.listen.iter().position(|other| other == listener).unwrap_or_default();
                format!("broker.listen.{at}")
            }
            SecurityError::File { path, .. } => {
                let tls = section.tls.as_ref();
                let key = match () {
                    () if section.users.as_ref() == Some(path) => "users",
                    () if tls.is_some_and(|tls| tls.key == *path) => "tls.key",
                    () if tls.and_then(|tls| tls.client_ca.as_ref()) == Some(path) => "tls.client_ca",
                    () => "tls.certificate",
                };
                format!("broker.{key}")
            }
        };
        found.failure(&key, &part::insecure(&error));
    }
}
