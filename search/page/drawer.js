// One document beside the table: as fields, as JSON, and with the lines around it in its file.

import { searches } from "./api.js";
import { $, fill, h, notice } from "./dom.js";
import { FIELDS_MAX, shown, write } from "./json.js";
import { marker } from "./lucene.js";
import { caps, neighbours, TIME } from "./searches.js";
import { addFilter, change, state, toggleColumn } from "./state.js";
import { documentOf, severity } from "./table.js";
import { stamp } from "./times.js";
import { plain, visible } from "./visible.js";

/** Characters of a value; longer ones are there whole as JSON, up to `JSON_MAX`. */
const VALUE_MAX = 20_000;
const JSON_MAX = 2_000_000;
/** Values of one field. */
const VALUES_MAX = 100;
/** Lines before and behind the line that was opened, and with each "more". */
const AROUND = 20;

const box = $("#drawer"), body = $("#drawer-body");
let document_ = null;
let tab = "fields";
let around = null;

/** Shows `document`. */
export function show(document) {
  if (document_?.key !== document.key) around = null;
  document_ = document;
  box.hidden = false;
  change({ doc: document.key }, { replace: true });
  if (tab === "around" && !canLookAround()) tab = "fields";
  draw();
}

export function hide() {
  if (box.hidden) return false;
  box.hidden = true;
  document_ = null;
  around = null;
  change({ doc: "" }, { replace: true });
  return true;
}

export const isOpen = () => !box.hidden;

const canLookAround = () => document_?.fields.has("log.offset") && document_.fields.has("log.file.path") && caps.has("log.offset");

export function turn(to) {
  if (!document_) return;
  tab = to === "around" && !canLookAround() ? tab : to;
  draw();
}

function draw() {
  const document = document_;
  fill($("#drawer-title"), Number.isFinite(document.ms) ? stamp(document.ms) : "document", h("small", {}, plain(document.hit._index)));
  const tabs = [["fields", "Fields"], ["json", "JSON"], ["around", "Surrounding lines"]].map(([name, title]) =>
    h("button", { type: "button", role: "tab", id: `tab-${name}`, "aria-selected": tab === name, disabled: name === "around" && !canLookAround(),
      title: name === "around" && !canLookAround() ? "this document does not say where in which file it was" : "", onclick: () => turn(name) }, title));
  fill($("#drawer-tabs"), ...tabs, h("button", { type: "button", class: "copy", onclick: copy, title: "copy as JSON" }, "Copy"));
  if (tab === "fields") fill(body, fieldTable(document));
  else if (tab === "json") drawJson(document);
  else drawAround();
}

function fieldTable(document) {
  const wants = marker(state.q, state.filters);
  const first = [TIME, "message"];
  const place = (field) => (first.includes(field) ? first.indexOf(field) : first.length);
  const fields = [...document.fields].sort(([a], [b]) => place(a) - place(b) || (a < b ? -1 : 1));
  const meta = [["_id", [document.hit._id]], ["_index", [document.hit._index]]];
  const rows = [...fields, ...meta].map(([field, values]) => {
    const canFilter = caps.get(field)?.searchable || caps.has(`${field}.keyword`) || field === "_index";
    const texts = values.slice(0, VALUES_MAX).map((value) => valueLine(field, value, canFilter, wants(field)));
    if (values.length > VALUES_MAX) texts.push(h("p", { class: "hint" }, `${values.length - VALUES_MAX} more values`));
    const isColumn = state.columns.includes(field);
    const column = h("button", { type: "button", title: isColumn ? "remove column" : "show as column", "aria-label": `column ${plain(field)}`, onclick: () => (toggleColumn(field), draw()) }, isColumn ? "▣" : "▢");
    return h("tr", { "data-field": field }, h("th", { scope: "row" }, h("span", { title: caps.get(field)?.type ?? "" }, plain(field)), !field.startsWith("_") && column), h("td", {}, ...texts));
  });
  const many = document.fields.size >= FIELDS_MAX && h("p", { class: "hint" }, `only ${FIELDS_MAX.toLocaleString()} fields are shown; all of them are in the JSON`);
  return [h("table", { class: "fields" }, h("tbody", {}, ...rows)), many];
}

function valueLine(field, value, canFilter, wanted) {
  const text = shown(value);
  // What the index compares is what was in the document, except for objects, which it does not have.
  const isPlain = value === null || typeof value !== "object";
  const tools = canFilter && isPlain && value !== null && h("span", { class: "value-tools" },
    h("button", { type: "button", class: "for", title: "filter for this value", "aria-label": `filter for ${plain(field)}`, onclick: () => addFilter("is", field, asWord(value)) }, "+"),
    h("button", { type: "button", class: "out", title: "filter this value out", "aria-label": `filter out ${plain(field)}`, onclick: () => addFilter("not", field, asWord(value)) }, "−"));
  return h("div", { class: "doc-value" }, h("pre", {}, ...(text === "" ? [h("span", { class: "hint" }, "(empty)")] : visible(text, { wanted, limit: VALUE_MAX }))), tools);
}

