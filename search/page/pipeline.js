// Pipeline: the way from file to index as one picture, with rates, lags and errors at each stage.

import uPlot from "./uplot/uPlot.esm.js";
import { search, settings } from "./api.js";
import { shade } from "./colours.js";
import { $, fill, h } from "./dom.js";
import { bottleneck, read, stages } from "./metrics.js";
import { TIME } from "./searches.js";
import { duration, stamp } from "./times.js";
import { plain } from "./visible.js";

/** Between two looks. */
const LOOK_MS = 2000;
/** Looks that the charts show: ten minutes. */
const LOOKS_MAX = 300;
/** Looks over which a rate is taken: one alone jumps with the batches. */
const RATE_LOOKS = 3;

let timer = null;
let looks = [];
let history = { times: [], rates: new Map(), lags: new Map() };
let indexed = null;
let charts = [];
let round = 0;

export function start() {
  if (timer === null) look();
}

export function stop() {
  clearTimeout(timer);
  timer = null;
}

async function look() {
  timer = setTimeout(look, LOOK_MS);
  if (document.hidden) return;
  const own = timer;
  const [ports, index] = await Promise.all([Promise.all(Array.from({ length: settings.stages }, (_, number) => port(number))), lookAtIndex()]);
  if (timer !== own && timer === null) return;
  const alive = ports.filter(Boolean);
  const samples = new Map();
  alive.forEach(({ metrics }) => read(metrics, samples));
  const now = { at: performance.now(), samples };
  looks = [...looks, now].slice(-RATE_LOOKS - 1);
  const first = looks.length > 1 ? looks[0] : null;
  const all = stages(samples, first?.samples, first ? (now.at - first.at) / 1000 : 0);
  remember(all);
  draw(all, alive.flatMap(({ health }) => health?.problems ?? []), index);
}

async function port(number) {
  try {
    const [metrics, health] = await Promise.all(["metrics", "health"].map((what) => fetch(`_page/status/${number}/${what}`, { cache: "no-store" })));
    // 204: nobody listens there.
    if (metrics.status !== 200) return null;
    return { metrics: await metrics.text(), health: await health.json().catch(() => null) };
  } catch {
    return null;
  }
}

/** How many documents there are, and of when the newest is. A large index is not asked at every look. */
async function lookAtIndex() {
  round += 1;
  if (indexed && round % 3 !== 0) return indexed;
  try {
    const answer = await search({ size: 0, track_total_hits: true, aggs: { newest: { max: { field: TIME } } } });
    const at = performance.now();
    const count = answer.hits.total?.value ?? 0;
    const rate = indexed && !indexed.error ? Math.max(0, count - indexed.count) / ((at - indexed.at) / 1000) : null;
    indexed = { at, count, newest: answer.aggregations?.newest?.value ?? null, rate };
  } catch (error) {
    indexed = { at: performance.now(), count: 0, error: error.message };
  }
  return indexed;
}

function remember(all) {
  history.times.push(Date.now() / 1000);
  for (const stage of all) {
    record(history.rates, stage.name + (stage.unit === "batches/s" ? " (batches)" : ""), stage.rate);
    if (stage.lag) record(history.lags, stage.name, stage.lag.seconds);
  }
  if (history.times.length > LOOKS_MAX) {
    history.times.shift();
    for (const list of [...history.rates.values(), ...history.lags.values()]) list.shift();
  }
}

function record(lists, name, value) {
  if (!lists.has(name)) lists.set(name, new Array(history.times.length - 1).fill(null));
  const list = lists.get(name);
  while (list.length < history.times.length - 1) list.push(null);
  list.push(value ?? null);
}

const number = (value) => (value >= 100_000 ? Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 }).format(value) : value.toLocaleString(undefined, { maximumFractionDigits: value < 10 ? 1 : 0 }));

function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  while (value >= 1024 && at < units.length - 1) {
    value /= 1024;
    at += 1;
  }
  return `${number(Number(value.toFixed(value < 10 ? 1 : 0)))} ${units[at]}`;
}

const FORMATS = { number, bytes, seconds: duration, rate: (value) => `${number(value)}/s` };

function draw(all, problems, index) {
  const slow = bottleneck(all);
  const cards = all.flatMap((stage, at) => [at === 0 ? source(stage) : flow(all[at - 1], stage), card(stage, slow)]);
  const last = all.at(-1);
  const indexCard = h("section", { class: "stage", id: "stage-index" }, h("header", {}, h("h2", {}, "Index"), h("small", {}, "documents to search")),
    index?.error ? h("p", { class: "error" }, plain(index.error)) : [
      h("p", { class: "rate" }, h("b", {}, index ? number(index.count) : "–"), " documents"),
      h("dl", {}, ...row("newest", index?.newest ? stamp(index.newest).slice(5, 19) : "–"), ...row("that is", index?.newest ? `${duration(Math.max(0, (Date.now() - index.newest) / 1000))} ago` : "–"), ...(index?.rate !== null && index?.rate !== undefined ? row("more", `${number(index.rate)}/s`) : []))]);
  const verdict = slow
    ? h("p", { class: "verdict slow" }, h("b", {}, `Bottleneck: ${all.find((stage) => stage.id === slow.id)?.name}. `), `Here ${slow.why}.`)
    : h("p", { class: "verdict" }, all.length > 0 ? "Nothing waits: every stage keeps up." : "No part answers on its status port. The picture is of a running sluice up, or of agent, broker and worker; sluice discover --status URL names their ports.");
  let box = $("#picture");
  if (!box) {
    fill($("#pipeline"), h("div", { id: "verdict", role: "status" }), h("div", { id: "picture" }), h("div", { id: "charts" }, h("figure", {}, h("figcaption", {}, "Throughput, a second"), h("div", { id: "chart-rates" })), h("figure", {}, h("figcaption", {}, "Lag, seconds"), h("div", { id: "chart-lags" }))));
    box = $("#picture");
  }
  fill($("#verdict"), verdict, ...problems.slice(0, 20).map((problem) => h("p", { class: "problem" }, plain(problem))));
  fill(box, ...cards, all.length > 0 && flow(last, null, "bulk"), indexCard);
  chart("#chart-rates", history.rates);
  chart("#chart-lags", history.lags);
}

