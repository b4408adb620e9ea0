// Suggestions below the search box: names of fields, then values of the field that was named.

import { search } from "./api.js";
import { $, calm, fill, h } from "./dom.js";
import { shown } from "./json.js";
import { fieldWord, typing, valueWord } from "./lucene.js";
import { caps, exact, range, valuesLike } from "./searches.js";
import { documents } from "./table.js";
import { plain } from "./visible.js";

const SHOWN_MAX = 10;
/** Values longer than this are for filters, not for a line that one types. */
const VALUE_MAX = 200;

const input = $("#query"), list = $("#suggestions");
let items = [];
let at = -1;
let asking = null;
/** What was searched for: nothing more is suggested for it until something is typed. */
let done = null;

async function suggest() {
  asking?.abort();
  if (input.value === done) return;
  if (document.activeElement !== input || input.selectionStart !== input.selectionEnd) return close();
  const place = typing(input.value, input.selectionStart);
  if (place.field === null) {
    items = fieldItems(place);
  } else {
    asking = new AbortController();
    try {
      items = await valueItems(place, asking.signal);
    } catch {
      items = [];
    }
    if (asking.signal.aborted || document.activeElement !== input) return;
  }
  at = -1;
  draw();
}

function fieldItems({ start, end, typed }) {
  const word = typed.toLowerCase();
  if (word === "" && input.value.trim() !== "") return [];
  const present = new Set(documents.slice(0, 200).flatMap((one) => [...one.fields.keys()]));
  const rank = (name) => (name.toLowerCase().startsWith(word) ? 0 : 2) + (present.has(name) ? 0 : 1);
  return [...caps.keys()]
    .filter((name) => name.toLowerCase().includes(word) && !name.endsWith(".keyword"))
    .sort((a, b) => rank(a) - rank(b) || a.length - b.length || (a < b ? -1 : 1))
    .slice(0, SHOWN_MAX)
    .map((name) => ({ start, end, insert: `${fieldWord(name)}:`, label: name, note: caps.get(name).type, field: null, again: true }));
}

async function valueItems({ start, end, field, typed }, signal) {
  if (field === "_exists_") {
    return fieldItems({ start, end, typed }).map((one) => ({ ...one, insert: `${one.insert.slice(0, -1)} `, field, again: false }));
  }
  if (!exact(field) || /^[[{<>(]/.test(typed)) return [];
  const answer = await search(valuesLike(range(), field, typed), signal);
  const word = typed.toLowerCase();
  return answer.aggregations.top.buckets
    .map((bucket) => [shown(bucket.key_as_string ?? bucket.key), bucket.doc_count])
    .filter(([value]) => value !== "" && value.length <= VALUE_MAX && value.toLowerCase().startsWith(word))
    .slice(0, SHOWN_MAX)
    .map(([value, count]) => ({ start, end, insert: `${valueWord(value)} `, label: value, note: count.toLocaleString(), field, again: false }));
}

function draw() {
  if (items.length === 0) return close();
  fill(list, ...items.map((item, number) =>
    h("li", { role: "option", id: `suggestion-${number}`, "aria-selected": number === at, onmousedown: (event) => (event.preventDefault(), take(number)) }, h("span", {}, plain(item.label)), h("small", {}, plain(item.note)))));
  list.hidden = false;
  input.setAttribute("aria-expanded", "true");
  if (at >= 0) input.setAttribute("aria-activedescendant", `suggestion-${at}`);
  else input.removeAttribute("aria-activedescendant");
}

export function close() {
  asking?.abort();
  items = [];
  at = -1;
  list.hidden = true;
  input.setAttribute("aria-expanded", "false");
  input.removeAttribute("aria-activedescendant");
}

/** The query is whole. */
export function finish() {
  done = input.value;
  close();
}

function take(number) {
  const item = items[number];
  input.setRangeText(item.insert, item.start, item.end, "end");
  close();
  if (item.again) suggest();
}

/** What is shown goes with what was just typed, so that Tab never puts something in the place of a word of before. */
function refine() {
  const { start, end, field, typed } = typing(input.value, input.selectionStart);
  if (field === null) return suggest();
  asking?.abort();
  const word = typed.toLowerCase();
  items = items.filter((item) => item.field === field && item.label.toLowerCase().startsWith(word)).map((item) => ({ ...item, start, end }));
  at = -1;
  draw();
  soon();
}

/** Keys that mean the list; `true`: this one did. */
export function key(event) {
  if (list.hidden) return false;
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    at = (at + (event.key === "ArrowDown" ? 1 : -1) + items.length + 1) % (items.length + 1);
    if (at === items.length) at = -1;
    draw();
  } else if ((event.key === "Enter" && at >= 0) || (event.key === "Tab" && !event.shiftKey)) {
    take(Math.max(at, 0));
  } else if (event.key === "Escape") {
    close();
  } else {
    return false;
  }
  event.preventDefault();
  return true;
}

const soon = calm(90, suggest);
for (const kind of ["input", "click"]) {
  input.addEventListener(kind, () => {
    done = null;
    refine();
  });
}
input.addEventListener("blur", close);
