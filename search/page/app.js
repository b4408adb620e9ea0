// The page: wires the parts together, the keyboard, and the theme.

import { loadSettings, settings } from "./api.js";
import { closePicker, openPicker, shift } from "./bars.js";
import { run, setLive, toggleLive } from "./discover.js";
import { $, fill, notice } from "./dom.js";
import * as drawer from "./drawer.js";
import { drawFields } from "./fields.js";
import { redraw } from "./histogram.js";
import * as pipeline from "./pipeline.js";
import { change, follow, onChange, state } from "./state.js";
import { finish as finishSuggestions, key as suggestionKey } from "./suggest.js";
import * as table from "./table.js";

const input = $("#query");

function view() {
  const isPipeline = state.view === "pipeline";
  $("#discover").hidden = isPipeline;
  $("#pipeline").hidden = !isPipeline;
  for (const name of ["discover", "pipeline"]) $(`#to-${name}`).setAttribute("aria-current", state.view === name ? "page" : "false");
  document.title = isPipeline ? "Pipeline – Sluice" : state.q ? `${state.q} – Sluice` : "Sluice";
  if (isPipeline) pipeline.start();
  else pipeline.stop();
}

onChange((changed) => {
  const any = (...names) => names.some((name) => changed.has(name));
  if (any("q") && document.activeElement !== input) input.value = state.q;
  if (any("stack")) $("#stack").value = state.stack;
  if (any("view", "q")) view();
  if (any("doc") && state.doc === "") drawer.hide();
  if (any("columns")) {
    table.head();
    table.paint();
    drawFields();
  }
  const searched = any("index", "q", "from", "to", "filters", "stack") || (changed.has("view") && state.view === "discover");
  if (searched && state.view === "discover") run({ fields: changed.has("index") });
  if (any("live", "view")) setLive();
});

function submit(event) {
  event?.preventDefault();
  finishSuggestions();
  if (input.value === state.q) run({ fields: true });
  else change({ q: input.value });
}

// Keys. In a field only Escape and Enter mean something.
const KEYS = {
  "/": () => (input.focus(), input.select()),
  j: () => step(1),
  ArrowDown: () => step(1),
  k: () => step(-1),
  ArrowUp: () => step(-1),
  Enter: () => open(),
  o: () => open(),
  1: () => drawer.turn("fields"),
  2: () => drawer.turn("json"),
  3: () => drawer.turn("around"),
  t: () => openPicker(),
  f: () => $("#fields-find").focus(),
  l: () => toggleLive(),
  r: () => run({ fields: true }),
  "[": () => shift(-0.5),
  "]": () => shift(0.5),
  "-": () => shift(0, 0.5),
  g: () => table.toTop(),
  d: () => theme(),
  p: () => change({ view: state.view === "pipeline" ? "discover" : "pipeline" }),
  "?": () => help(),
};

function step(by) {
  const number = table.selected() < 0 ? (by > 0 ? 0 : -1) : table.selected() + by;
  if (table.select(number) && drawer.isOpen()) drawer.show(table.documents[number]);
}

function open() {
  const document = table.documents[Math.max(0, table.selected())];
  if (document) drawer.show(document);
}

function help() {
  const box = $("#help");
  if (box.open) box.close();
  else box.showModal();
}

document.addEventListener("keydown", (event) => {
  if (event.target === input && suggestionKey(event)) return;
  const typing = event.target.closest("input, textarea, select");
  if (event.key === "Escape") {
    if (closePicker()) return;
    if (typing) return typing.blur();
    drawer.hide();
    return;
  }
  if (typing || event.ctrlKey || event.metaKey || event.altKey || $("#help").open) return;
  // Enter on a button is that button's.
  if (event.key === "Enter" && event.target.closest("button, a")) return;
  const action = Object.hasOwn(KEYS, event.key) ? KEYS[event.key] : null;
  if (!action) return;
  if (state.view === "pipeline" && !["p", "d", "?"].includes(event.key)) return;
  event.preventDefault();
  action();
});

const THEME = "sluice-theme";

function theme(to) {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  const now = document.documentElement.dataset.theme || dark;
  const next = to ?? (now === "dark" ? "light" : "dark");
  document.documentElement.dataset.theme = next;
  try {
    localStorage.setItem(THEME, next);
  } catch {
    // Without storage the choice lasts as long as the page.
  }
  redraw();
}

$("#search").addEventListener("submit", submit);
$("#live").addEventListener("click", toggleLive);
$("#theme").addEventListener("click", () => theme());
$("#keys").addEventListener("click", help);
$("#help-close").addEventListener("click", help);
$("#drawer-close").addEventListener("click", drawer.hide);
$("#drawer-next").addEventListener("click", () => step(1));
$("#drawer-before").addEventListener("click", () => step(-1));
$("#stack").addEventListener("change", (event) => change({ stack: event.target.value }));
for (const name of ["discover", "pipeline"]) {
  $(`#to-${name}`).addEventListener("click", (event) => {
    event.preventDefault();
    change({ view: name });
  });
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);

try {
  const chosen = localStorage.getItem(THEME);
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
} catch {
  // As the system has it.
}
follow();
input.value = state.q;
$("#stack").value = state.stack;
try {
  await loadSettings();
} catch (error) {
  notice(error.message);
}
fill($("#server"), settings.server);
view();
table.head();
if (state.view === "discover") await run({ fields: true });
setLive();
