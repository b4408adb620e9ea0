//! Buckets over documents in a small index.

use super::*;
use crate::exec::SearchError;
use crate::query::ast::{Pattern, Scalar};
use crate::query::dsl::Dsl;
use crate::query::{FieldNames, Refusal};
use serde_json::{Value, json};
use tantivy::query::{AllQuery, TermQuery};
use tantivy::schema::{IndexRecordOption, JsonObjectOptions, Schema};
use tantivy::{Index as TantivyIndex, IndexWriter, TantivyDocument, Term};

struct Known {
    index: TantivyIndex,
}

impl FieldNames for Known {
    fn matching(&self, _: &Pattern) -> Vec<String> {
        Vec::new()
    }
}

impl Index for Known {
    fn field(&self, field: &str) -> Option<FieldColumn> {
        let kind = kind_of(field)?;
        Some(FieldColumn { column: format!("f.{field}"), kind })
    }

    fn build(&self, query: &Query) -> Result<Box<dyn tantivy::query::Query>, Refusal> {
        match query {
            Query::Term { field, value: Scalar::Text(text), .. } => {
                let json = self.index.schema().get_field("f").expect("the schema has it");
                let mut term = Term::from_field_json_path(json, field, true);
                term.append_type_and_str(text);
                Ok(Box::new(TermQuery::new(term, IndexRecordOption::Basic)))
            }
            _ => Ok(Box::new(AllQuery)),
        }
    }
}

fn kind_of(field: &str) -> Option<FieldKind> {
    Some(match field {
        "level" => FieldKind::Keyword,
        "bytes" => FieldKind::Long,
        "seconds" => FieldKind::Double,
        "ok" => FieldKind::Boolean,
        "at" => FieldKind::Date,
        "message" => FieldKind::Text,
        _ => return None,
    })
}

/// Documents in two segments.
fn known() -> Known {
    let documents = [
        json!({ "level": "info", "bytes": 100, "seconds": 0.5, "ok": true, "at": "2024-03-30T22:30:00Z" }),
        json!({ "level": "info", "bytes": 300, "seconds": 1.5, "ok": true, "at": "2024-03-30T23:30:00Z" }),
        json!({ "level": ["warn", "slow"], "bytes": 250, "seconds": 2, "ok": false, "at": "2024-04-02T01:00:00Z" }),
        json!({ "bytes": 100, "at": "2024-04-02T02:00:00Z" }),
    ];
    in_segments(documents.into_iter(), 2)
}

/// Documents in segments of so many.
fn in_segments(documents: impl Iterator<Item = Value>, count: usize) -> Known {
    let mut schema = Schema::builder();
    let options = JsonObjectOptions::default()
        .set_fast("raw")
        .set_expand_dots_enabled()
        .set_indexing_options(tantivy::schema::TextFieldIndexing::default().set_tokenizer("raw"));
    schema.add_json_field("f", options);
    let index = TantivyIndex::create_in_ram(schema.build());
    let mut writer: IndexWriter = index.writer_with_num_threads(1, 200_000_000).expect("a writer");
    writer.set_merge_policy(Box::new(tantivy::merge_policy::NoMergePolicy));
    for (number, document) in documents.enumerate() {
        let text = json!({ "f": document }).to_string();
        let document = TantivyDocument::parse_json(&index.schema(), &text).expect("a document");
        writer.add_document(document).expect("is added");
        if (number + 1) % count == 0 {
            writer.commit().expect("is committed");
        }
    }
    let segments = index.searchable_segments().expect("the segments");
    assert!(segments.iter().all(|segment| segment.meta().num_docs() as usize == count));
    Known { index }
}

/// What an aggregation over all documents gives, with other limits.
fn search_in(known: &Known, aggregation: Value, limit: impl FnOnce(&mut Prepared)) -> Result<Value, Refusal> {
    let aggregations = parse(&json!({ "a": aggregation }), &mut Dsl::new(known))?;
    let searcher = known.index.reader().expect("a reader").searcher();
    let mut prepared = Prepared::new(&aggregations, known, &searcher)?;
    limit(&mut prepared);
    match searcher.search(&AllQuery, &Collecting(&prepared)).map_err(run::refused) {
        Ok((_, partials)) => Ok(answer(&aggregations, &partials, 0, &kind_of)?["a"].take()),
        Err(SearchError::Refused(refusal)) => Err(refusal),
        Err(error) => panic!("{aggregation}: {error}"),
    }
}

