// The table of documents: of many thousands only the rows that are seen are elements.

import { level, statusClass } from "./colours.js";
import { $, fill, h } from "./dom.js";
import { flatten, shown } from "./json.js";
import { marker } from "./lucene.js";
import { TIME } from "./searches.js";
import { change, state, toggleColumn } from "./state.js";
import { resolve, stamp } from "./times.js";
import { plain, visible } from "./visible.js";

/** Height of a row in pixels; the style sheet has the same. */
const ROW = 24;
/** Rows beyond both edges that are made ahead of the scroll. */
const AHEAD = 12;
/** Characters of a cell: more than the widest screen shows. */
const CELL_MAX = 600;
/** Documents that are held; whoever wants to read more than these looks for something narrower. */
export const HELD_MAX = 20_000;

/** The documents, newest first. */
export let documents = [];
let keys = new Set();
let cursor = -1;
let wants = () => null;
let fresh = new Map();
let needMore = () => {};
let open = () => {};

const box = $("#rows"), space = $("#rows-space"), layer = $("#rows-layer");

export function attach({ onMore, onOpen }) {
  needMore = onMore;
  open = onOpen;
}

/** A hit as the page uses it. */
export function documentOf(hit) {
  const fields = flatten(hit._source);
  const time = fields.get(TIME)?.[0];
  const ms = typeof time === "number" ? time : Date.parse(time ?? "");
  return { key: `${hit._index}/${hit._id}`, hit, fields, ms: Number.isFinite(ms) ? ms : resolve(String(time ?? "")), time, sort: hit.sort };
}

/** Begins anew with `hits`. */
export function reset(hits, keepPlace = false) {
  const key = documents[cursor]?.key;
  documents = [];
  keys = new Set();
  fresh = new Map();
  wants = marker(state.q, state.filters);
  append(hits);
  cursor = key ? documents.findIndex((document) => document.key === key) : -1;
  if (!keepPlace) box.scrollTop = 0;
  paint();
}

/** Adds older documents; those that are there already are left out. */
export function append(hits) {
  for (const hit of hits) {
    const document = documentOf(hit);
    if (keys.has(document.key) || documents.length >= HELD_MAX) continue;
    keys.add(document.key);
    documents.push(document);
  }
  paint();
}

/** Adds newer documents at their place; returns how many were new. What is being read stays where it is. */
export function prepend(hits, heldMax) {
  const added = hits.map(documentOf).filter((document) => !keys.has(document.key));
  if (added.length === 0) return 0;
  const key = documents[cursor]?.key;
  const top = documents[Math.floor(box.scrollTop / ROW)]?.key;
  added.forEach((document) => {
    keys.add(document.key);
    fresh.set(document.key, performance.now());
  });
  documents = [...added, ...documents].sort((a, b) => b.ms - a.ms || later(b) - later(a));
  for (const dropped of documents.splice(heldMax)) keys.delete(dropped.key);
  cursor = key ? documents.findIndex((document) => document.key === key) : -1;
  if (box.scrollTop > ROW && top) {
    const at = documents.findIndex((document) => document.key === top);
    if (at >= 0) box.scrollTop = at * ROW + (box.scrollTop % ROW);
  }
  paint();
  return added.length;
}

const later = (document) => Number(document.fields.get("log.offset")?.[0] ?? 0);

export const has = (key) => keys.has(key);
export const at = (key) => documents.findIndex((document) => document.key === key);

/** The values of a field as one line. */
function line(document, field) {
  return (document.fields.get(field) ?? []).map(shown).join(", ");
}

/** What a document says, when no columns were chosen. */
function summary(document) {
  for (const field of ["message", "event.original", "log", "msg", "body"]) {
    const text = document.fields.get(field);
    if (text) return visible(text.map(shown).join(" "), { wanted: wants(field), oneLine: true, limit: CELL_MAX });
  }
  const pairs = [];
  for (const [field, values] of document.fields) {
    if (field === TIME || pairs.length >= 24) continue;
    const text = values.map(shown).join(", ");
    pairs.push(h("span", { class: "key" }, plain(field)), ...visible(text, { wanted: wants(field), oneLine: true, limit: 200 }), " ");
  }
  return pairs;
}

/** How bad: the level, else the class of the status. */
export function severity(document) {
  const word = document.fields.get("log.level")?.[0];
  const known = word === undefined ? null : level(word);
  return known ?? statusClass(document.fields.get("http.response.status_code")?.[0]);
}

