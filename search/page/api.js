// The requests: `_search`, `_msearch` and `_field_caps` of Elasticsearch's HTTP API, and nothing else.

import { parse, write } from "./json.js";
import { state } from "./state.js";

/** What the server said: its reason as a sentence, and the status. */
export class Refused extends Error {
  constructor(status, reason) {
    super(reason);
    this.status = status;
  }
}

/** What the program says about itself: `{index, server, version, pipeline}`. */
export let settings = { index: "sluice-*", server: "", version: "", stages: 0 };

export async function loadSettings() {
  settings = { ...settings, ...(await ask("_page/settings")) };
}

/** The indices that are searched. */
export const index = () => state.index || settings.index;

/** Missing indices are no error: those of a fresh machine appear with the first document. */
const LENIENT = "ignore_unavailable=true&allow_no_indices=true";

const path = (end) => `${encodeURIComponent(index()).replaceAll("%2C", ",")}/${end}?${LENIENT}`;

/** One search. */
export function search(body, signal) {
  return ask(path("_search"), { method: "POST", headers: { "content-type": "application/json" }, body: write(body), signal });
}

/** Several searches at once; each answer is a response or throws its own error when it is looked at. */
export async function searches(bodies, signal) {
  const head = write({ index: index().split(","), ignore_unavailable: true, allow_no_indices: true });
  const body = bodies.map((one) => `${head}\n${write(one)}\n`).join("");
  const answer = await ask("_msearch", { method: "POST", headers: { "content-type": "application/x-ndjson" }, body, signal });
  return answer.responses.map((one) => {
    if (one.error) throw new Refused(one.status, reason(one));
    return one;
  });
}

/** Fields of the indices: name -> `{type, searchable, aggregatable}`, where indices differ of the most usual type. */
export async function fieldCaps(signal) {
  const answer = await ask(`${path("_field_caps")}&fields=*`, { signal });
  const fields = new Map();
  for (const [name, types] of Object.entries(answer.fields ?? {})) {
    const usable = Object.values(types).filter((one) => one.metadata_field !== true && one.type !== "object" && one.type !== "nested");
    if (usable.length === 0 || name.startsWith("_")) continue;
    fields.set(name, {
      type: usable.map((one) => one.type).join(", "),
      types: usable.map((one) => one.type),
      searchable: usable.some((one) => one.searchable),
      aggregatable: usable.every((one) => one.aggregatable),
    });
  }
  return fields;
}

export async function ask(url, options = {}) {
  let response, text;
  try {
    response = await fetch(url, { cache: "no-store", credentials: "same-origin", redirect: "error", ...options });
    text = await response.text();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, "no answer: is sluice still running?");
  }
  let answer;
  try {
    answer = parse(text);
  } catch {
    throw new Refused(response.status, text.slice(0, 300) || `status ${response.status}`);
  }
  if (!response.ok) throw new Refused(response.status, reason(answer));
  return answer;
}

/** The innermost reason of an error of Elasticsearch. */
function reason(answer) {
  const error = answer.error ?? answer;
  if (typeof error === "string") return error;
  const root = error.failed_shards?.[0]?.reason ?? error.root_cause?.[0] ?? error;
  let cause = root;
  while (cause.caused_by) cause = cause.caused_by;
  return [root.reason, cause === root ? null : cause.reason].filter(Boolean).join(": ") || error.type || "the server refused the search";
}
