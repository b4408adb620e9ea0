// The list of fields with their most frequent values, and the choice of columns.

import { search } from "./api.js";
import { $, calm, fill, h } from "./dom.js";
import { shown } from "./json.js";
import { caps, exact, range, topValues } from "./searches.js";
import { addFilter, state, toggleColumn } from "./state.js";
import { documents } from "./table.js";
import { plain } from "./visible.js";

/** Names in the list; an index can have thousands of fields, and whoever looks for one of them types. */
const SHOWN_MAX = 200;
/** Documents in which fields are counted. */
const COUNTED_MAX = 500;
/** Characters of a value. */
const VALUE_MAX = 120;

let openField = null;
let openValues = null;
let asked = 0;

const input = $("#fields-find");

/** Draws the list from the fields that are known and the documents that are there. */
export function drawFields() {
  const counts = new Map();
  const sample = documents.slice(0, COUNTED_MAX);
  for (const document of sample) for (const field of document.fields.keys()) counts.set(field, (counts.get(field) ?? 0) + 1);
  const wanted = input.value.trim().toLowerCase();
  const fits = (field) => wanted === "" || field.toLowerCase().includes(wanted);
  const isTwin = (field) => field.endsWith(".keyword") && caps.has(field.slice(0, -8));
  const all = [...new Set([...caps.keys(), ...counts.keys()])].filter((field) => fits(field) && !isTwin(field));
  const byName = (a, b) => (a < b ? -1 : 1);
  const chosen = state.columns.filter(fits);
  const present = all.filter((field) => counts.has(field) && !state.columns.includes(field)).sort(byName);
  const others = all.filter((field) => !counts.has(field) && !state.columns.includes(field)).sort(byName);
  let left = SHOWN_MAX;
  const group = (title, fields) => {
    const part = fields.slice(0, left);
    left -= part.length;
    return part.length > 0 ? [h("h3", {}, title, h("span", {}, fields.length.toLocaleString())), ...part.map((field) => item(field, counts.get(field), sample.length))] : [];
  };
  const groups = [...group("Columns", chosen), ...group("In these documents", present), ...group("Other fields", others)];
  const hidden = chosen.length + present.length + others.length - (SHOWN_MAX - left);
  fill($("#fields-list"), ...groups, hidden > 0 && h("p", { class: "hint" }, `${hidden.toLocaleString()} more: type to find them`), groups.length === 0 && h("p", { class: "hint" }, wanted ? "no such field" : "no fields yet"));
}

function typeSign(field) {
  const type = caps.get(field)?.types?.[0] ?? "";
  if (["long", "integer", "short", "byte", "double", "float", "half_float", "scaled_float", "unsigned_long"].includes(type)) return "#";
  return { date: "◷", date_nanos: "◷", boolean: "☑", ip: "@", text: "¶", match_only_text: "¶" }[type] ?? "a";
}

function item(field, count, of) {
  const isColumn = state.columns.includes(field);
  const isOpen = field === openField;
  const name = h("button", { type: "button", class: "field-name", "aria-expanded": isOpen, title: `${plain(field)}${caps.has(field) ? ` (${caps.get(field).type})` : ""}`, onclick: () => show(isOpen ? null : field) },
    h("i", { class: "kind" }, typeSign(field)), h("span", {}, plain(field)));
  const share = count !== undefined && of > 0 && count < of ? h("small", { title: `in ${count} of ${of} loaded documents` }, `${Math.max(1, Math.round((100 * count) / of))}%`) : null;
  const column = h("button", { type: "button", class: "field-column", title: isColumn ? "remove column" : "show as column", "aria-label": `${isColumn ? "remove" : "add"} column ${plain(field)}`, onclick: () => toggleColumn(field) }, isColumn ? "−" : "+");
  return h("div", { class: `field${isOpen ? " open" : ""}`, "data-field": field }, h("div", { class: "field-line" }, name, share, column), isOpen && values(field));
}

async function show(field) {
  openField = field;
  openValues = null;
  drawFields();
  if (field === null) return;
  const own = (asked += 1);
  let result;
  try {
    const span = range();
    if (exact(field) && span) {
      const answer = await search(topValues(span, field));
      result = { of: answer.hits.total.value, rows: answer.aggregations.top.buckets.map((it) => [it.key_as_string ?? it.key, it.doc_count]), rest: answer.aggregations.top.sum_other_doc_count };
    } else {
      result = loaded(field);
    }
  } catch (error) {
    result = { error: error.message };
  }
  if (own !== asked) return;
  openValues = result;
  drawFields();
}

/** Values of a field that the server cannot count, in the documents that are here. */
function loaded(field) {
  const counts = new Map();
  let of = 0;
  for (const document of documents.slice(0, COUNTED_MAX)) {
    const values = document.fields.get(field);
    if (!values) continue;
    of += 1;
    for (const value of new Set(values.map(shown))) counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  const rows = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 8);
  return { of, rows, note: `in ${of} loaded documents` };
}

function values(field) {
  if (openValues === null) return h("div", { class: "values hint" }, "…");
  if (openValues.error) return h("div", { class: "values hint" }, plain(openValues.error));
  const { of, rows, note } = openValues;
  const lines = rows.map(([value, count]) => {
    const share = of > 0 ? (100 * count) / of : 0;
    const text = shown(value);
    const bar = h("i", { class: "share" });
    bar.style.width = `${Math.min(100, share)}%`;
    return h("div", { class: "value" }, bar, h("span", { class: "value-text", title: plain(text.slice(0, 1000)) }, text === "" ? "(empty)" : plain(text.slice(0, VALUE_MAX))),
      h("small", { title: count.toLocaleString() }, `${share < 1 ? share.toFixed(1) : Math.round(share)}%`), h("span", { class: "value-tools" },
        h("button", { type: "button", title: "filter for this value", "aria-label": `filter for ${plain(field)} ${plain(text)}`, onclick: () => addFilter("is", field, value) }, "+"),
        h("button", { type: "button", title: "filter this value out", "aria-label": `filter out ${plain(field)} ${plain(text)}`, onclick: () => addFilter("not", field, value) }, "−")));
  });
  const foot = h("div", { class: "values-foot" }, h("small", {}, note ?? `in ${of.toLocaleString()} documents`),
    h("button", { type: "button", title: "documents that have this field", onclick: () => addFilter("has", field) }, "exists"));
  return h("div", { class: "values" }, ...(lines.length > 0 ? lines : [h("p", { class: "hint" }, "no values in this range")]), foot);
}

/** The values that are shown belong to another search now. */
export function refreshValues() {
  if (openField !== null) show(openField);
}

input.addEventListener("input", calm(80, drawFields));
