//! How agent and worker reach a secured broker, as `sluice.yaml` has it.

use super::secret::{Secret, resolve};
use crate::failure::Failure;
use kafka_client::security::{Mechanism, Sasl, Security, Tls, TlsFiles};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// TLS of the connections to brokers: files in PEM form.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BrokerTlsSection {
    /// Roots of the brokers' certificates [those of the system].
    pub ca: Option<PathBuf>,
    /// This client's certificate, for brokers that ask for one.
    pub certificate: Option<PathBuf>,
    /// Its private key.
    pub key: Option<PathBuf>,
}

/// User and password at the brokers.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SaslSection {
    /// PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.
    pub mechanism: Option<String>,
    /// Name at the brokers.
    pub user: String,
    /// Its password; `${NAME}` is replaced by what the environment has.
    pub password: Option<Secret>,
    /// A file whose first line is the password, instead of the password itself.
    pub password_file: Option<PathBuf>,
}

pub const MECHANISM_DEFAULT: &str = "SCRAM-SHA-512";

/// Reads the files that are named in `section` (of the agent or the worker).
pub fn checked(section: &str, tls: Option<&BrokerTlsSection>, sasl: Option<&SaslSection>) -> Result<Security, Failure> {
    let tls = tls.map(|tls| {
        let files = TlsFiles { ca: tls.ca.clone(), certificate: tls.certificate.clone(), key: tls.key.clone() };
        Tls::open(&files).map_err(|error| {
            Failure::new(format!("{section}.broker_tls: {error}"), "want files in PEM form: ca, certificate, key")
        })
    });
    Ok(Security { tls: tls.transpose()?, sasl: sasl.map(|sasl| user(section, sasl)).transpose()? })
}

fn user(section: &str, sasl: &SaslSection) -> Result<Sasl, Failure> {
    let failed = |reason: String, hint: &str| Failure::new(format!("{section}.sasl: {reason}"), hint);
    let name = sasl.mechanism.as_deref().unwrap_or(MECHANISM_DEFAULT);
    let mechanism: Mechanism =
        name.parse().map_err(|error| failed(format!("{error}"), "for example: mechanism: SCRAM-SHA-512"))?;
    if sasl.user.is_empty() {
        return Err(failed("no user is named".to_owned(), "for example: user: agent"));
    }
    let key = format!("{section}.sasl.password");
    let password = resolve(&key, sasl.password.as_ref(), sasl.password_file.as_ref())?;
    let password =
        password.ok_or_else(|| failed("no password is given".to_owned(), "want one of password and password_file"))?;
    if password.is_empty() {
        return Err(failed("the password is empty".to_owned(), "brokers take none of those"));
    }
    Ok(Sasl { mechanism, user: sasl.user.clone(), password })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(yaml: &str, expect: Result<(), &str>) {
        let section: SaslSection = serde_saphyr::from_str(yaml).expect("the form is right");
        assert!(!format!("{section:?}").contains("geheim"));
        let checked = checked("agent", None, Some(&section)).map(drop).map_err(|failure| failure.to_string());
        match (checked, expect) {
            (Ok(()), Ok(())) => {}
            (Err(message), Err(want)) => assert!(message.contains(want), "{message}"),
            (got, want) => panic!("{yaml}: got {got:?}, want {want:?}"),
        }
    }

    #[test]
    fn users() {
        check("{mechanism: scram-sha-256, user: agent, password: geheim}", Ok(()));
        check("{user: agent, password: geheim}", Ok(()));
        check("{mechanism: GSSAPI, user: agent, password: geheim}", Err("unknown SASL mechanism"));
        check("{password: geheim}", Err("no user is named"));
        check("{user: agent}", Err("no password is given"));
        check("{user: agent, password: geheim, password_file: x}", Err("both agent.sasl.password"));
        check("{user: agent, password_file: /does/not/exist}", Err("/does/not/exist"));
    }
}
