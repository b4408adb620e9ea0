// Times: Elasticsearch's date math in the two ends of a range, widths of bars, and how times are written.

const UNITS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** Ranges of the picker; others are typed. */
export const RANGES = [
  ["now-5m", "now", "Last 5 minutes"],
  ["now-15m", "now", "Last 15 minutes"],
  ["now-1h", "now", "Last hour"],
  ["now-4h", "now", "Last 4 hours"],
  ["now-24h", "now", "Last 24 hours"],
  ["now-7d", "now", "Last 7 days"],
  ["now-30d", "now", "Last 30 days"],
  ["now-1y", "now", "Last year"],
  ["now/d", "now", "Today"],
  ["now-1d/d", "now/d", "Yesterday"],
];

/** Milliseconds of `now-15m`, `now/d`, `now-1d/d` or a time as a person types it (local); NaN: not a time. */
export function resolve(text, now = Date.now()) {
  const trimmed = text.trim();
  const math = /^now((?:[+-]\d+[smhdwMy])*)(?:\/([smhdwMy]))?$/.exec(trimmed);
  if (!math) return typed(trimmed);
  const at = new Date(now);
  for (const [, sign, count, unit] of math[1].matchAll(/([+-])(\d+)([smhdwMy])/g)) {
    const by = Number(count) * (sign === "-" ? -1 : 1);
    if (unit === "M") at.setMonth(at.getMonth() + by);
    else if (unit === "y") at.setFullYear(at.getFullYear() + by);
    // Days have 23 to 25 hours.
    else if (unit === "d") at.setDate(at.getDate() + by);
    else at.setTime(at.getTime() + by * UNITS[unit]);
  }
  const down = { s: 1, m: 2, h: 3, d: 4, w: 4, M: 5, y: 6 }[math[2]] ?? 0;
  if (down >= 1) at.setMilliseconds(0);
  if (down >= 2) at.setSeconds(0);
  if (down >= 3) at.setMinutes(0);
  if (down >= 4) at.setHours(0);
  if (math[2] === "w") at.setDate(at.getDate() - ((at.getDay() + 6) % 7));
  if (down >= 5) at.setDate(1);
  if (down >= 6) at.setMonth(0);
  return at.getTime();
}

function typed(text) {
  if (/^\d{10}$/.test(text)) return Number(text) * 1000;
  if (/^\d{13}$/.test(text)) return Number(text);
  const form = /^(\d{4})-(\d\d?)(?:-(\d\d?))?(?:[ T](\d\d?):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?)?\s*(Z|[+-]\d\d:?\d\d)?$/i.exec(text);
  if (!form) return NaN;
  const [, year, month, day = 1, hour = 0, minute = 0, second = 0, fraction = "", zone] = form;
  const ms = Number(fraction.padEnd(3, "0").slice(0, 3));
  const parts = [Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second), ms];
  const at = zone ? new Date(Date.UTC(...parts)) : new Date(...parts);
  const offset = zone && !/z/i.test(zone) ? Number(zone.slice(0, 3)) * 60 + Number(zone[0] + zone.slice(-2)) : 0;
  // "2026-02-31" would silently become a day in March.
  const same = zone ? at.getUTCMonth() === parts[1] && at.getUTCDate() === parts[2] : at.getMonth() === parts[1] && at.getDate() === parts[2];
  return same ? at.getTime() - offset * 60_000 : NaN;
}

/** Whether the range moves with the clock. */
export const isRelative = (text) => text.trim().startsWith("now");

/** Widths of bars in milliseconds with Elasticsearch's word for each. */
const WIDTHS = [
  [1, "1ms"], [10, "10ms"], [100, "100ms"], [1000, "1s"], [2000, "2s"], [5000, "5s"], [10_000, "10s"], [15_000, "15s"], [30_000, "30s"],
  [60_000, "1m"], [120_000, "2m"], [300_000, "5m"], [600_000, "10m"], [900_000, "15m"], [1_800_000, "30m"],
  [3_600_000, "1h"], [7_200_000, "2h"], [10_800_000, "3h"], [21_600_000, "6h"], [43_200_000, "12h"],
];
/** From a day on bars follow the calendar of the person who looks. */
const CALENDAR = [[UNITS.d, "1d"], [UNITS.w, "1w"], [30 * UNITS.d, "1M"], [365 * UNITS.d, "1y"]];
/** Bars in the histogram: enough to see a spike, few enough to be wide. */
const BARS_MAX = 150;

/** The width of bars for a span: `{ms, word, calendar}`. */
export function width(span) {
  const fits = ([ms]) => span / ms <= BARS_MAX;
  const fixed = WIDTHS.find(fits);
  if (fixed) return { ms: fixed[0], word: fixed[1], calendar: false };
  const [ms, word] = CALENDAR.find(fits) ?? CALENDAR.at(-1);
  return { ms, word, calendar: true };
}

export const zone = () => Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

const two = (number) => String(number).padStart(2, "0");

/** `2026-11-28 13:45:01.250`, local. */
export function stamp(ms, withDate = true) {
  const at = new Date(ms);
  if (Number.isNaN(at.getTime())) return "";
  const time = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${String(at.getMilliseconds()).padStart(3, "0")}`;
  return withDate ? `${day(at)} ${time}` : time;
}

function day(at) {
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

/** A time without zeros at its end: for ends of ranges. */
export function short(ms) {
  return stamp(ms).replace(/\.000$/, "").replace(/:00$/, "").replace(/ 00:00$/, "");
}

/** What the range is called on its button. */
export function named(from, to) {
  const known = RANGES.find((range) => range[0] === from && range[1] === to);
  if (known) return known[2];
  const end = (text) => (isRelative(text) ? text : short(resolve(text)));
  return `${end(from)} – ${end(to)}`;
}

/** `1.5 s`, `3 min`, `2 d`: how long. */
export function duration(seconds) {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${Number(seconds.toFixed(1))} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Number((seconds / 3600).toFixed(1))} h`;
  return `${Math.round(seconds / 86_400)} d`;
}
