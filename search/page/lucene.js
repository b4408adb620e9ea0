// Looks into a query in Lucene's syntax: which words were asked for, to mark them, and what is being typed, to suggest.
// What a query means is for the server to say; nothing here refuses one.

const BREAKS = /[\s()]/;
const OPERATORS = new Set(["AND", "OR", "NOT", "&&", "||", "!", "TO"]);

/** Parts of a query: `{text, start, end}`, split at blanks and parentheses outside of quotes, brackets and escapes. */
function parts(query) {
  const found = [];
  let start = -1, close = null;
  for (let at = 0; at <= query.length; at += 1) {
    const character = query[at];
    const ends = at === query.length || (close === null && BREAKS.test(character));
    if (ends) {
      if (start >= 0) found.push({ text: query.slice(start, at), start, end: at });
      start = -1;
      continue;
    }
    if (start < 0) start = at;
    if (character === "\\") at += 1;
    else if (close !== null) close = character === close || (close === "]" && character === "}") ? null : close;
    else if (character === '"') close = '"';
    else if (character === "[" || character === "{") close = "]";
  }
  return found;
}

/** Place of the colon that ends a field's name, or -1. */
function colon(text) {
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === "\\") at += 1;
    else if (text[at] === '"') return -1;
    else if (text[at] === ":") return at;
  }
  return -1;
}

const unescaped = (text) => text.replace(/\\(.)/gs, "$1");

/** Words and phrases that documents were found by: `{field or null, pattern}`, `pattern` the source of a RegExp. */
function wantedWords(query) {
  const words = [];
  let negated = false, groupField = null;
  for (const { text, end } of parts(query)) {
    if (OPERATORS.has(text)) {
      negated = text === "NOT" || text === "!";
      continue;
    }
    let rest = text.replace(/^[+(]+/, "");
    const isNot = negated || /^[-!]/.test(rest);
    negated = false;
    rest = rest.replace(/^[-!]/, "");
    const at = colon(rest);
    const field = at < 0 ? groupField : unescaped(rest.slice(0, at));
    const value = at < 0 ? rest : rest.slice(at + 1);
    if (at >= 0 && value === "") groupField = query[end] === "(" ? field : null;
    if (query[end] === ")") groupField = null;
    const pattern = valuePattern(value);
    if (!isNot && pattern && field !== "_exists_") words.push({ field, pattern });
  }
  return words;
}

function valuePattern(value) {
  if (value === "" || /^[[{<>/]/.test(value)) return null;
  const phrase = /^"((?:[^"\\]|\\.)*)"?/s.exec(value);
  const literal = (text) => text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
  const bounded = (inner) => `(?<![\\p{L}\\p{N}_])${inner}(?![\\p{L}\\p{N}_])`;
  if (phrase) {
    const words = unescaped(phrase[1]).split(/\s+/).filter(Boolean).map(literal);
    return words.length > 0 ? words.join("[^\\p{L}\\p{N}]+") : null;
  }
  const word = value.replace(/[~^][\d.]*$/, "");
  const pieces = word.match(/\\.|[*?]|[^\\*?]+/gs) ?? [];
  if (pieces.every((piece) => piece === "*" || piece === "?")) return null;
  return bounded(pieces.map((it) => (it === "*" ? "[\\p{L}\\p{N}_]*" : it === "?" ? "." : literal(unescaped(it)))).join(""));
}

/** A function from a field to the RegExp that finds what was asked for in it, or null. */
export function marker(query, filters = []) {
  const words = wantedWords(query);
  for (const { op, field, value } of filters) {
    if (op === "is" && typeof value === "string") words.push({ field, pattern: value.slice(0, 200).replace(/[.*+?^${}()|[\]\\/]/g, "\\$&") });
  }
  const known = new Map();
  return (field) => {
    if (!known.has(field)) {
      const own = words.filter((word) => word.field === null || word.field === field).map((word) => word.pattern);
      known.set(field, own.length > 0 ? new RegExp(own.join("|"), "giu") : null);
    }
    return known.get(field);
  };
}

/** What is typed at `caret`: `{start, end, field, typed}`; `field` is null while the name of a field is typed. */
export function typing(query, caret) {
  const part = parts(query.slice(0, caret)).find(({ end }) => end === caret);
  const start = part ? part.start + /^[-+!]*/.exec(part.text)[0].length : caret;
  const text = query.slice(start, caret);
  const at = colon(text);
  if (at < 0) return { start, end: caret, field: null, typed: unescaped(text) };
  const value = text.slice(at + 1);
  const bare = value.startsWith('"') ? value.slice(1) : value;
  return { start: start + at + 1, end: caret, field: unescaped(text.slice(0, at)), typed: unescaped(bare), value };
}

/** A field's name as it is written in a query. */
export const fieldWord = (name) => name.replace(/[\s:()[\]{}"\\*?~^]/g, "\\$&");

/** A value as it is written in a query. */
export function valueWord(value) {
  const text = String(value);
  return /^[\p{L}\p{N}_.][\p{L}\p{N}_.@-]*$/u.test(text) && !OPERATORS.has(text) ? text : `"${text.replace(/["\\]/g, "\\$&")}"`;
}
