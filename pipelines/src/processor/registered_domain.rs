//! `registered_domain`: the parts of a host's name, by the public suffix list.

use super::{Flow, Processor, Reason};
use crate::document::{Document, FieldPath, Value};
use crate::pipeline::{Options, Refusal, Run};

#[derive(Debug)]
struct RegisteredDomain {
    field: FieldPath,
    domain: FieldPath,
    registered_domain: FieldPath,
    top_level_domain: FieldPath,
    subdomain: FieldPath,
    ignore_missing: bool,
}

pub(super) fn parse(options: &mut Options<'_>) -> Result<Box<dyn Processor>, Refusal> {
    let field = options.path("field")?;
    let target = options.optional_text("target_field")?.unwrap_or_default();
    let path = |name: &str| {
        let path = if target.is_empty() { name.to_owned() } else { format!("{target}.{name}") };
        FieldPath::parse(&path).map_err(|error| options.refuse("target_field", error))
    };
    let domain = path("domain")?;
    let registered_domain = path("registered_domain")?;
    let top_level_domain = path("top_level_domain")?;
    let subdomain = path("subdomain")?;
    let ignore_missing = options.flag("ignore_missing", true)?;
    Ok(Box::new(RegisteredDomain { field, domain, registered_domain, top_level_domain, subdomain, ignore_missing }))
}

impl Processor for RegisteredDomain {
    fn run(&self, document: &mut Document, _: &mut Run<'_>) -> Result<Flow, Reason> {
        let name = match self.ignore_missing && !document.has_field(&self.field) {
            true => None,
            false => document.field_text(&self.field)?.map(str::to_owned),
        };
        let Some((name, parts)) = name.and_then(|name| Some((name.clone(), parts(&name)?))) else {
            return match self.ignore_missing {
                true => Ok(Flow::Next),
                false => Err(Reason::Text("unable to set domain information for document".to_owned())),
            };
        };
        document.set_field(&self.domain, Value::from(name))?;
        if let Some(registered) = parts.registered {
            document.set_field(&self.registered_domain, Value::from(registered))?;
        }
        document.set_field(&self.top_level_domain, Value::from(parts.suffix))?;
        if let Some(subdomain) = parts.subdomain {
            document.set_field(&self.subdomain, Value::from(subdomain))?;
        }
        Ok(Flow::Next)
    }
}

struct Parts {
    registered: Option<String>,
    suffix: String,
    subdomain: Option<String>,
}

fn parts(name: &str) -> Option<Parts> {
    if name.starts_with('.') || name.is_empty() {
        return None;
    }
    let lower = name.to_lowercase();
    let suffix = psl::suffix(lower.as_bytes()).filter(|suffix| suffix.is_known())?;
    let suffix = std::str::from_utf8(suffix.as_bytes()).ok()?.to_owned();
    let Some(registered) = psl::domain_str(&lower) else {
        // The name is a suffix itself.
        return (suffix == lower).then(|| Parts { registered: None, suffix: name.to_owned(), subdomain: None });
    };
    let subdomain = name.len().checked_sub(registered.len() + 1).filter(|end| *end > 0);
    let subdomain = subdomain.and_then(|end| name.get(..end)).map(str::to_owned);
    Some(Parts { registered: Some(registered.to_owned()), suffix, subdomain })
}
