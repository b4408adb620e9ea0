//! Which field of a document a server complains about, as far as its words tell.
//!
//! The words are those of Elasticsearch 7 to 9 and OpenSearch; version 8 put the place in the document in front of them
//! (`[1:7] `). What they quote of the document comes behind the name of the field, so the first match is the server's.

use crate::response::ErrorAnswer;

/// The full name of the field that made the server refuse the document; `None` when it cannot be told.
pub(crate) fn offender(error: &ErrorAnswer) -> Option<String> {
    let reason = error.reason.as_str();
    let name = match error.kind.as_str() {
        "document_parsing_exception" | "mapper_parsing_exception" => {
            between(reason, "failed to parse field [", "] of type [")
                .or_else(|| between(reason, "object mapping for [", "] tried to parse field ["))
                .or_else(|| between(reason, "Could not dynamically add mapping for field [", "]. Existing mapping for"))
                .or_else(|| between(reason, "Field [", "] is a metadata field"))
                .or_else(|| too_deep(reason))
                .map(str::to_owned)
        }
        "strict_dynamic_mapping_exception" => unknown(reason),
        "illegal_argument_exception" => between(reason, "immense term in field=\"", "\"")
            .or_else(|| between(reason, "mapper [", "] cannot be changed from type ["))
            .or_else(|| between(reason, "merge a non object mapping [", "] with an object mapping"))
            .or_else(|| between(reason, "object mapping [", "] can't be changed from"))
            .or_else(|| too_deep(reason))
            .map(str::to_owned),
        _ => None,
    }?;
    // What has an empty part cannot be a field's name under another name either.
    (!name.split('.').any(|part| part.trim().is_empty())).then_some(name)
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let start = text.find(before)? + before.len();
    let end = text[start..].find(after)?;
    Some(&text[start..start + end])
}

/// Of a path that is too deep the whole tree: it would be as deep under another name.
fn too_deep(reason: &str) -> Option<&str> {
    let path = between(reason, "has been exceeded due to object field [", "]")?;
    path.split('.').next()
}

/// `dynamic introduction of [b] within [a] is not allowed`; the root's name is that of the old mapping types.
fn unknown(reason: &str) -> Option<String> {
    let name = between(reason, "dynamic introduction of [", "] within [")?;
    Some(match between(reason, "] within [", "] is not allowed")? {
        "_doc" => name.to_owned(),
        within => format!("{within}.{name}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_fields() {
        let check = |kind: &str, reason: &str, want: Option<&str>| {
            let error = ErrorAnswer { kind: kind.into(), reason: reason.into() };
            assert_eq!(offender(&error).as_deref(), want, "{kind} {reason}");
        };
        let (old, new) = ("mapper_parsing_exception", "document_parsing_exception");
        let illegal = "illegal_argument_exception";
        check(
            new,
            "[1:7] failed to parse field [a.n] of type [long] in document with id 'a'. Preview of field's value: \
             'failed to parse field [x] of type [y]': For input string: \"many\"",
            Some("a.n"),
        );
        check(old, "failed to parse field [a]b] of type [date] in document", Some("a]b"));
        check(
            old,
            "object mapping for [a.o] tried to parse field [o] as object, but found a concrete value",
            Some("a.o"),
        );
        check(
            old,
            "Could not dynamically add mapping for field [host.name]. Existing mapping for [host] must be of type \
             object but found [text].",
            Some("host.name"),
        );
        check(new, "[1:9] Field [_id] is a metadata field and cannot be added inside a document.", Some("_id"));
        check(
            "strict_dynamic_mapping_exception",
            "[1:11] mapping set to strict, dynamic introduction of [other] within [_doc] is not allowed",
            Some("other"),
        );
        check(
            "strict_dynamic_mapping_exception",
            "mapping set to strict, dynamic introduction of [b] within [a.o] is not allowed",
            Some("a.o.b"),
        );
        check(illegal, "Document contains at least one immense term in field=\"k.raw\" (whose UTF8", Some("k.raw"));
        check(illegal, "mapper [a.b] cannot be changed from type [long] to [text]", Some("a.b"));
        check(illegal, "can't merge a non object mapping [host] with an object mapping", Some("host"));
        check(illegal, "Limit of mapping depth [20] has been exceeded due to object field [d.e.f.g]", Some("d"));
        check(illegal, "Limit of total fields [1000] has been exceeded", None);
        check(new, "[1:35] failed to parse: Limit of total fields [3] has been exceeded while adding new fields", None);
        check(new, "[1:2] failed to parse: field name cannot be an empty string", None);
        check(old, "failed to parse field [a..b] of type [long]", None);
        check("invalid_index_name_exception", "failed to parse field [a] of type [long]", None);
        check(new, "failed to parse field [a", None);
    }
}
