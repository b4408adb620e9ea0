// Values of documents as text that hides nothing: control characters, overrides of writing direction and invisible
// characters are shown as marks, since a log line may hold anything.

import { h } from "./dom.js";

/** What would act on the text around it, or not be seen: C0 and C1, zero widths, directions, line separators, tags. */
const UNSEEN =
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

function mark(character) {
  const code = character.codePointAt(0);
  if (code < 0x100) return "\\x" + code.toString(16).padStart(2, "0");
  return "U+" + code.toString(16).toUpperCase().padStart(4, "0");
}

/** `text` with what is not seen as marks; for titles and other places that take only text. */
export function plain(text) {
  return text.replace(UNSEEN, mark).replace(/\r/g, "\\r");
}

/**
 * Nodes for `text`: marks, and what `wanted` matches as found. With `oneLine` newlines and tabs are marks, too.
 * At most `limit` characters, then how many more there are.
 */
export function visible(text, { wanted = null, oneLine = false, limit = Infinity } = {}) {
  const rest = text.length - limit;
  const shown = rest > 0 ? text.slice(0, limit) : text;
  const nodes = [];
  let from = 0;
  if (wanted) {
    wanted.lastIndex = 0;
    for (let hit = wanted.exec(shown); hit; hit = wanted.exec(shown)) {
      if (hit[0] === "") {
        wanted.lastIndex += 1;
        continue;
      }
      nodes.push(...marked(shown.slice(from, hit.index), oneLine), h("mark", {}, ...marked(hit[0], oneLine)));
      from = hit.index + hit[0].length;
    }
  }
  nodes.push(...marked(shown.slice(from), oneLine));
  if (rest > 0) nodes.push(h("span", { class: "more" }, ` … ${rest.toLocaleString()} more characters`));
  return nodes;
}

function marked(text, oneLine) {
  const unseen = oneLine ? new RegExp(UNSEEN.source + "|[\\n\\r\\t]", "g") : new RegExp(UNSEEN.source + "|\\r(?!\\n)", "g");
  const nodes = [];
  let from = 0;
  for (const hit of text.matchAll(unseen)) {
    if (hit.index > from) nodes.push(text.slice(from, hit.index));
    const character = hit[0];
    const sign = character === "\n" ? "\u21b5" : character === "\t" ? "\u21e5" : mark(character);
    nodes.push(h("span", { class: "unseen" }, sign));
    from = hit.index + character.length;
  }
  if (from < text.length) nodes.push(text.slice(from));
  return nodes;
}