fn check(aggregation: Value, expect: Value) {
    assert_eq!(search_in(&known(), aggregation.clone(), |_| ()), Ok(expect), "{aggregation}");
}

fn check_refused(aggregation: Value, kind: &str, reason: &str) {
    let error = search_in(&known(), aggregation.clone(), |_| ()).expect_err("is refused");
    assert!(error.kind == kind && error.reason.contains(reason), "{aggregation}\n{error:?}");
}

#[test]
fn terms() {
    check(
        json!({ "terms": { "field": "level", "size": 2 } }),
        json!({ "doc_count_error_upper_bound": 0, "sum_other_doc_count": 1, "buckets": [
            { "key": "info", "doc_count": 2 }, { "key": "slow", "doc_count": 1 },
        ] }),
    );
    check(
        json!({ "terms": { "field": "bytes", "order": { "s.max": "desc" }, "exclude": [250] },
            "aggs": { "s": { "stats": { "field": "seconds" } } } }),
        json!({ "doc_count_error_upper_bound": 0, "sum_other_doc_count": 0, "buckets": [
            { "key": 300, "doc_count": 1, "s": { "count": 1, "min": 1.5, "max": 1.5, "avg": 1.5, "sum": 1.5 } },
            { "key": 100, "doc_count": 2, "s": { "count": 1, "min": 0.5, "max": 0.5, "avg": 0.5, "sum": 0.5 } },
        ] }),
    );
    check(
        json!({ "terms": { "field": "level", "missing": "none", "include": ["none", "warn"], "order": { "_key": "desc" } } }),
        json!({ "doc_count_error_upper_bound": 0, "sum_other_doc_count": 0, "buckets": [
            { "key": "warn", "doc_count": 1 }, { "key": "none", "doc_count": 1 },
        ] }),
    );
    check(
        json!({ "terms": { "field": "ok" } }),
        json!({ "doc_count_error_upper_bound": 0, "sum_other_doc_count": 0, "buckets": [
            { "key": 1, "key_as_string": "true", "doc_count": 2 }, { "key": 0, "key_as_string": "false", "doc_count": 1 },
        ] }),
    );
    check(
        json!({ "terms": { "field": "nowhere" } }),
        json!({ "doc_count_error_upper_bound": 0, "sum_other_doc_count": 0, "buckets": [] }),
    );
}

#[test]
fn date_histograms() {
    let bucket = |text: &str, key: i64, count: u64| json!({ "key_as_string": text, "key": key, "doc_count": count });
    check(
        json!({ "date_histogram": { "field": "at", "calendar_interval": "day", "time_zone": "Europe/Berlin", "format": "yyyy-MM-dd XXX" } }),
        json!({ "buckets": [
            bucket("2024-03-30 +01:00", 1_711_753_200_000, 1),
            bucket("2024-03-31 +01:00", 1_711_839_600_000, 1),
            bucket("2024-04-01 +02:00", 1_711_922_400_000, 0),
            bucket("2024-04-02 +02:00", 1_712_008_800_000, 2),
        ] }),
    );
    check(
        json!({ "date_histogram": { "field": "at", "fixed_interval": "1d", "min_doc_count": 1, "order": { "_count": "asc" } } }),
        json!({ "buckets": [
            bucket("2024-03-30T00:00:00.000Z", 1_711_756_800_000, 2),
            bucket("2024-04-02T00:00:00.000Z", 1_712_016_000_000, 2),
        ] }),
    );
    check(
        json!({ "date_histogram": { "field": "at", "calendar_interval": "month", "format": "yyyy-MM",
            "extended_bounds": { "min": "2024-02", "max": "2024-05" } } }),
        json!({ "buckets": [
            bucket("2024-02", 1_706_745_600_000, 0), bucket("2024-03", 1_709_251_200_000, 2),
            bucket("2024-04", 1_711_929_600_000, 2), bucket("2024-05", 1_714_521_600_000, 0),
        ] }),
    );
}

