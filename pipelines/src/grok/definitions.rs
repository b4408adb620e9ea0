//! The named patterns of grok: built-in ones in two forms, and a pipeline's own.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::program::Native;
use super::syntax::SyntaxError;
use crate::pipeline::closest;

/// `ecs_compatibility`: which field names the built-in patterns give.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compatibility {
    #[default]
    Disabled,
    EcsV1,
}

/// Where Elasticsearch's patterns with old field names differ from those of the crate `grok`.
const LEGACY: &str = include_str!("patterns/legacy");
/// Where its patterns with ECS field names differ from those with old ones.
const ECS_V1: &str = include_str!("patterns/ecs-v1");

/// Definitions for which there is code of its own, which does what this text says and nothing else.
const NATIVE: &[(&str, Native, &str)] = &[
    (
        "IPV4",
        Native::Ipv4,
        concat!(
            "(?<![0-9])(?:(?:[0-1]?[0-9]{1,2}|2[0-4][0-9]|25[0-5])[.](?:[0-1]?[0-9]{1,2}|2[0-4][0-9]|25[0-5])[.]",
            "(?:[0-1]?[0-9]{1,2}|2[0-4][0-9]|25[0-5])[.](?:[0-1]?[0-9]{1,2}|2[0-4][0-9]|25[0-5]))(?![0-9])",
        ),
    ),
    ("BASE10NUM", Native::Base10, r"(?<![0-9.+-])(?>[+-]?(?:(?:[0-9]+(?:\.[0-9]+)?)|(?:\.[0-9]+)))"),
    (
        "QUOTEDSTRING",
        Native::Quoted,
        r#"(?>(?<!\\)(?>"(?>\\.|[^\\"]+)+"|""|(?>'(?>\\.|[^\\']+)+')|''|(?>`(?>\\.|[^\\`]+)+`)|``))"#,
    ),
    ("HTTPDATE", Native::HttpDate, "%{MONTHDAY}/%{MONTH}/%{YEAR}:%{TIME} %{INT}"),
    ("SYSLOGTIMESTAMP", Native::SyslogTimestamp, "%{MONTH} +%{MONTHDAY} %{TIME}"),
    ("IP", Native::Ip, "(?:%{IPV6}|%{IPV4})"),
    ("IPORHOST", Native::Ip, "(?:%{IP}|%{HOSTNAME})"),
    ("HTTPDUSER", Native::NoUser, "%{EMAILADDRESS}|%{USER}"),
    // Every way through it begins with at most four digits and a colon; the rest is matched by its text.
    ("IPV6", Native::Ipv6Ahead, ""),
];

/// What names mean in one pipeline's patterns.
#[derive(Debug)]
pub struct Definitions {
    own: HashMap<String, String>,
    compatibility: Compatibility,
}

/// What a name stands for.
pub(super) struct Definition<'d> {
    pub text: &'d str,
    pub native: Option<Native>,
}

impl Definitions {
    pub fn new(own: Vec<(String, String)>, compatibility: Compatibility) -> Definitions {
        Definitions { own: own.into_iter().collect(), compatibility }
    }

    pub(super) fn get(&self, name: &str) -> Result<Definition<'_>, SyntaxError> {
        if let Some(own) = self.own.get(name) {
            return Ok(Definition { text: own, native: None });
        }
        let built_in = built_in(self.compatibility);
        match built_in.get(name) {
            Some(text) => {
                let native = native(name, text).filter(|_| !self.changes(text, built_in));
                Ok(Definition { text, native })
            }
            None => {
                let names = self.own.keys().map(String::as_str).chain(built_in.keys().copied());
                let like = closest(name, names).map(str::to_owned);
                Err(SyntaxError::UnknownPattern { name: name.to_owned(), like })
            }
        }
    }
}

impl Definitions {
    /// Whether the pipeline's own definitions change what a built-in text means.
    fn changes(&self, text: &str, built_in: &HashMap<&str, String>) -> bool {
        !self.own.is_empty()
            && names_in(text).any(|name| {
                self.own.contains_key(name) || built_in.get(name).is_some_and(|text| self.changes(text, built_in))
            })
    }
}

/// The names that a built-in text refers to; none of them leads back to itself.
fn names_in(text: &str) -> impl Iterator<Item = &str> {
    text.split("%{").skip(1).filter_map(|rest| rest.split(['}', ':']).next())
}

fn native(name: &str, text: &str) -> Option<Native> {
    let (_, native, known) = NATIVE.iter().find(|(known, ..)| *known == name)?;
    (known.is_empty() || *known == text).then_some(*native)
}

/// The built-in patterns: name and text.
pub(super) fn built_in(compatibility: Compatibility) -> &'static HashMap<&'static str, String> {
    static BUILT_IN: OnceLock<[HashMap<&'static str, String>; 2]> = OnceLock::new();
    let [legacy, ecs_v1] = BUILT_IN.get_or_init(|| {
        let mut legacy = grok::patterns().iter().map(|(name, text)| (*name, dotted(text))).collect();
        change(&mut legacy, LEGACY);
        let mut ecs_v1 = legacy.clone();
        change(&mut ecs_v1, ECS_V1);
        [legacy, ecs_v1]
    });
    match compatibility {
        Compatibility::Disabled => legacy,
        Compatibility::EcsV1 => ecs_v1,
    }
}

/// Adds definitions, a line each; a name alone takes its definition away.
fn change(definitions: &mut HashMap<&'static str, String>, changes: &'static str) {
    for line in changes.lines().filter(|line| !line.starts_with('#')) {
        match line.split_once(' ') {
            Some((name, text)) => drop(definitions.insert(name, text.to_owned())),
            None => drop(definitions.remove(line)),
        }
    }
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
