//! Values of `sluice.yaml` that may be kept elsewhere: in the environment, as `${NAME}`, or in a file.

use crate::failure::Failure;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

/// Bytes of a file with a secret: more is some other file.
const SECRET_FILE_BYTES_MAX: u64 = 64 * 1024;

/// A text that nothing prints.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("...")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("...")
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number"], "writeOnly": true })
    }
}

impl Secret {
    /// What it stands for, as far as that can be found out: for whoever has to take it out of a text.
    pub fn known_texts(&self, file: Option<&PathBuf>) -> Vec<String> {
        let written = (!self.0.is_empty()).then(|| self.0.clone());
        let resolved = resolve("secret", Some(self), None).ok().flatten();
        let in_file = resolve("secret", None, file).ok().flatten();
        written.into_iter().chain(resolved).chain(in_file).collect()
    }

    /// No secret, for a key that only names a file.
    pub fn empty() -> Self {
        Self(String::new())
    }
}

/// The secret under `key`, or in the file under `key`_file, without the newline at its end.
pub fn resolve(key: &str, value: Option<&Secret>, file: Option<&PathBuf>) -> Result<Option<String>, Failure> {
    match (value, file) {
        (None, None) => Ok(None),
        (Some(Secret(text)), None) => expand(key, text).map(Some),
        (None, Some(path)) => read(key, path).map(Some),
        (Some(_), Some(_)) => {
            Err(Failure::new(format!("both {key} and {key}_file are given"), "remove one of the two"))
        }
    }
}

fn read(key: &str, path: &Path) -> Result<String, Failure> {
    let refuse = |why: String| {
        let hint = "the file must be readable by this user, and have the secret in it and nothing else";
        Failure::new(format!("read {key}_file {}: {why}", path.display()), hint)
    };
    let bytes = std::fs::metadata(path).map_err(|error| refuse(error.to_string()))?.len();
    if bytes > SECRET_FILE_BYTES_MAX {
        return Err(refuse(format!("it has {bytes} bytes; want at most {SECRET_FILE_BYTES_MAX}")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| refuse(error.to_string()))?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(refuse("it is empty".into()));
    }
    Ok(text.to_owned())
}

/// `text` with `${NAME}` replaced by what the environment has under NAME; `$${` stands for `${`.
pub fn expand(key: &str, text: &str) -> Result<String, Failure> {
    expand_from(key, text, |name| std::env::var(name).ok())
}

fn expand_from(key: &str, text: &str, variable: impl Fn(&str) -> Option<String>) -> Result<String, Failure> {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            expanded.push_str(before);
            expanded.push_str("${");
            rest = after;
            continue;
        }
        // The text itself stays out of all messages: it may be a secret that has these characters by chance.
        let hint = "write ${NAME} for a variable of the environment, and $${ for the characters themselves";
        let (name, behind) =
            after.split_once('}').ok_or_else(|| Failure::new(format!("{key}: a ${{ has no }}"), hint))?;
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_name {
            return Err(Failure::new(format!("{key}: what stands in ${{ and }} is no name"), hint));
        }
        let value = variable(name).ok_or_else(|| {
            Failure::new(format!("{key}: the environment has no variable {name}"), "set it, or use another key")
        })?;
        expanded.push_str(before);
        expanded.push_str(&value);
        rest = behind;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables() {
        let check = |text: &str, want: Result<&str, &str>| {
            let variable = |name: &str| (name == "ES_PASSWORD").then(|| "s3cret$".to_owned());
            let got = expand_from("password", text, variable).map_err(|failure| failure.to_string());
            assert_eq!(got.as_deref().map_err(String::as_str), want, "{text}");
        };
        check("plain$1", Ok("plain$1"));
        check("${ES_PASSWORD}", Ok("s3cret$"));
        check("http://u:${ES_PASSWORD}@h", Ok("http://u:s3cret$@h"));
        check("a$${ES_PASSWORD}", Ok("a${ES_PASSWORD}"));
        check("${OTHER}", Err("password: the environment has no variable OTHER"));
        check("hunter${", Err("password: a ${ has no }"));
        check("hunter${a b}", Err("password: what stands in ${ and } is no name"));
    }

    #[test]
    fn files() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("secret");
        let secret = |text: &str| {
            std::fs::write(&path, text).expect("written");
            resolve("password", None, Some(&path)).map_err(|failure| failure.to_string())
        };
        assert_eq!(secret("s3cret \r\n"), Ok(Some("s3cret ".into())));
        assert!(secret("\n").expect_err("empty").ends_with("it is empty"));
        assert!(resolve("password", Some(&Secret("a".into())), Some(&path)).is_err());
        assert!(resolve("password", None, Some(&folder.path().join("none"))).is_err());
        assert_eq!(format!("{:?}", Secret("s3cret".into())), "...");
    }
}
