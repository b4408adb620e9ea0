// The bars above the table: filters, the time range, the indices.

import { index } from "./api.js";
import { $, fill, h, notice } from "./dom.js";
import { shown } from "./json.js";
import { range } from "./searches.js";
import { change, state } from "./state.js";
import { RANGES, isRelative, named, resolve, short } from "./times.js";
import { plain } from "./visible.js";

const WORDS = { is: "", not: "not ", has: "has ", hasnot: "has no " };
const OTHER = { is: "not", not: "is", has: "hasnot", hasnot: "has" };

export function drawFilters() {
  const pills = state.filters.map((filter, number) => {
    const { op, field, value } = filter;
    const text = value === undefined ? plain(field) : `${plain(field)}: ${plain(shown(value).slice(0, 80))}`;
    const without = () => state.filters.filter((_, at) => at !== number);
    return h("span", { class: `pill${op === "not" || op === "hasnot" ? " out" : ""}` },
      h("button", { type: "button", title: "turn round", onclick: () => change({ filters: state.filters.map((one, at) => (at === number ? { ...one, op: OTHER[op] } : one)) }) }, h("b", {}, WORDS[op]), text),
      h("button", { type: "button", class: "remove", title: "remove filter", "aria-label": `remove filter ${text}`, onclick: () => change({ filters: without() }) }, "×"));
  });
  const clear = pills.length > 1 && h("button", { type: "button", class: "quiet", onclick: () => change({ filters: [] }) }, "clear");
  fill($("#filters"), ...pills, clear);
  $("#filters").hidden = pills.length === 0;
}

export function drawRange() {
  $("#range-name").textContent = named(state.from, state.to);
  $("#range").title = range() ? `${short(range().from)} – ${short(range().to)}` : "";
  $("#index").value = state.index;
  $("#index").placeholder = index();
  const isLive = state.live;
  $("#live").setAttribute("aria-pressed", String(isLive));
}

const panel = $("#picker");

export function openPicker() {
  const quick = RANGES.map(([from, to, title]) => h("button", { type: "button", "aria-pressed": from === state.from && to === state.to, onclick: () => pick(from, to) }, title));
  const typedEnd = (text) => (isRelative(text) ? text : short(resolve(text)));
  const [from, to] = [h("input", { id: "from", value: typedEnd(state.from), spellcheck: "false" }), h("input", { id: "to", value: typedEnd(state.to), spellcheck: "false" })];
  const apply = (event) => {
    event.preventDefault();
    const [a, b] = [resolve(from.value), resolve(to.value)];
    if (!(a < b)) return notice(Number.isNaN(a) || Number.isNaN(b) ? "a time is 2026-11-28 13:45, or now-2h" : "the range ends before it begins");
    pick(stored(from.value), stored(to.value));
  };
  const form = h("form", { onsubmit: apply }, h("label", {}, "from", from), h("label", {}, "to", to), h("button", { class: "primary" }, "Apply"), h("p", { class: "hint" }, "2026-11-28 13:45 · 2026-11-28 · now-2h · now/d"));
  fill(panel, h("div", { class: "quick" }, ...quick), form);
  panel.hidden = false;
  from.select();
}

/** An absolute time is kept as it is for everybody, wherever they are. */
const stored = (text) => (isRelative(text) ? text.trim() : new Date(resolve(text)).toISOString());

function pick(from, to) {
  closePicker();
  change({ from, to });
}

export function closePicker() {
  if (panel.hidden) return false;
  panel.hidden = true;
  return true;
}

/** Another range of times that stay what they are. */
export function zoom(from, to) {
  change({ from: new Date(Math.floor(from)).toISOString(), to: new Date(Math.ceil(to)).toISOString(), live: false });
}

/** Moves the range by a part of its length, or makes it longer on both sides. */
export function shift(by, wider = 0) {
  const span = range();
  if (!span) return;
  const length = span.to - span.from;
  zoom(span.from + length * (by - wider), span.to + length * (by + wider));
}

$("#range").addEventListener("click", () => (panel.hidden ? openPicker() : closePicker()));
document.addEventListener("mousedown", (event) => {
  if (!event.target.closest("#picker, #range")) closePicker();
});
$("#index").addEventListener("change", (event) => change({ index: event.target.value.trim() }));
