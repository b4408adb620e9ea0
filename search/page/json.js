// JSON whose integers stay what they are: ids and offsets beyond 2^53 would be rounded by a plain JSON.parse.

/** Parses; integers that a number cannot hold are BigInt. */
export function parse(text) {
  return JSON.parse(text, (_, value, context) => {
    const isRounded = typeof value === "number" && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? "");
    return isRounded ? BigInt(context.source) : value;
  });
}

/** Writes; a BigInt as the digits that came. */
export function write(value, indent) {
  const plain = (_, it) => {
    if (typeof it !== "bigint") return it;
    return JSON.rawJSON ? JSON.rawJSON(it.toString()) : Number(it);
  };
  return JSON.stringify(value, plain, indent);
}

/** Fields of a document that are looked at; a document with more shows that there are more. */
export const FIELDS_MAX = 1000;
/** Levels of objects that become paths; what lies deeper is shown as JSON. */
const DEPTH_MAX = 20;

/** The document's fields by path, `{"a": {"b": 1}}` as `a.b`, each with a list of values. */
export function flatten(source) {
  const fields = new Map();
  const add = (path, value) => {
    const values = fields.get(path);
    if (values) values.push(value);
    else if (fields.size < FIELDS_MAX) fields.set(path, [value]);
  };
  const walk = (path, value, depth) => {
    if (fields.size >= FIELDS_MAX) return;
    if (Array.isArray(value) && depth < DEPTH_MAX) {
      value.forEach((one) => walk(path, one, depth + 1));
    } else if (value !== null && typeof value === "object" && depth < DEPTH_MAX && Object.keys(value).length > 0) {
      for (const [key, inner] of Object.entries(value)) walk(path === "" ? key : `${path}.${key}`, inner, depth + 1);
    } else {
      add(path, value);
    }
  };
  walk("", source ?? {}, 0);
  return fields;
}

/** A value as a person reads it. */
export function shown(value) {
  return value !== null && typeof value === "object" ? write(value) : String(value);
}
