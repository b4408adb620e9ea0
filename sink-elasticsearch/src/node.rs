//! One Elasticsearch node: its checked address, and who we are to it.

use crate::config::{Auth, ConfigError, without_credentials};
use percent_encoding::percent_decode_str;
use reqwest::Url;
use reqwest::header::HeaderValue;
use std::net::IpAddr;

/// Parts of a bulk answer that we read: about 25 bytes an item instead of 215.
const FILTER_PATH: &str = "errors,items.*.status,items.*.error,items.*.failure_store";

/// Where bulk requests can go.
#[derive(Debug)]
pub(crate) struct Node {
    /// For traces and problems: without credentials.
    pub name: String,
    pub bulk: Url,
    /// The `Authorization` header; marked as sensitive, so that nothing prints it.
    pub authorization: Option<HeaderValue>,
}

impl Node {
    /// Checks `text`, the URL from the configuration.
    pub fn parse(text: &str, auth: Option<&Auth>) -> Result<Self, ConfigError> {
        let mut url = Url::parse(text).map_err(|error| refuse(text, format!("{error}; {WANT}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refuse(text, format!("the scheme is {:?}; {WANT}", url.scheme())));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(refuse(text, format!("there is no host; {WANT}")));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refuse(text, "a query or fragment has no meaning here".into()));
        }
        let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let in_url = (!url.username().is_empty()).then(|| Auth::Basic {
            user: decode(url.username()),
            password: decode(url.password().unwrap_or_default()),
        });
        // Only URLs that cannot have a host refuse this, and the host was looked at.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        let authorization = auth.or(in_url.as_ref()).map(header).transpose()?;
        let name = url.as_str().trim_end_matches('/').to_owned();

        let mut bulk = url;
        let path = format!("{}/_bulk", bulk.path().trim_end_matches('/'));
        bulk.set_path(&path);
        bulk.set_query(Some(&format!("filter_path={FILTER_PATH}")));
        Ok(Self { name, bulk, authorization })
    }

    pub fn is_https(&self) -> bool {
        self.bulk.scheme() == "https"
    }

    /// Whether the URL names this host: by an address of loopback, or as localhost.
    pub fn is_loopback(&self) -> bool {
        let host = self.bulk.host_str().unwrap_or_default();
        let address = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || address.parse().is_ok_and(|address: IpAddr| address.is_loopback())
    }
}

const WANT: &str = "want http://HOST:PORT or https://HOST:PORT";

/// The text of a URL that could not be parsed may still have a password in it.
fn refuse(text: &str, reason: String) -> ConfigError {
    ConfigError::Url { url: without_credentials(text), reason }
}

fn header(auth: &Auth) -> Result<HeaderValue, ConfigError> {
    use base64::Engine as _;
    let base64 = base64::engine::general_purpose::STANDARD;
    let text = match auth {
        Auth::Basic { user, password } => format!("Basic {}", base64.encode(format!("{user}:{password}"))),
        // No character of base64 is a colon.
        Auth::ApiKey(pair) if pair.contains(':') => format!("ApiKey {}", base64.encode(pair)),
        Auth::ApiKey(key) => format!("ApiKey {key}"),
        Auth::Bearer(token) => format!("Bearer {token}"),
    };
    let mut value = HeaderValue::from_str(&text).map_err(|_| ConfigError::Credentials)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_we_are() {
        let check = |auth: Auth, want: &str| {
            let node = Node::parse("http://elastic:overridden@h:9200", Some(&auth)).expect("a valid URL");
            let value = node.authorization.expect("a header");
            assert_eq!((value.to_str().ok(), value.is_sensitive()), (Some(want), true));
        };
        check(Auth::Basic { user: "u".into(), password: "pä:ss".into() }, "Basic dTpww6Q6c3M=");
        check(Auth::ApiKey("id:key".into()), "ApiKey aWQ6a2V5");
        check(Auth::ApiKey("aWQ6a2V5".into()), "ApiKey aWQ6a2V5");
        check(Auth::Bearer("t.o-k_en".into()), "Bearer t.o-k_en");
        let broken = Node::parse("http://h", Some(&Auth::Bearer("sec\nret".into()))).expect_err("no header");
        assert!(!broken.to_string().contains("sec"), "{broken}");
    }

    #[test]
    fn what_is_on_this_host() {
        let check = |text: &str, want: bool| {
            assert_eq!(Node::parse(text, None).expect("a valid URL").is_loopback(), want, "{text}");
        };
        check("http://127.0.0.1:9200", true);
        check("https://user:password@LOCALHOST/prefix", true);
        check("http://127.8.9.1", true);
        check("http://[::1]:9200", true);
        check("http://[2001:db8::1]:9200", false);
        check("http://10.0.0.1:9200", false);
        check("http://localhost.example:9200", false);
    }

    #[test]
    fn urls() {
        let check = |text: &str, want: Result<(&str, &str, Option<&str>), &str>| {
            let got = Node::parse(text, None);
            match (got, want) {
                (Ok(node), Ok((name, path, authorization))) => {
                    assert_eq!(node.name, name);
                    assert_eq!(node.bulk.path(), path);
                    assert_eq!(node.authorization.as_ref().and_then(|value| value.to_str().ok()), authorization);
                    assert!(!format!("{node:?}").contains("c2"), "the debug form shows the credentials");
                }
                (Err(error), Err(want)) => {
                    let text = error.to_string();
                    assert!(text.contains(want) && !text.contains("secret"), "{text}");
                }
                (got, want) => panic!("{text}: got {got:?}, want {want:?}"),
            }
        };
        check("http://127.0.0.1:9200", Ok(("http://127.0.0.1:9200", "/_bulk", None)));
        check("https://es.example/prefix/", Ok(("https://es.example/prefix", "/prefix/_bulk", None)));
        check("http://elastic:s3cret%40@h:9200/", Ok(("http://h:9200", "/_bulk", Some("Basic ZWxhc3RpYzpzM2NyZXRA"))));
        check("ftp://user:secret@host", Err("the scheme is \"ftp\""));
        check("http://user:secret@:9200", Err("http://...@:9200"));
        check("127.0.0.1:9200", Err("want http://"));
        check("http://h/?x=1", Err("query"));
    }
}