#[test]
fn histograms_and_ranges() {
    check(
        json!({ "histogram": { "field": "bytes", "interval": 100, "offset": 50 } }),
        json!({ "buckets": [
            { "key": 50.0, "doc_count": 2 }, { "key": 150.0, "doc_count": 0 }, { "key": 250.0, "doc_count": 2 },
        ] }),
    );
    check(
        json!({ "range": { "field": "bytes", "ranges": [{ "from": 250 }, { "to": 250 }, { "from": 100, "to": 300, "key": "mid" }] } }),
        json!({ "buckets": [
            { "key": "*-250.0", "to": 250.0, "doc_count": 2 },
            { "key": "mid", "from": 100.0, "to": 300.0, "doc_count": 3 },
            { "key": "250.0-*", "from": 250.0, "doc_count": 2 },
        ] }),
    );
    check(
        json!({ "date_range": { "field": "at", "format": "yyyy-MM-dd", "keyed": true, "ranges": [{ "from": "2024-04-01" }] } }),
        json!({ "buckets": { "2024-04-01-*": { "from": 1_711_929_600_000.0, "from_as_string": "2024-04-01", "doc_count": 2 } } }),
    );
}

#[test]
fn filters_and_missing() {
    check(
        json!({ "filters": { "other_bucket": true, "filters": { "warn": { "term": { "level": "warn" } }, "info": { "term": { "level": "info" } } } },
            "aggs": { "sum": { "sum": { "field": "bytes" } } } }),
        json!({ "buckets": {
            "info": { "doc_count": 2, "sum": { "value": 400.0 } },
            "warn": { "doc_count": 1, "sum": { "value": 250.0 } },
            "_other_": { "doc_count": 1, "sum": { "value": 100.0 } },
        } }),
    );
    check(json!({ "filter": { "term": { "level": "slow" } } }), json!({ "doc_count": 1 }));
    check(json!({ "missing": { "field": "level" } }), json!({ "doc_count": 1 }));
}

#[test]
fn metrics() {
    check(
        json!({ "max": { "field": "at" } }),
        json!({ "value": 1_712_023_200_000.0, "value_as_string": "2024-04-02T02:00:00.000Z" }),
    );
    check(json!({ "avg": { "field": "seconds", "missing": 4 } }), json!({ "value": 2.0 }));
    check(json!({ "min": { "field": "nowhere" } }), json!({ "value": null }));
    check(json!({ "sum": { "field": "nowhere" } }), json!({ "value": 0.0 }));
    check(json!({ "cardinality": { "field": "level" } }), json!({ "value": 3 }));
    check(json!({ "value_count": { "field": "level" } }), json!({ "value": 4 }));
    check(
        json!({ "percentiles": { "field": "bytes", "percents": [0, 100] } }),
        json!({ "values": { "0.0": 100.0, "100.0": 300.0 } }),
    );
}

#[test]
fn what_is_not_supported_is_named() {
    check_refused(json!({ "top_hits": {} }), "parsing_exception", "Unknown aggregation type [top_hits]");
    check_refused(
        json!({ "terms": { "field": "level", "script": "x" } }),
        "x_content_parse_exception",
        "unknown field [script]",
    );
    check_refused(
        json!({ "terms": { "field": "level", "include": "a.*" } }),
        "illegal_argument_exception",
        "regular expression",
    );
    check_refused(
        json!({ "terms": { "field": "message" } }),
        "illegal_argument_exception",
        "Text fields are not optimised",
    );
    check_refused(
        json!({ "sum": { "field": "level" } }),
        "illegal_argument_exception",
        "of type [keyword] is not supported",
    );
    check_refused(
        json!({ "date_histogram": { "field": "at", "fixed_interval": "1M" } }),
        "illegal_argument_exception",
        "1M",
    );
    check_refused(
        json!({ "date_histogram": { "field": "at", "calendar_interval": "2d" } }),
        "illegal_argument_exception",
        "2d",
    );
    check_refused(
        json!({ "terms": { "field": "level", "order": { "b": "asc" } } }),
        "illegal_argument_exception",
        "order path [b]",
    );
    check_refused(
        json!({ "sum": { "field": "bytes" }, "aggs": { "b": { "sum": { "field": "bytes" } } } }),
        "illegal_argument_exception",
        "cannot accept",
    );
}

