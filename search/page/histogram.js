// The histogram: documents over time, stacked, on which one drags to look closer.

import uPlot from "./uplot/uPlot.esm.js";
import { coloured, group, shade } from "./colours.js";
import { $, fill, h } from "./dom.js";
import { NONE } from "./searches.js";
import { plain } from "./visible.js";
import { stamp } from "./times.js";

const HEIGHT = 132;

let plot = null;
let drawn = null;


/** Draws `buckets` of the aggregation. `onSelect(from, to)` in milliseconds after a drag. */
export function draw({ buckets, fields, span, onSelect, onGroup }) {
  drawn = { buckets, fields, span, onSelect, onGroup };
  const times = buckets.map((bucket) => Number(bucket.key) / 1000);
  const { groups, counts } = stacked(buckets, fields);
  const shown = coloured(groups);
  // Each series is the sum up to its group; the highest is painted first and the lower ones over it.
  const sums = [];
  let sum = new Array(times.length).fill(0);
  for (const { name } of shown) {
    sum = sum.map((value, at) => value + counts.get(name)[at]);
    sums.unshift(sum);
  }
  const series = [...shown].reverse().map(({ name, colour: variable }) => ({
    label: plain(name), stroke: shade(variable), fill: shade(variable), width: 0, points: { show: false },
    paths: uPlot.paths.bars({ size: [0.86, 60], align: 1, radius: 0 }),
  }));
  legend(shown, counts, onGroup);
  plot?.destroy();
  const box = $("#histogram");
  fill(box);
  const grid = { stroke: shade("--grid"), width: 1 };
  const axis = { stroke: shade("--faint"), font: "11px " + getComputedStyle(document.body).fontFamily, ticks: { ...grid, size: 4 } };
  const top = Math.max(1, ...(sums[0] ?? [0]));
  plot = new uPlot({
    width: box.clientWidth, height: HEIGHT, padding: [8, 22, 0, 0], legend: { show: false },
    scales: { x: { time: true, range: [span.from / 1000, span.to / 1000] }, y: { range: [0, top * 1.04] } },
    axes: [
      { ...axis, grid: { show: false }, size: 26, space: 90, values: clock },
      { ...axis, grid, size: 52, space: 32, incrs: [1, 2, 5].flatMap((n) => Array.from({ length: 12 }, (_, e) => n * 10 ** e)).sort((a, b) => a - b), values: (_, ticks) => ticks.map((tick) => short(tick)) },
    ],
    cursor: { y: false, points: { show: false }, drag: { x: true, y: false, setScale: false } },
    series: [{}, ...series],
    hooks: { setSelect: [selected], setCursor: [(it) => tip(it, buckets, shown, counts)] },
  }, [times, ...sums], box);
}

const short = (number) => Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 }).format(number);

/** 24 hours everywhere; the day where it begins. */
function clock(_, ticks) {
  const step = ticks.length > 1 ? ticks[1] - ticks[0] : 60;
  let before = "";
  return ticks.map((tick) => {
    const text = stamp(tick * 1000);
    const [day, time] = text.split(" ");
    const label = step < 1 ? time : step < 60 ? time.slice(0, 8) : step < 86_400 ? time.slice(0, 5) : "";
    const shown = day === before || (before === "" && step < 86_400 && new Date().toDateString() === new Date(tick * 1000).toDateString()) ? label : `${step < 86_400 ? day.slice(5) + " " : day}${label}`;
    before = day;
    return shown;
  });
}

function stacked(buckets, [field, second]) {
  const counts = new Map();
  const add = (name, at, count) => {
    if (!counts.has(name)) counts.set(name, new Array(buckets.length).fill(0));
    counts.get(name)[at] += count;
  };
  buckets.forEach((bucket, at) => {
    let rest = bucket.doc_count;
    for (const { key, doc_count, second: inner } of bucket.stack?.buckets ?? []) {
      const parts = second && key === NONE ? inner.buckets.map((it) => [second, it]) : [[field, { key, doc_count }]];
      for (const [from, part] of parts) {
        add(group(from, part.key), at, part.doc_count);
        rest -= part.doc_count;
      }
    }
    // A document with several values counts under each.
    if (rest > 0) add("other", at, rest);
  });
  return { groups: [...counts.keys()], counts };
}

function legend(shown, counts, onGroup) {
  const total = (name) => counts.get(name).reduce((sum, count) => sum + count, 0);
  const items = shown.map(({ name, colour: variable }) =>
    h("button", { class: "legend-item", type: "button", title: name === "other" ? "without a value, or of a rarer one" : `only ${plain(name)}`, disabled: name === "other", onclick: () => onGroup(name) },
      h("i", { class: `swatch c${variable.slice(2)}` }), plain(name), h("b", {}, short(total(name)))));
  fill($("#legend"), ...items);
}

function selected(it) {
  const { left, width } = it.select;
  if (width < 4) return;
  const at = (x) => Math.round(it.posToVal(x, "x") * 1000);
  const [from, to] = [at(left), at(left + width)];
  it.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
  drawn.onSelect(from, Math.max(to, from + 1));
}

function tip(it, buckets, shown, counts) {
  const box = $("#tip");
  const { left } = it.cursor;
  if (left === undefined || left < 0) {
    box.hidden = true;
    return;
  }
  const time = it.posToVal(left, "x") * 1000;
  let at = buckets.findLastIndex((bucket) => Number(bucket.key) <= time);
  if (at < 0) at = 0;
  if (!buckets[at]) return;
  const rows = shown.filter(({ name }) => counts.get(name)[at] > 0).map(({ name, colour: variable }) =>
    h("div", {}, h("i", { class: `swatch c${variable.slice(2)}` }), h("span", {}, plain(name)), h("b", {}, counts.get(name)[at].toLocaleString())));
  fill(box, h("header", {}, stamp(Number(buckets[at].key)).replace(/\.000$/, "")), ...rows, h("div", {}, h("span", {}, "documents"), h("b", {}, buckets[at].doc_count.toLocaleString())));
  box.hidden = false;
  const place = it.over.getBoundingClientRect();
  const x = place.left + left;
  box.style.top = `${place.top + 8}px`;
  box.style.left = x + 220 > innerWidth ? `${x - 14 - box.offsetWidth}px` : `${x + 14}px`;
}

/** Draws again: another theme or size. */
export function redraw() {
  if (drawn) draw(drawn);
}

export function clear() {
  plot?.destroy();
  plot = null;
  drawn = null;
  fill($("#histogram"));
  fill($("#legend"));
}

new ResizeObserver(() => plot?.setSize({ width: $("#histogram").clientWidth, height: HEIGHT })).observe($("#histogram"));
$("#histogram").addEventListener("mouseleave", () => ($("#tip").hidden = true));
