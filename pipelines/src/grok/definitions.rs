//! The named patterns of grok: built-in ones in two forms, and a pipeline's own.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::syntax::SyntaxError;
use crate::pipeline::closest;

/// `ecs_compatibility`: which field names the built-in patterns give.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Compatibility {
    #[default]
    Disabled,
    EcsV1,
}

/// Built-in patterns whose ECS form has other fields than the old form.
const ECS_V1: &[(&str, &str)] = &[
    (
        "HTTPD_COMMONLOG",
        concat!(
            r#"%{IPORHOST:source.address} (?:-|%{HTTPDUSER:apache.access.user.identity}) "#,
            r#"(?:-|%{HTTPDUSER:user.name}) \[%{HTTPDATE:timestamp}\] "#,
            r#""(?:%{WORD:http.request.method} %{NOTSPACE:url.original}(?: HTTP/%{NUMBER:http.version})?|%{DATA})" "#,
            r#"(?:-|%{INT:http.response.status_code:int}) (?:-|%{INT:http.response.body.bytes:int})"#,
        ),
    ),
    (
        "HTTPD_COMBINEDLOG",
        r#"%{HTTPD_COMMONLOG} "(?:-|%{DATA:http.request.referrer})" "(?:-|%{DATA:user_agent.original})""#,
    ),
    ("SYSLOGPROG", r"%{PROG:process.name}(?:\[%{POSINT:process.pid:int}\])?"),
    ("SYSLOGFACILITY", "<%{NONNEGINT:log.syslog.facility.code:int}.%{NONNEGINT:log.syslog.priority:int}>"),
    ("SYSLOGBASE", r"%{SYSLOGTIMESTAMP:timestamp} (?:%{SYSLOGFACILITY} )?%{SYSLOGHOST:host.hostname} %{SYSLOGPROG}:"),
    ("URIHOST", "%{IPORHOST}(?::%{POSINT})?"),
];

/// What names mean in one pipeline's patterns.
#[derive(Debug)]
pub(crate) struct Definitions {
    own: HashMap<String, String>,
    compatibility: Compatibility,
}

impl Definitions {
    pub fn new(own: Vec<(String, String)>, compatibility: Compatibility) -> Definitions {
        Definitions { own: own.into_iter().collect(), compatibility }
    }

    /// The text that a name stands for, and whether it is a built-in one.
    pub(super) fn get(&self, name: &str) -> Result<(&str, bool), SyntaxError> {
        if let Some(own) = self.own.get(name) {
            return Ok((own, false));
        }
        if self.compatibility == Compatibility::EcsV1
            && let Some((_, text)) = ECS_V1.iter().find(|(known, _)| *known == name)
        {
            return Ok((text, true));
        }
        match built_in().get(name) {
            Some(text) if self.compatibility == Compatibility::EcsV1 && has_fields(text) => {
                Err(SyntaxError::NoEcsForm { name: name.to_owned() })
            }
            Some(text) => Ok((text, true)),
            None => {
                let names = self.own.keys().map(String::as_str).chain(built_in().keys().copied());
                let like = closest(name, names).map(str::to_owned);
                Err(SyntaxError::UnknownPattern { name: name.to_owned(), like })
            }
        }
    }
}

/// The built-in patterns with the old field names.
fn built_in() -> &'static HashMap<&'static str, String> {
    static BUILT_IN: OnceLock<HashMap<&'static str, String>> = OnceLock::new();
    BUILT_IN.get_or_init(|| grok::patterns().iter().map(|(name, text)| (*name, dotted(text))).collect())
}

/// The crate's patterns are Logstash's, which names nested fields `[a][b]`; Elasticsearch's copy names them `a.b`.
fn dotted(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("%{") {
        let Some(length) = rest[start..].find('}') else { break };
        let end = start + length;
        out.push_str(&rest[..start]);
        out.push_str(&rest[start..end].replace("][", ".").replace(['[', ']'], ""));
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

/// Whether a definition names fields itself.
fn has_fields(text: &str) -> bool {
    text.contains("(?<") && text.replace("(?<!", "").replace("(?<=", "").contains("(?<")
        || text.split("%{").skip(1).any(|reference| reference.split('}').next().unwrap_or("").contains(':'))
}
