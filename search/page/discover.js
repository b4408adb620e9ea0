// Discover: runs the searches that the state asks for and shows what comes.

import { fieldCaps, index, search } from "./api.js";
import { drawFilters, drawRange, zoom } from "./bars.js";
import { $, fill, h } from "./dom.js";
import * as drawer from "./drawer.js";
import { drawFields, refreshValues } from "./fields.js";
import * as histogram from "./histogram.js";
import { group } from "./colours.js";
import { fieldWord, valueWord } from "./lucene.js";
import * as bodies from "./searches.js";
import { addFilter, change, hasRange, state } from "./state.js";
import * as table from "./table.js";
import { duration, short, width } from "./times.js";
import { plain } from "./visible.js";

/** Between two looks of the live tail. */
const LIVE_MS = 1000;
/** Every so many looks the histogram is drawn anew: its bars change slowly, and it costs more than the newest lines. */
const LIVE_BARS = 5;
/** Documents in the table while it is live: what flows by is not kept for good. */
const LIVE_HELD_MAX = 2000;

let running = null;
let span = null;
let more = { busy: false, end: true };
let total = 0;
let found = [];

/** Runs everything anew. */
export async function run({ fields = false } = {}) {
  running?.abort();
  running = new AbortController();
  const { signal } = running;
  span = bodies.range();
  more = { busy: false, end: true };
  drawFilters();
  drawRange();
  table.head();
  if (!span) return fail(new Error(`no range of times: ${state.from} to ${state.to}`));
  busy(true);
  try {
    if (fields || bodies.caps.size === 0) bodies.setCaps(await fieldCaps(signal));
    await Promise.all([runHits(signal), runBars(signal)]);
    fill($("#error"));
    drawFields();
    refreshValues();
    if (total === 0) await nothing(signal);
    if (state.doc !== "" && !drawer.isOpen()) await openStored(signal);
  } catch (error) {
    if (error.name !== "AbortError") fail(error);
  } finally {
    if (running?.signal === signal) busy(false);
  }
}

const busy = (is) => document.body.classList.toggle("busy", is);

function fail(error) {
  fill($("#error"), h("b", {}, "The search was refused: "), plain(error.message));
  table.reset([]);
  histogram.clear();
  fill($("#total"), "");
  fill($("#empty"));
}

async function runHits(signal) {
  const answer = await search(bodies.hits(span), signal);
  show(answer, false);
  // For tests and for whoever wonders: what was asked is done.
  document.body.dataset.took = String(answer.took);
}

function show(answer, keepPlace) {
  const hits = answer.hits.hits;
  table.reset(hits, keepPlace);
  more = { busy: false, end: hits.length < bodies.PAGE };
  count(answer);
  fill($("#empty"));
}

function count(answer) {
  total = answer.hits.total?.value ?? total;
  const atLeast = answer.hits.total?.relation === "gte" ? "≥ " : "";
  fill($("#total"), h("b", { id: "count" }, `${atLeast}${total.toLocaleString()}`), total === 1 ? " document" : " documents");
  fill($("#span"), between(), h("small", {}, ` · ${duration(width(span.to - span.from).ms / 1000)} per bar`));
}

/** The range: milliseconds only where it is short, the day once where it is one. */
function between() {
  const about = (ms) => short(span.to - span.from > 60_000 ? Math.floor(ms / 1000) * 1000 : ms);
  const [from, to] = [about(span.from), about(span.to)];
  const sameDay = to.length > 10 && from.slice(0, 10) === to.slice(0, 10);
  return `${from} – ${sameDay ? to.slice(11) : to}`;
}

async function runBars(signal) {
  if (state.stack === "auto") found = await kinds(signal);
  const fields = bodies.stackFields(found);
  const answer = await search(bodies.histogram(span, fields), signal);
  const buckets = answer.aggregations?.bars?.buckets ?? [];
  histogram.draw({ buckets, fields, span, onSelect: zoom, onGroup: (name) => pickGroup(fields, name, buckets) });
}

/** Levels and statuses, as far as the documents have them. */
async function kinds(signal) {
  const fields = ["log.level", "http.response.status_code"].filter((field) => bodies.exact(field));
  if (fields.length === 2) {
    const { aggregations } = await search(bodies.kinds(span), signal);
    const used = fields.filter((field) => aggregations?.[field]?.value > 0);
    if (used.length > 0) return used;
  }
  return fields.length > 0 ? fields.slice(0, 1) : ["event.dataset"];
}