/** A BigInt has no form in a URL. */
const asWord = (value) => (typeof value === "bigint" ? value.toString() : value);

function drawJson(document) {
  const { _index, _id, _source } = document.hit;
  fill(body, h("pre", { class: "json" }, ...coloured(write({ _index, _id, _source }, 2))));
}

/** JSON with its keys, texts and numbers told apart. */
function coloured(json) {
  // Marks for a large text would be hundreds of thousands of elements.
  if (json.length > 200_000) return visible(json, { limit: JSON_MAX });
  const nodes = [];
  let from = 0;
  for (const hit of json.matchAll(/("(?:[^"\\]|\\.)*")(\s*:)?|\b(?:true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g)) {
    nodes.push(json.slice(from, hit.index));
    const text = hit[1] ?? hit[0];
    nodes.push(h("span", { class: hit[2] ? "j-key" : hit[1] ? "j-text" : "j-number" }, ...visible(text)), hit[2] ?? "");
    from = hit.index + hit[0].length;
  }
  nodes.push(json.slice(from));
  return nodes;
}

async function copy() {
  try {
    await navigator.clipboard.writeText(write(document_.hit._source, 2));
    notice("copied");
  } catch {
    notice("the browser does not let this page copy");
  }
}

async function drawAround() {
  const document = document_;
  const path = shown(document.fields.get("log.file.path")[0]);
  const head = h("p", { class: "around-head" }, plain(path), h("small", {}, ` from position ${shown(document.fields.get("log.offset")[0])}`));
  if (!around) {
    fill(body, head, h("p", { class: "hint" }, "…"));
    try {
      const offset = document.fields.get("log.offset")[0];
      const [before, behind] = await searches([neighbours(document, true, offset, AROUND), neighbours(document, false, offset, AROUND + 1)]);
      if (document_ !== document) return;
      around = { lines: [...before.hits.hits.reverse(), ...behind.hits.hits].map(documentOf), first: before.hits.hits.length < AROUND, last: behind.hits.hits.length <= AROUND };
    } catch (error) {
      fill(body, head, h("p", { class: "error" }, plain(error.message)));
      return;
    }
    if (tab !== "around") return;
  }
  const rows = around.lines.map((line) => {
    const bad = severity(line);
    return h("div", { class: `around-line${line.key === document.key ? " this" : ""}`, onclick: () => String(getSelection()) === "" && line.key !== document.key && openOther(line) },
      h("i", { class: `edge${bad ? ` b-l-${bad}` : ""}` }), h("span", { class: "time" }, Number.isFinite(line.ms) ? stamp(line.ms, false) : ""), h("pre", {}, ...visible(message(line), { limit: 4000 })));
  });
  const more = (before) => h("button", { type: "button", class: "around-more", onclick: () => extend(before) }, before ? "↑ earlier lines" : "↓ later lines");
  fill(body, head, around.first ? h("p", { class: "hint" }, "the first line that there is") : more(true), h("div", { class: "around" }, ...rows), around.last ? h("p", { class: "hint" }, "the last line that there is") : more(false));
  if (!around.placed) {
    around.placed = true;
    body.querySelector(".this")?.scrollIntoView({ block: "center" });
  }
}

const message = (document) => shown(document.fields.get("message")?.[0] ?? document.fields.get("event.original")?.[0] ?? write(document.hit._source));

async function extend(before) {
  const edge = around.lines.at(before ? 0 : -1)?.fields.get("log.offset")?.[0];
  if (edge === undefined) return;
  const document = document_;
  // Behind the last line: offsets are those of first bytes, so the next one is larger.
  const from = before ? edge : typeof edge === "bigint" ? edge + 1n : edge + 1;
  try {
    const [answer] = await searches([neighbours(document, before, from, AROUND)]);
    if (document_ !== document) return;
    const lines = answer.hits.hits.map(documentOf);
    if (before) around.lines.unshift(...lines.reverse());
    else around.lines.push(...lines);
    if (lines.length < AROUND) around[before ? "first" : "last"] = true;
    drawAround();
  } catch (error) {
    notice(error.message);
  }
}

function openOther(line) {
  const kept = around;
  document_ = line;
  around = { ...kept };
  change({ doc: line.key }, { replace: true });
  draw();
}
