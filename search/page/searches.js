// The bodies of searches: from what the page shows to Elasticsearch's query language.

import { state } from "./state.js";
import { resolve, width, zone } from "./times.js";

export const TIME = "@timestamp";
/** Documents of one answer. */
export const PAGE = 100;
/** Values of a stacked field that get a colour of their own; the rest is "other". */
const STACKED_MAX = 9;

/** What is known about the fields; set after `_field_caps`. */
export let caps = new Map();
export const setCaps = (fields) => (caps = fields);

/** The field to compare whole values by: the field, or what dynamic mappings put beside a text. */
export function exact(field) {
  if (caps.get(field)?.aggregatable) return field;
  return caps.get(`${field}.keyword`)?.aggregatable ? `${field}.keyword` : null;
}

/** The ends of the range in milliseconds, now; `null`: one of them is no time. */
export function range(now = Date.now()) {
  const [from, to] = [resolve(state.from, now), resolve(state.to, now)];
  return Number.isFinite(from) && Number.isFinite(to) && from < to ? { from, to } : null;
}

const iso = (ms) => new Date(ms).toISOString();

export function within({ from, to }) {
  return { range: { [TIME]: { gte: iso(from), lte: iso(to), format: "strict_date_optional_time" } } };
}

function one({ op, field, value }) {
  if (op === "has" || op === "hasnot") return { exists: { field } };
  const whole = exact(field);
  return whole ? { term: { [whole]: { value } } } : { match_phrase: { [field]: String(value) } };
}

/** The query: what is typed, the filters, and the range. */
export function query(span, { q = state.q, filters = state.filters, more = [] } = {}) {
  const filter = span ? [within(span), ...more] : [...more];
  const must_not = [];
  if (q.trim() !== "") filter.push(typed(q));
  for (const it of filters) (it.op === "not" || it.op === "hasnot" ? must_not : filter).push(one(it));
  return { bool: { filter, must_not } };
}

/** Words that stand beside each other must all be there, as in `sluice search`. */
const typed = (q) => ({ query_string: { query: q, default_operator: "AND", analyze_wildcard: true } });

/**
 * Newest first. Lines of one millisecond are told apart by their place in the file, so that going on behind the last
 * one (`search_after`) leaves none out.
 */
export function order(direction = "desc") {
  const sort = [{ [TIME]: { order: direction, unmapped_type: "date" } }];
  if (caps.get("log.offset")?.aggregatable) sort.push({ "log.offset": { order: direction, unmapped_type: "long", missing: 0 } });
  const path = exact("log.file.path");
  if (path) sort.push({ [path]: { order: direction, unmapped_type: "keyword", missing: "_last" } });
  return sort;
}

export function hits(span, after) {
  const body = { size: PAGE, query: query(span), sort: order(), track_total_hits: after === undefined };
  if (after !== undefined) body.search_after = after;
  return body;
}

/** Stands for "no value" among the values of the first field. */
export const NONE = "\u2014";

/** Which fields the bars are stacked by; the second is for documents without the first. `found`: what `kinds` found. */
export function stackFields(found) {
  const fields = { level: ["log.level"], status: ["http.response.status_code"], dataset: ["event.dataset"], none: [] };
  return (fields[state.stack] ?? found).map(exact).filter(Boolean);
}

export function histogram(span, [field, second]) {
  const bars = width(span.to - span.from);
  const interval = bars.calendar ? { calendar_interval: bars.word } : { fixed_interval: bars.word };
  const date_histogram = {
    field: TIME, ...interval, time_zone: zone(), min_doc_count: 0, extended_bounds: { min: span.from, max: span.to },
  };
  const bar = { date_histogram };
  if (field) bar.aggs = { stack: { terms: { field, size: valuesOf(field) } } };
  if (second) {
    bar.aggs.stack.terms.missing = NONE;
    bar.aggs.stack.aggs = { second: { terms: { field: second, size: valuesOf(second) } } };
  }
  return { size: 0, track_total_hits: false, query: query(span), aggs: { bars: bar } };
}

/** Statuses are few, and gathered to classes by the page. */
const valuesOf = (field) => (field.includes("status") ? 40 : STACKED_MAX);

/** How many documents have a level, and how many a status. */
export function kinds(span) {
  const aggs = {};
  for (const field of ["log.level", "http.response.status_code"]) {
    const whole = exact(field);
    if (whole) aggs[field] = { value_count: { field: whole } };
  }
  return { size: 0, track_total_hits: false, query: query(span), aggs };
}

/** The first and the last time of what is asked for, at any time. */
export function extent() {
  return {
    size: 0, track_total_hits: true, query: query(null),
    aggs: { first: { min: { field: TIME } }, last: { max: { field: TIME } } },
  };
}

/** The most frequent values of a field. */
export function topValues(span, field, size = 8, more = []) {
  return {
    size: 0, track_total_hits: true, query: query(span, { more: [{ exists: { field } }, ...more] }),
    aggs: { top: { terms: { field: exact(field), size } } },
  };
}

/** Values of a field that begin with what is typed. */
export function valuesLike(span, field, typedValue) {
  const whole = exact(field);
  const isWord = caps.get(whole)?.types.every((type) => type === "keyword" || type === "constant_keyword");
  const filter = span ? [within(span)] : [];
  if (isWord && typedValue !== "") filter.push({ prefix: { [whole]: { value: typedValue } } });
  const size = isWord ? 10 : 40;
  return { size: 0, track_total_hits: false, query: { bool: { filter } }, aggs: { top: { terms: { field: whole, size } } } };
}

/** Lines of the same file before or from a position on. */
export function neighbours(document, before, offset, size) {
  const filter = [];
  for (const field of ["log.file.path", "host.name", "sluice.file.id"]) {
    const value = document.fields.get(field)?.[0];
    if (value !== undefined && caps.has(field)) filter.push(one({ op: "is", field, value }));
  }
  filter.push({ range: { "log.offset": before ? { lt: offset } : { gte: offset } } });
  return { size, track_total_hits: false, query: { bool: { filter } }, sort: [{ "log.offset": { order: before ? "desc" : "asc" } }] };
}

export const byId = (id) => ({ size: 1, query: { ids: { values: [id] } } });
