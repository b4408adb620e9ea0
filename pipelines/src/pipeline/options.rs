//! Reads the options of a processor: each is asked for by name and type, and what nobody asked for is refused.

use super::load_error::Refusal;
use super::loader::Loader;
use super::source::{Key, Kind, Node};
use crate::document::{FieldPath, Value};
use crate::java_regex::JavaRegex;
use crate::template::{FieldTemplate, Template};

/// The options of one processor, or of a pipeline itself.
pub(crate) struct Options<'a> {
    /// The processor's name in the pipeline file.
    pub owner: &'a str,
    /// Line of the processor's name.
    pub line: u64,
    /// How deep the processor lies in others.
    pub depth: usize,
    pub loader: &'a Loader<'a>,
    entries: &'a [(Key, Node)],
    asked: Vec<&'static str>,
}

impl<'a> Options<'a> {
    pub fn new(
        owner: &'a str,
        line: u64,
        node: &'a Node,
        depth: usize,
        loader: &'a Loader<'a>,
    ) -> Result<Options<'a>, Refusal> {
        let entries: &[_] = match &node.kind {
            Kind::Map(entries) => entries,
            Kind::Null => &[],
            _ => {
                let reason = format!("options of {owner} must be an object; got {}", node.type_name());
                return Err(Refusal::new(node.line, reason));
            }
        };
        for (index, (key, _)) in entries.iter().enumerate() {
            if entries[..index].iter().any(|(earlier, _)| earlier.name == key.name) {
                return Err(Refusal::new(key.line, format!("option {:?} of {owner} stands there twice", key.name)));
            }
        }
        Ok(Options { owner, line, depth, loader, entries, asked: Vec::new() })
    }

    /// An option as it stands in the file.
    pub fn node(&mut self, name: &'static str) -> Option<&'a Node> {
        self.asked.push(name);
        self.entries.iter().find(|(key, _)| key.name == name).map(|(_, node)| node)
    }

    /// The line of an option's value, or of the processor when the option is absent.
    pub fn line_of(&self, name: &str) -> u64 {
        self.entries.iter().find(|(key, _)| key.name == name).map_or(self.line, |(_, node)| node.line)
    }

    /// A refusal that names an option.
    pub fn refuse(&self, name: &str, reason: impl std::fmt::Display) -> Refusal {
        Refusal::new(self.line_of(name), format!("option {name:?} of {}: {reason}", self.owner))
    }

    fn wrong_type(&self, name: &str, wanted: &str, node: &Node) -> Refusal {
        Refusal::new(node.line, format!("option {name:?} of {} must be {wanted}; got {}", self.owner, node.type_name()))
    }

    fn required<T>(&self, name: &str, value: Option<T>) -> Result<T, Refusal> {
        value.ok_or_else(|| Refusal::new(self.line, format!("required option {name:?} of {} is missing", self.owner)))
    }

    pub fn optional_text(&mut self, name: &'static str) -> Result<Option<String>, Refusal> {
        match self.node(name) {
            None => Ok(None),
            Some(Node { kind: Kind::String(text), .. }) => Ok(Some(text.clone())),
            Some(Node { kind: Kind::Null, .. }) => Ok(None),
            Some(node) => Err(self.wrong_type(name, "a string", node)),
        }
    }

    pub fn text(&mut self, name: &'static str) -> Result<String, Refusal> {
        let text = self.optional_text(name)?;
        self.required(name, text)
    }

    pub fn flag(&mut self, name: &'static str, default: bool) -> Result<bool, Refusal> {
        match self.node(name) {
            None => Ok(default),
            Some(Node { kind: Kind::Bool(truth), .. }) => Ok(*truth),
            Some(Node { kind: Kind::Null, .. }) => Ok(default),
            // Elasticsearch takes these two texts too.
            Some(Node { kind: Kind::String(text), .. }) if text == "true" || text == "false" => Ok(text == "true"),
            Some(node) => Err(self.wrong_type(name, "true or false", node)),
        }
    }

    /// A list of strings.
    pub fn texts(&mut self, name: &'static str) -> Result<Vec<String>, Refusal> {
        let node = self.node(name);
        let node = self.required(name, node)?;
        match &node.kind {
            Kind::List(nodes) => nodes.iter().map(|node| self.one_text(name, node)).collect(),
            _ => Err(self.wrong_type(name, "a list of strings", node)),
        }
    }

    /// A string or a list of strings; none when the option is absent.
    pub fn text_or_texts(&mut self, name: &'static str) -> Result<Option<Vec<String>>, Refusal> {
        match self.node(name) {
            None => Ok(None),
            Some(Node { kind: Kind::String(text), .. }) => Ok(Some(vec![text.clone()])),
            Some(Node { kind: Kind::List(nodes), .. }) => {
                nodes.iter().map(|node| self.one_text(name, node)).collect::<Result<_, _>>().map(Some)
            }
            Some(node) => Err(self.wrong_type(name, "a string or a list of strings", node)),
        }
    }

    fn one_text(&self, name: &str, node: &Node) -> Result<String, Refusal> {
        match &node.kind {
            Kind::String(text) => Ok(text.clone()),
            _ => Err(self.wrong_type(name, "a list of strings", node)),
        }
    }

    /// An object whose values are strings.
    pub fn text_map(&mut self, name: &'static str) -> Result<Vec<(String, String)>, Refusal> {
        match self.node(name) {
            None => Ok(Vec::new()),
            Some(Node { kind: Kind::Map(entries), .. }) => entries
                .iter()
                .map(|(key, node)| match &node.kind {
                    Kind::String(text) => Ok((key.name.clone(), text.clone())),
                    _ => Err(self.wrong_type(name, "an object of strings", node)),
                })
                .collect(),
            Some(node) => Err(self.wrong_type(name, "an object of strings", node)),
        }
    }

    /// Any value; null is a value.
    pub fn value(&mut self, name: &'static str) -> Option<Value> {
        self.node(name).map(Node::to_value)
    }

    /// The path of a field, without template.
    pub fn path(&mut self, name: &'static str) -> Result<FieldPath, Refusal> {
        let path = self.optional_path(name)?;
        self.required(name, path)
    }

    pub fn optional_path(&mut self, name: &'static str) -> Result<Option<FieldPath>, Refusal> {
        let Some(text) = self.optional_text(name)? else { return Ok(None) };
        FieldPath::parse(&text).map(Some).map_err(|error| self.refuse(name, error))
    }

    /// The path of a field, which may be a template.
    pub fn field(&mut self, name: &'static str) -> Result<FieldTemplate, Refusal> {
        let text = self.text(name)?;
        FieldTemplate::parse(&text).map_err(|error| self.refuse(name, error))
    }

    /// A text that may be a template.
    pub fn optional_template(&mut self, name: &'static str) -> Result<Option<Template>, Refusal> {
        let Some(text) = self.optional_text(name)? else { return Ok(None) };
        Template::parse(&text).map(Some).map_err(|error| self.refuse(name, error))
    }

    /// One of the given words.
    pub fn word(&mut self, name: &'static str, words: &[&str], default: &str) -> Result<String, Refusal> {
        let Some(text) = self.optional_text(name)? else { return Ok(default.to_owned()) };
        if words.contains(&text.as_str()) {
            return Ok(text);
        }
        let wanted = words.join(" or ");
        Err(self.refuse(name, format!("got {text:?}; want {wanted}")).guessing(&text, words.iter().copied()))
    }

    /// An integer; the default when the option is absent.
    pub fn integer(&mut self, name: &'static str, default: i64) -> Result<i64, Refusal> {
        match self.node(name) {
            None | Some(Node { kind: Kind::Null, .. }) => Ok(default),
            Some(Node { kind: Kind::Integer(number), .. }) => Ok(*number),
            // Elasticsearch reads numbers from texts too.
            Some(node @ Node { kind: Kind::String(text), .. }) => {
                text.trim().parse().map_err(|_| self.wrong_type(name, "an integer", node))
            }
            Some(node) => Err(self.wrong_type(name, "an integer", node)),
        }
    }

    /// `field` and `target_field`, the latter of which is the former where it is absent.
    pub fn path_and_target(&mut self) -> Result<(FieldPath, FieldPath), Refusal> {
        let field = self.path("field")?;
        let target = self.optional_path("target_field")?.unwrap_or_else(|| field.clone());
        Ok((field, target))
    }

    /// A regular expression of Java.
    pub fn regex(&mut self, name: &'static str) -> Result<JavaRegex, Refusal> {
        let text = self.text(name)?;
        JavaRegex::compile(&text, "").map_err(|reason| self.refuse(name, reason))
    }

    /// Refuses the first option that nobody asked for.
    pub fn finish(self) -> Result<(), Refusal> {
        match self.entries.iter().find(|(key, _)| !self.asked.contains(&key.name.as_str())) {
            None => Ok(()),
            Some((key, _)) => Err(Refusal::new(key.line, format!("unknown option {:?} in {}", key.name, self.owner))
                .guessing(&key.name, self.asked.iter().copied())),
        }
    }
}