function row(document, number) {
  const bad = severity(document);
  const cells = state.columns.map((field) =>
    h("div", { class: "cell", title: plain(line(document, field).slice(0, CELL_MAX)) },
      ...visible(line(document, field), { wanted: wants(field), oneLine: true, limit: CELL_MAX })));
  if (cells.length === 0) {
    const word = document.fields.get("log.level")?.[0] ?? document.fields.get("http.response.status_code")?.[0];
    const badge = h("div", { class: "cell badge" }, word === undefined ? "" : h("span", { class: `tag${bad ? ` t-l-${bad}` : ""}` }, plain(shown(word).slice(0, 12))));
    const dataset = document.fields.get("event.dataset")?.[0] ?? document.fields.get("service.name")?.[0] ?? "";
    cells.push(badge, h("div", { class: "cell from", title: plain(shown(dataset)) }, plain(shown(dataset).slice(0, 60))), h("div", { class: "cell say" }, ...summary(document)));
  }
  const isFresh = performance.now() - (fresh.get(document.key) ?? -Infinity) < 1500;
  return h("div", {
    class: `row${number === cursor ? " at" : ""}${isFresh ? " fresh" : ""}`, role: "row", id: `row-${number}`, "aria-selected": number === cursor, "data-number": number,
  }, h("i", { class: `edge${bad ? ` b-l-${bad}` : ""}` }), h("div", { class: "cell time" }, Number.isFinite(document.ms) ? stamp(document.ms) : plain(shown(document.time ?? ""))), ...cells);
}

/** Makes the rows that are seen. */
export function paint() {
  space.style.height = `${documents.length * ROW}px`;
  const first = Math.max(0, Math.floor(box.scrollTop / ROW) - AHEAD);
  const last = Math.min(documents.length, Math.ceil((box.scrollTop + box.clientHeight) / ROW) + AHEAD);
  layer.style.transform = `translateY(${first * ROW}px)`;
  const rows = [];
  for (let number = first; number < last; number += 1) rows.push(row(documents[number], number));
  fill(layer, ...rows);
  if (last >= documents.length - 2 * AHEAD && documents.length > 0) needMore();
}

/** The names above the columns. */
export function head() {
  const table = $("#table");
  const named = state.columns.length > 0;
  table.classList.toggle("named", named);
  const widths = state.columns.map((field, number) => (field === "message" || number === state.columns.length - 1 ? "minmax(160px, 3fr)" : "minmax(90px, 1fr)"));
  if (named) table.style.setProperty("--columns", `182px ${widths.join(" ")}`);
  else table.style.removeProperty("--columns");
  const names = named
    ? state.columns.map((field, number) => h("div", { class: "cell", title: plain(field) }, h("span", {}, plain(field)),
        h("span", { class: "head-tools" },
          number > 0 && h("button", { type: "button", title: "move left", "aria-label": `move ${plain(field)} left`, onclick: () => moveLeft(number) }, "‹"),
          h("button", { type: "button", title: "remove column", "aria-label": `remove column ${plain(field)}`, onclick: () => toggleColumn(field) }, "×"))))
    : [h("div", { class: "cell" }, "level"), h("div", { class: "cell" }, "dataset"), h("div", { class: "cell" }, "document")];
  fill($("#head"), h("i", { class: "edge" }), h("div", { class: "cell" }, "time ↓"), ...names);
}

function moveLeft(number) {
  const columns = [...state.columns];
  [columns[number - 1], columns[number]] = [columns[number], columns[number - 1]];
  change({ columns });
}

/** Puts the cursor on a row and shows it; `false`: there is no such row. */
export function select(number) {
  if (number < 0 || number >= documents.length) return false;
  cursor = number;
  if (number * ROW < box.scrollTop) box.scrollTop = number * ROW;
  if ((number + 1) * ROW > box.scrollTop + box.clientHeight) box.scrollTop = (number + 1) * ROW - box.clientHeight;
  paint();
  return true;
}

export const selected = () => cursor;
export const atTop = () => box.scrollTop <= ROW;
export const toTop = () => ((box.scrollTop = 0), paint());

let painting = false;
box.addEventListener("scroll", () => {
  if (painting) return;
  painting = true;
  requestAnimationFrame(() => {
    painting = false;
    paint();
  });
});
layer.addEventListener("click", (event) => {
  const number = Number(event.target.closest(".row")?.dataset.number ?? NaN);
  // Whoever marks text to copy it does not want the document.
  if (!Number.isInteger(number) || String(getSelection()) !== "") return;
  select(number);
  open(documents[number]);
});
new ResizeObserver(paint).observe(box);