/** A click on the legend: only documents of this group. */
function pickGroup(fields, name, buckets) {
  const also = (condition) => change({ q: `${state.q.trim() ? `(${state.q.trim()}) AND ` : ""}${condition}` });
  const status = fields.find((field) => field.includes("status"));
  if (status && /^[1-5]xx$/.test(name)) return also(`${status}:[${name[0]}00 TO ${name[0]}99]`);
  const keys = new Set(buckets.flatMap((bar) => bar.stack.buckets.map((it) => it.key)).filter((key) => group(fields[0], key) === name));
  // Levels under several names, such as err and error.
  if (keys.size > 1) return also(`${fieldWord(fields[0])}:(${[...keys].map(valueWord).join(" OR ")})`);
  addFilter("is", fields[0], [...keys][0]);
}

/** Nothing was found: says where something is, and on a first look goes there. */
async function nothing(signal) {
  const { hits, aggregations } = await search(bodies.extent(), signal);
  const there = hits.total?.value ?? 0;
  const [first, last] = [aggregations?.first?.value, aggregations?.last?.value];
  if (there === 0 || !Number.isFinite(first) || !Number.isFinite(last)) {
    const narrowed = state.q.trim() !== "" || state.filters.length > 0;
    fill($("#empty"), h("p", {}, narrowed ? "No document fits, at any time." : `No documents in ${index()} yet. They appear here as they come.`));
    return;
  }
  const all = () => change({ from: new Date(first).toISOString(), to: new Date(last + 1).toISOString() });
  if (!hasRange && state.q === "" && state.filters.length === 0 && !state.live) return change({ from: new Date(first).toISOString(), to: new Date(last + 1).toISOString() }, { replace: true });
  fill($("#empty"), h("p", {}, "Nothing in this range. ", h("b", {}, there.toLocaleString()), ` documents lie between ${short(first)} and ${short(last)}.`), h("button", { type: "button", class: "primary", id: "show-all", onclick: all }, "Show them"));
}

/** Older documents, when the end of the table comes near. */
async function older() {
  const last = table.documents.at(-1);
  if (more.busy || more.end || state.live || !last?.sort || table.documents.length >= table.HELD_MAX) return;
  more.busy = true;
  const { signal } = running;
  try {
    const before = table.documents.length;
    const answer = await search(bodies.hits(span, last.sort), signal);
    if (signal.aborted) return;
    table.append(answer.hits.hits);
    more = { busy: false, end: answer.hits.hits.length < bodies.PAGE || table.documents.length === before };
    drawFields();
  } catch (error) {
    if (error.name === "AbortError") return;
    more = { busy: false, end: true };
    fill($("#error"), plain(error.message));
  }
}

async function openStored(signal) {
  const held = table.at(state.doc);
  if (held >= 0) {
    table.select(held);
    return drawer.show(table.documents[held]);
  }
  const answer = await search(bodies.byId(state.doc.slice(state.doc.indexOf("/") + 1)), signal);
  const hit = answer.hits.hits.find((one) => `${one._index}/${one._id}` === state.doc) ?? answer.hits.hits[0];
  if (hit) drawer.show(table.documentOf(hit));
}

// The live tail: the newest documents again and again, those that are new are put on top.
let liveTimer = null;
let looks = 0;

export function setLive() {
  clearTimeout(liveTimer);
  drawRange();
  document.body.classList.toggle("live", state.live);
  if (!state.live) return;
  looks = 0;
  table.toTop();
  liveTimer = setTimeout(look, LIVE_MS);
}

async function look() {
  if (!state.live || state.view !== "discover") return;
  const { signal } = (running ??= new AbortController());
  try {
    span = bodies.range();
    looks += 1;
    if (span && !document.hidden) {
      // Fields that came with the newest lines.
      if (bodies.caps.size === 0 || looks % 30 === 0) bodies.setCaps(await fieldCaps(signal));
      let answer = await search(bodies.hits(span), signal);
      count(answer);
      const hits = answer.hits.hits;
      const meets = table.documents.length === 0 || hits.length < bodies.PAGE || hits.some((hit) => table.has(`${hit._index}/${hit._id}`));
      // More came than one answer holds: a table with a gap would tell a wrong story.
      if (meets) table.prepend(hits, LIVE_HELD_MAX);
      else table.reset(hits, true);
      if (total > 0) fill($("#empty"));
      if (looks % LIVE_BARS === 1) {
        await runBars(signal);
        drawFields();
      }
      fill($("#error"));
    }
  } catch (error) {
    if (error.name !== "AbortError") fill($("#error"), h("b", {}, "Live: "), plain(error.message));
  }
  clearTimeout(liveTimer);
  if (state.live) liveTimer = setTimeout(look, LIVE_MS);
}

export function toggleLive() {
  // Live means up to now.
  const upToNow = state.to === "now" ? {} : { from: "now-15m", to: "now" };
  change({ live: !state.live, ...(state.live ? {} : upToNow) });
}

table.attach({ onMore: older, onOpen: drawer.show });
