// What the page shows, and its form in the URL: whoever gets the URL sees the same.

const DEFAULTS = { view: "discover", index: "", q: "", from: "now-15m", to: "now", columns: [], filters: [], stack: "auto", live: false, doc: "" };

/** The state; changed only by `change`. */
export const state = structuredClone(DEFAULTS);

const listeners = [];
/** Calls `listener(names of what changed)` after each change. */
export const onChange = (listener) => listeners.push(listener);

/** Whether the URL said which times; without that the page may choose some in which there is something. */
export let hasRange = false;

function read() {
  const words = new URLSearchParams(location.hash.slice(1));
  hasRange = words.has("from");
  const filters = words.getAll("filter").map(readFilter).filter(Boolean);
  return {
    view: words.get("view") === "pipeline" ? "pipeline" : "discover",
    index: words.get("index") ?? "",
    q: words.get("q") ?? "",
    from: words.get("from") ?? DEFAULTS.from,
    to: words.get("to") ?? DEFAULTS.to,
    columns: words.getAll("column").filter(Boolean),
    filters,
    stack: words.get("stack") ?? "auto",
    live: words.get("live") === "1",
    doc: words.get("doc") ?? "",
  };
}

function readFilter(text) {
  try {
    const [op, field, value] = JSON.parse(text);
    const fits = ["is", "not", "has", "hasnot"].includes(op) && typeof field === "string";
    return fits && (value === undefined || typeof value !== "object") ? { op, field, value } : null;
  } catch {
    return null;
  }
}

function write() {
  const words = new URLSearchParams();
  for (const name of ["view", "index", "q", "stack", "doc"]) {
    if (state[name] !== DEFAULTS[name]) words.set(name, state[name]);
  }
  if (hasRange || state.from !== DEFAULTS.from || state.to !== DEFAULTS.to) {
    words.set("from", state.from);
    words.set("to", state.to);
  }
  state.columns.forEach((column) => words.append("column", column));
  state.filters.forEach(({ op, field, value }) => words.append("filter", JSON.stringify([op, field, value])));
  if (state.live) words.set("live", "1");
  return "#" + words.toString();
}

function adopt(next) {
  const changed = new Set(Object.keys(next).filter((name) => JSON.stringify(next[name]) !== JSON.stringify(state[name])));
  Object.assign(state, next);
  return changed;
}

/** Changes the state and the URL. `replace`: without a step of the browser's history. */
export function change(part, { replace = false } = {}) {
  const changed = adopt(part);
  if (changed.size === 0) return;
  if (changed.has("from") || changed.has("to")) hasRange = true;
  const url = write();
  if (url !== location.hash) history[replace ? "replaceState" : "pushState"](null, "", url);
  listeners.forEach((listener) => listener(changed));
}

/** Takes the state from the URL, now and when it changes by hand or with the back button. */
export function follow() {
  adopt(read());
  const again = () => {
    const changed = adopt(read());
    if (changed.size > 0) listeners.forEach((listener) => listener(changed));
  };
  addEventListener("popstate", again);
  addEventListener("hashchange", again);
}

/** Adds a filter; the same field and value the other way round is replaced. */
export function addFilter(op, field, value) {
  const others = state.filters.filter((one) => one.field !== field || one.value !== value);
  change({ filters: [...others, { op, field, value }] });
}

export function toggleColumn(field) {
  const without = state.columns.filter((one) => one !== field);
  change({ columns: without.length < state.columns.length ? without : [...state.columns, field] });
}