#[test]
fn hostile_requests_are_bounded() {
    let mut nested = json!({ "terms": { "field": "level" } });
    for _ in 0..30 {
        nested = json!({ "terms": { "field": "level" }, "aggs": { "b": nested } });
    }
    check_refused(nested, "illegal_argument_exception", "nested deeper");
    check_refused(
        json!({ "histogram": { "field": "bytes", "interval": 1e-9 } }),
        "too_many_buckets_exception",
        "65536",
    );
    check_refused(
        json!({ "date_histogram": { "field": "at", "fixed_interval": "1s" } }),
        "too_many_buckets_exception",
        "65536",
    );
    check_refused(
        json!({ "date_histogram": { "field": "at", "calendar_interval": "1y",
        "extended_bounds": { "min": -60_000_000_000_000i64, "max": 253_402_207_200_000i64 }, "format": "epoch_millis" },
        "aggs": { "b": { "date_histogram": { "field": "at", "fixed_interval": "1ms" } } } }),
        "too_many_buckets_exception",
        "65536",
    );
}

/// A field of which every document has a value of its own, as an id or an address with its query.
#[test]
fn any_number_of_texts_is_counted_and_too_many_buckets_are_refused_by_the_limit() {
    const DOCUMENTS: usize = 66_000;
    let documents =
        (0..DOCUMENTS).map(|number| json!({ "level": format!("{:05}", number * 7 % DOCUMENTS), "bytes": number }));
    let known = in_segments(documents, DOCUMENTS);
    let terms = |field: &str| json!({ "terms": { "field": field, "size": 2 } });
    let limit = |prepared: &mut Prepared| prepared.kept_max = DOCUMENTS - 1;
    // 65,536 of a segment are given on: of as many documents those with the lowest keys, as in an answer.
    assert_eq!(
        search_in(&known, terms("level"), limit),
        Ok(json!({ "doc_count_error_upper_bound": 1, "sum_other_doc_count": 65_998, "buckets": [
            { "key": "00000", "doc_count": 1 }, { "key": "00001", "doc_count": 1 },
        ] }))
    );
    let mut with_inner = terms("level");
    with_inner["aggs"] = json!({ "b": { "sum": { "field": "bytes" } } });
    for aggregation in [terms("bytes"), with_inner, json!({ "cardinality": { "field": "level" } })] {
        let refusal = search_in(&known, aggregation.clone(), limit).expect_err("it is too much");
        assert_eq!(refusal.kind, "too_many_buckets_exception", "{aggregation}");
        let reason = "Trying to create too many buckets. Must be less than or equal to: [65999]";
        assert_eq!(refusal.reason, reason, "{aggregation}");
        assert!(search_in(&known, aggregation.clone(), |_| ()).is_ok(), "{aggregation}");
    }
}

#[test]
fn what_all_segments_give_on_is_bounded() {
    let aggregation = json!({ "terms": { "field": "level" } });
    // One in the first segment, two in the second.
    let with = |given: usize| {
        search_in(&known(), aggregation.clone(), |prepared| prepared.given = std::sync::Arc::new(given.into()))
    };
    assert!(with(1_999_997).is_ok());
    let refusal = with(1_999_998).expect_err("it is too much");
    assert_eq!(refusal.kind, "too_many_buckets_exception");
    assert_eq!(refusal.reason, "Trying to create too many buckets. Must be less than or equal to: [2000000]");
}

#[test]
fn a_document_is_once_in_a_bucket_however_often_it_has_the_value() {
    let documents = [json!({ "level": ["b", "a", "b", "b"], "bytes": [7, 1, 8, 1] }), json!({ "level": "b" })];
    let known = in_segments(documents.into_iter(), 2);
    let buckets = |aggregation| search_in(&known, aggregation, |_| ()).map(|mut found| found["buckets"].take());
    assert_eq!(
        buckets(json!({ "terms": { "field": "level" } })),
        Ok(json!([{ "key": "b", "doc_count": 2 }, { "key": "a", "doc_count": 1 }]))
    );
    assert_eq!(
        buckets(json!({ "histogram": { "field": "bytes", "interval": 5 } })),
        Ok(json!([{ "key": 0.0, "doc_count": 1 }, { "key": 5.0, "doc_count": 1 }]))
    );
}
