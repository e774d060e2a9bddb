/** Numbers with their units, as people of a language write them. */

/** The pseudo-locale writes as English does. @param {string} locale */
const tag = (locale) => (locale === "qps" ? "en" : locale);

/** @type {Map<string, Intl.NumberFormat>} */
const formats = new Map();

/** @param {string} locale @param {Intl.NumberFormatOptions} options */
function formatted(locale, options) {
  const key = `${tag(locale)} ${JSON.stringify(options)}`;
  let format = formats.get(key);
  if (!format) formats.set(key, (format = new Intl.NumberFormat(tag(locale), options)));
  return format;
}

const UNITS = ["B", "kB", "MB", "GB", "TB"];

/**
 * A size in bytes, by thousands as disks and hubs count: `6.9 GB`.
 * @param {number} size
 * @param {string} locale
 */
export function bytes(size, locale) {
  let value = Math.max(0, Number.isFinite(size) ? size : 0);
  let at = 0;
  // 999.7 kB would be written as 1,000 kB
  while (Math.round(value) >= 1000 && at < UNITS.length - 1) {
    value /= 1000;
    at += 1;
  }
  const digits = at < 2 || value >= 99.95 ? 0 : 1;
  return `${formatted(locale, { maximumFractionDigits: digits }).format(value)} ${UNITS[at]}`;
}

/**
 * @param {number} perSecond In bytes.
 * @param {string} locale
 */
export const speed = (perSecond, locale) => `${bytes(perSecond, locale)}/s`;

/** As they are written beside each other; what Intl has mixes `6.3s`, `5 sec` and `1 hr`. */
const TIMES = {
  en: { hours: "h", minutes: "min", seconds: "s" },
  zh: { hours: "小时", minutes: "分", seconds: "秒" },
};

/**
 * A duration: `6.3 s`, `2 min 5 s`, `1 h 10 min`.
 * @param {number} value In seconds.
 * @param {string} locale
 */
export function seconds(value, locale) {
  const words = locale.startsWith("zh") ? TIMES.zh : TIMES.en;
  const digits = { minimumFractionDigits: 1, maximumFractionDigits: 1 };
  if (!(value >= 59.95)) return `${formatted(locale, digits).format(value > 0 ? value : 0)} ${words.seconds}`;
  const whole = Math.round(value);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  const first = hours ? [hours, words.hours] : [minutes, words.minutes];
  const second = hours ? [minutes, words.minutes] : [rest, words.seconds];
  return [first, second].filter(([count]) => count).flat().join(" ");
}

/**
 * How long something will take yet: an estimate has no tenths, and from ten minutes on no seconds.
 * @param {number} value In seconds.
 * @param {string} locale
 */
export function remaining(value, locale) {
  const whole = Math.max(1, Math.ceil(value));
  if (whole < 60) return `${formatted(locale, {}).format(whole)} ${(locale.startsWith("zh") ? TIMES.zh : TIMES.en).seconds}`;
  return seconds(whole < 600 ? whole : Math.ceil(whole / 60) * 60, locale);
}

const STEPS = /** @type {const} */ ([
  ["second", 60],
  ["minute", 60],
  ["hour", 24],
  ["day", 7],
  ["week", 4.35],
  ["month", 12],
]);

/**
 * How long ago: `5 minutes ago`.
 * @param {Date | number | string} date
 * @param {Date | number} now
 * @param {string} locale
 */
export function ago(date, now, locale) {
  let value = (new Date(date).getTime() - new Date(now).getTime()) / 1000;
  const words = new Intl.RelativeTimeFormat(tag(locale), { numeric: "auto" });
  if (Number.isNaN(value)) return "";
  if (Math.abs(value) < 10) return words.format(0, "second");
  for (const [unit, next] of STEPS) {
    if (Math.abs(Math.round(value)) < next) return words.format(Math.round(value), unit);
    value /= next;
  }
  return words.format(Math.round(value), "year");
}

/**
 * @param {number} part 0 to 1; downwards, for 100 % is said of what is done.
 * @param {string} locale
 */
export const percent = (part, locale) => formatted(locale, { style: "percent", maximumFractionDigits: 0 }).format(Math.floor(part * 100 + 1e-6) / 100);
