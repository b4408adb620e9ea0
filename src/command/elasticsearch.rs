//! From the section `elasticsearch` of `sluice.yaml` to the sink's config.

use crate::config::{BulkCompression, ElasticsearchSection, expand, resolve};
use crate::failure::Failure;
use sink_elasticsearch::{Auth, Compression, Config, ConnectionConfig, Tls};
use std::time::Duration;

/// Checks the section and reads its secrets.
pub fn checked(section: &ElasticsearchSection) -> Result<Config, Failure> {
    let connection = connection(section)?;
    let mut config = Config::new(Vec::<String>::new());
    config.connection = connection;
    config.compression = match section.compression {
        None => config.compression,
        Some(BulkCompression::Auto) => Compression::Auto,
        Some(BulkCompression::None) => Compression::None,
        Some(BulkCompression::Gzip) => Compression::Gzip,
    };
    config.bulk_bytes_max = section.bulk_bytes_max.unwrap_or(config.bulk_bytes_max);
    config.bulk_documents_max = section.bulk_documents_max.unwrap_or(config.bulk_documents_max);
    config.requests_in_flight_max = section.requests_in_flight_max.unwrap_or(config.requests_in_flight_max);
    config.linger = section.linger_ms.map_or(config.linger, Duration::from_millis);
    config.index_hold = section.index_hold_s.map_or(config.index_hold, Duration::from_secs);
    Ok(config)
}

/// How the servers are reached.
pub fn connection(section: &ElasticsearchSection) -> Result<ConnectionConfig, Failure> {
    let urls = section.urls.iter().map(|url| expand("urls", url)).collect::<Result<Vec<_>, Failure>>()?;
    let mut connection = ConnectionConfig::new(urls);
    connection.auth = auth(section)?;
    let files = section.tls.clone();
    connection.tls = Tls { ca_file: files.ca_file, certificate_file: files.certificate_file, key_file: files.key_file };
    if let Some(seconds) = section.request_timeout_s {
        connection.request_timeout = Duration::from_secs(seconds.max(1));
    }
    Ok(connection)
}

fn auth(section: &ElasticsearchSection) -> Result<Option<Auth>, Failure> {
    let password = resolve("password", section.password.as_ref(), section.password_file.as_ref())?;
    let api_key = resolve("api_key", section.api_key.as_ref(), section.api_key_file.as_ref())?;
    let token = resolve("bearer_token", section.bearer_token.as_ref(), section.bearer_token_file.as_ref())?;
    let user = section.username.as_deref().map(|user| expand("username", user)).transpose()?;
    match (user, password, api_key, token) {
        (None, None, None, None) => Ok(None),
        (Some(user), Some(password), None, None) => Ok(Some(Auth::Basic { user, password })),
        (None, None, Some(key), None) => Ok(Some(Auth::ApiKey(key))),
        (None, None, None, Some(token)) => Ok(Some(Auth::Bearer(token))),
        (Some(_), None, None, None) => {
            Err(Failure::new("username has no password", "add password: ${NAME} or password_file: FILE"))
        }
        (None, Some(_), ..) => Err(Failure::new("password has no username", "add username: NAME")),
        _ => Err(Failure::new(
            "more than one kind of credentials is given",
            "keep username and password, api_key, or bearer_token",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_and_limits() {
        let check = |yaml: &str, want: Result<Option<Auth>, &str>| {
            let section: ElasticsearchSection = serde_saphyr::from_str(yaml).expect("a section");
            assert!(!format!("{section:?}").contains("s3cret"));
            let got = checked(&section).map(|config| config.connection.auth).map_err(|failure| failure.to_string());
            assert_eq!(got.as_ref().map_err(String::as_str), want.as_ref().map_err(|error| *error), "{yaml}");
        };
        check("urls: [a]", Ok(None));
        let basic = Auth::Basic { user: "u".into(), password: "s3cret".into() };
        check("{username: u, password: s3cret}", Ok(Some(basic)));
        check("{username: u, password: 1234}", Ok(Some(Auth::Basic { user: "u".into(), password: "1234".into() })));
        check("api_key: s3cret", Ok(Some(Auth::ApiKey("s3cret".into()))));
        check("bearer_token: s3cret", Ok(Some(Auth::Bearer("s3cret".into()))));
        check("username: u", Err("username has no password"));
        check("password: s3cret", Err("password has no username"));
        check("{api_key: s3cret, bearer_token: s3cret}", Err("more than one kind of credentials is given"));

        let yaml =
            "{urls: [a], compression: none, index_hold_s: 5, requests_in_flight_max: 3, tls: {ca_file: /ca.pem}}";
        let config = checked(&serde_saphyr::from_str(yaml).expect("a section")).expect("a config");
        assert_eq!((config.compression, config.index_hold), (Compression::None, Duration::from_secs(5)));
        assert_eq!(config.connection.tls.ca_file.as_deref(), Some(std::path::Path::new("/ca.pem")));
        assert_eq!(config.requests_in_flight_max, 3);
    }
}
