// Which colour a value of the stacked field has: levels and statuses by what they mean, others in turn.

/** Levels from bad to harmless with what else they are called. */
const LEVELS = [
  ["fatal", "fatal", "emergency", "emerg", "panic"],
  ["critical", "critical", "crit", "alert"],
  ["error", "error", "err", "severe", "e"],
  ["warn", "warn", "warning", "w"],
  ["notice", "notice"],
  ["info", "info", "information", "informational", "i", "log"],
  ["debug", "debug", "d", "fine"],
  ["trace", "trace", "verbose", "finest"],
];

export function level(value) {
  const word = String(value).toLowerCase();
  return LEVELS.find((names) => names.includes(word))?.[0] ?? null;
}

const probe = document.createElement("i");

/** The colour of a name of style.css, as it is now: dark or light. */
export function shade(name) {
  probe.hidden = true;
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}

/** The class of a status, `2xx`. */
export const statusClass = (value) => (/^[1-5]\d\d$/.test(String(value)) ? `${String(value)[0]}xx` : null);

/** From the bottom of a bar to its top: what is bad is compared best on a common line. */
const ORDER = ["fatal", "critical", "error", "5xx", "warn", "4xx", "notice", "info", "2xx", "3xx", "1xx", "debug", "trace"];
const IN_TURN = ["--s1", "--s2", "--s3", "--s4", "--s5", "--s6", "--s7", "--s8", "--s9"];

/** What buckets of `field` are counted under. */
export function group(field, key) {
  if (field.startsWith("log.level")) return level(key) ?? String(key);
  if (field.includes("status")) return statusClass(key) ?? String(key);
  return String(key);
}

/** Groups in the order in which they are stacked, the worst at the bottom, each with the name of its colour. */
export function coloured(groups) {
  const place = (name) => (ORDER.includes(name) ? ORDER.indexOf(name) : ORDER.length);
  const sorted = [...groups].sort((a, b) => place(a) - place(b) || (a < b ? -1 : 1));
  let turn = 0;
  return sorted.map((name) => {
    if (name === "other") return { name, colour: "--other" };
    if (ORDER.includes(name)) return { name, colour: `--l-${name}` };
    return { name, colour: IN_TURN[turn++ % IN_TURN.length] };
  });
}