const row = (name, value) => [h("dt", {}, name), h("dd", {}, value)];

/** What flows into the first stage: bytes that wait in files. */
function source(stage) {
  const waiting = stage.lag?.bytes;
  return h("div", { class: "files" }, h("b", {}, "files"), waiting !== null && waiting !== undefined && h("small", {}, `${bytes(waiting)} unread`), arrow(stage.rate));
}

/** The way between two stages, with what waits there. */
function flow(before, behind, text) {
  const waiting = behind?.lag?.records;
  return h("div", { class: "flow" }, h("b", {}, before.rate === null ? "–" : number(before.rate)), h("small", {}, before.unit), arrow(before.rate),
    waiting !== null && waiting !== undefined ? h("small", { class: waiting > 0 ? "waiting" : "" }, `${number(waiting)} waiting`) : h("small", {}, text ?? ""));
}

const arrow = (rate) => h("i", { class: `arrow${rate > 0 ? " runs" : ""}` });

function card(stage, slow) {
  const isSlow = slow?.id === stage.id;
  const lag = stage.lag;
  const lags = lag ? [
    ...(lag.bytes !== undefined && lag.bytes !== null ? row("behind", bytes(lag.bytes)) : []),
    ...(lag.records !== undefined && lag.records !== null ? row("records behind", number(lag.records)) : []),
    ...(lag.seconds !== null && lag.seconds !== undefined ? row("late", duration(Math.max(0, lag.seconds))) : []),
    ...(lag.left > 0 ? row("caught up in", duration(lag.left)) : []),
  ] : [];
  const facts = stage.facts.filter(([, value]) => value !== null && value !== undefined).flatMap(([name, value, format]) => row(name, FORMATS[format](value)));
  const errors = stage.errors.filter(([, count]) => count > 0).map(([name, count, per]) => h("li", { class: per > 0 ? "now" : "" }, h("span", {}, name), h("b", {}, number(count)), per > 0 && h("small", {}, `${number(per)}/s`)));
  return h("section", { class: `stage${isSlow ? " slow" : ""}`, id: `stage-${stage.id}` }, h("header", {}, h("h2", {}, stage.name), h("small", {}, stage.says), isSlow && h("span", { class: "flag" }, "bottleneck")),
    h("p", { class: "rate" }, h("b", {}, stage.rate === null ? "–" : number(stage.rate)), ` ${stage.unit}`, stage.bytes > 0 && h("small", {}, ` ${bytes(stage.bytes)}/s`)),
    h("dl", {}, ...lags, ...facts), errors.length > 0 ? h("ul", { class: "errors" }, ...errors) : h("p", { class: "fine" }, "no errors"));
}

const COLOURS = ["--s1", "--s3", "--s2", "--s4", "--s5"];

function chart(selector, lists) {
  const box = $(selector);
  const key = [...lists.keys()].join() + shade("--text");
  const values = [history.times, ...lists.values()];
  let known = charts.find((one) => one.selector === selector);
  if (known?.key !== key || !box.firstChild) {
    known?.plot.destroy();
    charts = charts.filter((one) => one !== known);
    if (lists.size === 0) return;
    const axis = { stroke: shade("--faint"), font: "11px " + getComputedStyle(document.body).fontFamily, grid: { stroke: shade("--grid"), width: 1 }, ticks: { show: false } };
    const plot = new uPlot({
      width: box.clientWidth, height: 180, padding: [8, 24, 0, 0], cursor: { y: false }, legend: { live: true },
      scales: { x: { range: (_, first, last) => [Math.min(first, last - 60), last] }, y: { range: (_, __, top) => [0, Math.max(1, top) * 1.08] } },
      axes: [{ ...axis, space: 90, values: (_, ticks) => ticks.map((tick) => stamp(tick * 1000, false).slice(0, 8)) }, { ...axis, size: 56, values: (_, ticks) => ticks.map((tick) => number(tick)) }],
      series: [{ label: "time", value: (_, tick) => (tick === null ? "–" : stamp(tick * 1000, false).slice(0, 8)) }, ...[...lists.keys()].map((label, at) => ({ label, stroke: shade(COLOURS[at % COLOURS.length]), width: 1.5, points: { show: false }, value: (_, value) => (value === null ? "–" : number(value)) }))],
    }, values, box);
    charts.push({ selector, key, plot });
  } else {
    known.plot.setData(values);
  }
}

addEventListener("resize", () => charts.forEach(({ selector, plot }) => plot.setSize({ width: $(selector)?.clientWidth || 400, height: 180 })));
